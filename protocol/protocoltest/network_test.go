package protocoltest_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// talk is a ceremony that only collects: in each of its rounds every member
// broadcasts one message and sends one to each other. It fails where a session
// would have broken the contract of protocol.Machine.
type talk struct {
	self    string
	members []string
	round   int
	waiting []protocol.Slot
	heard   []string
}

const talkRounds = 3

var errContract = errors.New("the contract is broken")

func newTalk(n int) []protocoltest.Party {
	var members []string
	for _, m := range protocoltest.Members(n) {
		members = append(members, m.Peer)
	}
	var parties []protocoltest.Party
	for _, m := range members {
		parties = append(parties, protocoltest.Party{Peer: m, Machine: &talk{self: m, members: members}})
	}
	return parties
}

func (m *talk) Round() int               { return m.round }
func (m *talk) Rounds() int              { return talkRounds }
func (m *talk) Waiting() []protocol.Slot { return m.waiting }
func (m *talk) Echoes() []int            { return nil }

func (m *talk) Form(protocol.Message) error { return nil }

func (m *talk) Start() (protocol.Step, error) { return m.enter() }

// enter starts the next round.
func (m *talk) enter() (protocol.Step, error) {
	m.round++
	all, one := fmt.Sprintf("All%d", m.round), fmt.Sprintf("One%d", m.round)
	step := protocol.Step{Send: []protocol.Message{{Round: m.round, Name: all, From: m.self, Body: []byte("all")}}}
	for _, peer := range m.members {
		if peer == m.self {
			continue
		}
		m.waiting = append(m.waiting, protocol.Slot{From: peer, Name: all}, protocol.Slot{From: peer, Name: one})
		step.Send = append(step.Send, protocol.Message{Round: m.round, Name: one, From: m.self, To: peer, Body: []byte("to " + peer)})
	}
	return step, nil
}

func (m *talk) Step(msg protocol.Message) (protocol.Step, error) {
	i := slices.Index(m.waiting, protocol.Slot{From: msg.From, Name: msg.Name})
	if i < 0 || msg.Round != m.round || (msg.To != "" && msg.To != m.self) {
		return protocol.Step{}, fmt.Errorf("%w: %s of %s in round %d", errContract, msg.Name, msg.From, m.round)
	}
	if want := "to " + m.self; msg.To != "" && string(msg.Body) != want {
		return protocol.Step{}, &protocol.Blame{Round: m.round, Culprits: []string{msg.From}, Err: errors.New("wrong body")}
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
	m.heard = append(m.heard, msg.From)
	switch {
	case len(m.waiting) > 0:
		return protocol.Step{}, nil
	case m.round == talkRounds:
		return protocol.Step{Result: &protocol.Result{Signature: []byte(m.self)}}, nil
	}
	return m.enter()
}

// wantResults checks that all n members have their own result.
func wantResults(t *testing.T, n int, results map[protocol.PeerID]*protocol.Result) {
	t.Helper()
	if len(results) != n {
		t.Fatalf("%d results of %d", len(results), n)
	}
	for peer, r := range results {
		if string(r.Signature) != peer {
			t.Errorf("%s has the result of %s", peer, r.Signature)
		}
	}
}

func TestInOrder(t *testing.T) {
	results, lines, err := protocoltest.Run(newTalk(2), protocoltest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantResults(t, 2, results)
	want := []string{
		"1 All1 alice->*", "1 One1 alice->bob", "1 All1 bob->*", "1 One1 bob->alice",
		"2 All2 bob->*", "2 One2 bob->alice", "2 All2 alice->*", "2 One2 alice->bob",
		"3 All3 alice->*", "3 One3 alice->bob", "3 All3 bob->*", "3 One3 bob->alice",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the transcript is\n%q", lines)
	}
}

// Whatever the order, no machine sees its contract broken; one seed gives one run.
func TestReorderAndDuplicate(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	transcripts := map[string]bool{}
	for i := range uint64(200) {
		options := protocoltest.Options{Seed: seed + i, Reorder: true, Duplicate: i%2 == 0}
		parties := newTalk(4)
		results, lines, err := protocoltest.Run(parties, options)
		if err != nil {
			t.Fatal(err)
		}
		wantResults(t, 4, results)
		again := newTalk(4)
		if _, second, err := protocoltest.Run(again, options); err != nil || !slices.Equal(lines, second) {
			t.Fatalf("the same seed gives another transcript: %v", err)
		}
		for j := range parties {
			if !slices.Equal(parties[j].Machine.(*talk).heard, again[j].Machine.(*talk).heard) {
				t.Fatal("the same seed gives another order")
			}
		}
		transcripts[fmt.Sprint(parties[0].Machine.(*talk).heard)] = true
	}
	if len(transcripts) < 100 {
		t.Errorf("200 seeds give only %d orders", len(transcripts))
	}
}

func TestDrop(t *testing.T) {
	options := protocoltest.Options{Drop: func(m protocol.Message, to protocol.PeerID) bool {
		return m.Name == "One2" && m.From == "bob" && to == "carol"
	}}
	results, _, err := protocoltest.Run(newTalk(3), options)
	var failure *protocoltest.Failure
	if !errors.As(err, &failure) || !errors.Is(err, protocoltest.ErrStuck) || len(results) != 0 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if peers := slices.Sorted(maps.Keys(failure.Errors)); !slices.Equal(peers, []string{"alice", "bob", "carol"}) {
		t.Errorf("%v have no result", peers)
	}
}

func TestTamper(t *testing.T) {
	options := protocoltest.Options{Tamper: func(m protocol.Message, to protocol.PeerID) []protocol.Message {
		if m.Name == "One2" && m.From == "bob" && to == "carol" {
			m.Body = []byte("to somebody")
		}
		return []protocol.Message{m}
	}}
	_, _, err := protocoltest.Run(newTalk(3), options)
	var failure *protocoltest.Failure
	if !errors.As(err, &failure) || !slices.Equal(protocol.Culprits(failure.Errors["carol"]), []string{"bob"}) {
		t.Fatalf("got %v", err)
	}
}

// Two different messages for one slot both reach the machine: a network does not
// choose between them.
func TestContradiction(t *testing.T) {
	options := protocoltest.Options{Tamper: func(m protocol.Message, to protocol.PeerID) []protocol.Message {
		other := m
		if m.Name == "All1" && m.From == "bob" && to == "carol" {
			other.Body = []byte("something else")
			return []protocol.Message{m, other}
		}
		return []protocol.Message{m}
	}}
	_, _, err := protocoltest.Run(newTalk(3), options)
	var failure *protocoltest.Failure
	if !errors.As(err, &failure) || !errors.Is(failure.Errors["carol"], errContract) {
		t.Fatalf("got %v", err)
	}
}

// Sets are made once and come in fresh copies.
func TestPreParams(t *testing.T) {
	a, b := protocoltest.PreParams(t, 1), protocoltest.PreParams(t, 1)
	if a[0] == b[0] {
		t.Error("the same set twice, which NewKeygen would refuse")
	}
	first, err1 := a[0].Encode()
	second, err2 := b[0].Encode()
	if err1 != nil || err2 != nil || !slices.Equal(first, second) {
		t.Error("a new set was made")
	}
}
