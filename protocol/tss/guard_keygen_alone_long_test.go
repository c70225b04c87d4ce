//go:build long

package tss_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// recordEnv is the file of what alice got in an honest keygen, for a process that plays one
// violation.
const recordEnv = "TSS_TEST_RECORD"

// Every violation of an ECDSA keygen, against a whole party of the library.
func TestLibraryAlone(t *testing.T) {
	s := ecdsaKeygenScene(t)
	s.recorded = slices.Clone(s.record()) // those of round 3 will be others
	data, err := json.Marshal(s.recorded)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	honest := &keygenViolation{change: func(*scene, proto.Message) {}}
	if got := s.library(honest); got != accepted {
		t.Fatalf("an honest run: %s", got)
	}
	for i := range ecdsaKeygenViolations {
		v := &ecdsaKeygenViolations[i]
		t.Run(v.name, func(t *testing.T) {
			if v.alone == crashed {
				wantPanic(t, "TestKeygenCrashAlone", crashEnv+"="+v.name, recordEnv+"="+file)
				return
			}
			if got := s.library(v); got != v.alone {
				t.Errorf("the library: not %s, but %s", v.alone, got)
			}
		})
	}
}

// TestKeygenCrashAlone does nothing but in the process that TestLibraryAlone starts. Its
// pre-parameters are others: what crashes is read before anything that depends on them.
func TestKeygenCrashAlone(t *testing.T) {
	file := os.Getenv(recordEnv)
	if file == "" {
		return
	}
	s := ecdsaKeygenScene(t)
	data, err := os.ReadFile(file) // #nosec G304 G703 -- a file of this test
	if err == nil {
		err = json.Unmarshal(data, &s.recorded)
	}
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ecdsaKeygenViolations, func(v keygenViolation) bool { return v.name == os.Getenv(crashEnv) })
	t.Logf("alive, %s", s.library(&ecdsaKeygenViolations[i]))
}

// solo is alice's party of the library, without a guard, among recorded messages.
type solo struct {
	s     *scene
	party tsslib.Party
	out   <-chan tsslib.Message
	ids   tsslib.SortedPartyIDs
	bob   *paillier.PrivateKey
}

// library lets bob's changes meet the library, with all that he has to prove besides.
func (s *scene) library(v *keygenViolation) outcome {
	s.tb.Helper()
	p := &solo{s: s, bob: pre(s.tb, 1).PaillierSK}
	p.party, p.out, p.ids = tss.Library(s.machine())
	s.alice, s.bob = map[string]proto.Message{}, map[string]proto.Message{}
	for _, m := range s.recorded {
		switch m.From {
		case "alice":
			s.alice[m.Name] = decode(s.tb, m.Body)
		case "bob":
			s.bob[m.Name] = decode(s.tb, m.Body)
		}
	}
	if v.ring != nil {
		v.ring(s.tb).put(s.tb, s.bob["KGRound1Message"].(*kg1))
	}
	if v.key != nil {
		p.bob = v.key(s.tb)
		putKey(s.tb, p.bob, append(keygenSSID(p.ids), big.NewInt(int64(p.id("bob").Index)).Bytes()...), s.bob)
	}
	return p.play(v)
}

func (p *solo) id(peer protocol.PeerID) *tsslib.PartyID {
	return p.ids[slices.IndexFunc(p.ids, func(id *tsslib.PartyID) bool { return id.Id == peer })]
}

// play gives the party all messages, round by round. Those of round 3 prove a key that is
// the sum of what everybody has opened, alice something new.
func (p *solo) play(v *keygenViolation) (o outcome) {
	defer func() {
		if recover() != nil {
			o = panicked
		}
	}()
	if err := p.party.Start(); err != nil {
		return p.classify(err)
	}
	for round := 1; round <= 3; round++ {
		if round == 3 {
			p.proveKeys()
		}
		for _, m := range p.s.recorded {
			if content := p.s.bob[m.Name]; m.From == "bob" && m.Round == round {
				v.change(p.s, content)
			}
		}
		for _, m := range p.s.recorded {
			if m.Round != round || m.From == "alice" {
				continue
			}
			if err := p.give(&m); err != nil {
				return p.classify(err)
			}
		}
	}
	if p.party.Running() {
		return "the library waits for ever"
	}
	return accepted
}

// give delivers a recorded message, or what bob has made of it.
func (p *solo) give(m *protocol.Message) *tsslib.Error {
	content := decode(p.s.tb, m.Body)
	if m.From == "bob" {
		content = p.s.bob[m.Name]
	}
	routing := tsslib.MessageRouting{From: p.id(m.From), IsBroadcast: m.To == ""}
	c := content.(tsslib.MessageContent)
	_, err := p.party.Update(tsslib.NewMessage(routing, c, tsslib.NewMessageWrapper(routing, c)))
	return err
}

// proveKeys makes the messages of round 3 anew.
func (p *solo) proveKeys() {
	openings := [][][]byte{}
	for i := range p.s.recorded {
		if m := &p.s.recorded[i]; m.From == "carol" && m.Name == "KGRound2Message2" {
			openings = append(openings, decode(p.s.tb, m.Body).(*keygen.KGRound2Message2).DeCommitment)
		}
	}
	openings = append(openings, p.s.bob["KGRound2Message2"].(*keygen.KGRound2Message2).DeCommitment)
	for len(p.out) > 0 {
		if c, ok := (<-p.out).(tsslib.ParsedMessage).Content().(*keygen.KGRound2Message2); ok {
			openings = append(openings, c.DeCommitment)
		}
	}
	public := p.sum(openings)
	p.s.bob["KGRound3Message"] = roundThree(p.bob, p.id("bob"), public)
	for i := range p.s.recorded {
		if m := &p.s.recorded[i]; m.From == "carol" && m.Round == 3 {
			m.Body = encodeAny(p.s.tb, roundThree(pre(p.s.tb, 2).PaillierSK, p.id("carol"), public))
		}
	}
}

// sum adds the constants of all polynomials.
func (p *solo) sum(openings [][][]byte) *crypto.ECPoint {
	var sum *crypto.ECPoint
	for _, parts := range openings {
		v := common.MultiBytesToBigInts(parts[1:3])
		point, err := crypto.NewECPoint(tsslib.S256(), v[0], v[1])
		if err == nil && sum != nil {
			point, err = sum.Add(point)
		}
		if err != nil {
			p.s.tb.Fatal(err)
		}
		sum = point
	}
	return sum
}

func roundThree(sk *paillier.PrivateKey, id *tsslib.PartyID, public *crypto.ECPoint) *keygen.KGRound3Message {
	m := &keygen.KGRound3Message{}
	for _, v := range sk.Proof(id.KeyInt(), public) {
		m.PaillierProof = append(m.PaillierProof, v.Bytes())
	}
	return m
}

// classify says whom the library names; itself it does not mean.
func (p *solo) classify(err *tsslib.Error) outcome {
	names := map[protocol.PeerID]bool{}
	for _, id := range err.Culprits() {
		names[id.Id] = true
	}
	delete(names, "alice")
	switch {
	case len(names) == 0:
		return unattributed
	case len(names) == 1 && names["bob"]:
		return named
	}
	return outcome(fmt.Sprintf("something else: %v", err))
}
