package tss_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// violation is something that bob does to alice. Each is played twice: with the
// library alone, which shows why there is a guard, and with the guard on recorded
// messages, which must name bob at the message that breaks the rule.
type violation struct {
	name string
	// alone is what the library does with it.
	alone outcome
	// hold names messages of bob that he sends only together with the next one that
	// is not held: he can then fit them to what he has learnt.
	hold []string
	// change alters one message of bob for alice, when it is sent. Others that he has
	// made, later ones too if this was held, are in s.bob; alice's are in s.alice.
	change func(s *scene, m proto.Message)
}

// outcome is what becomes of alice.
type outcome string

const (
	accepted     outcome = "accepted: she has a result"
	unattributed outcome = "unattributed: she fails and blames nobody"
	panicked     outcome = "panicked: on her goroutine, blames nobody"
	crashed      outcome = "crashed: a panic on a goroutine of the library ends her process"
	named        outcome = "named: the library names bob, later than the guard"
)

// scene is one run.
type scene struct {
	tb     testing.TB
	key    *key            // signing
	scheme protocol.Scheme // keygen

	violation  *violation
	alice, bob map[string]proto.Message
	held       []protocol.Message

	recorded []protocol.Message // of an honest run
}

func (s *scene) parties() []protocoltest.Party {
	if s.key == nil {
		return keygenParties(s.tb, s.scheme, protocol.Threshold{T: 2, N: 3})
	}
	return signParties(s.tb, s.key, protocoltest.Members(2), sid("violation"), digest("violation"))
}

// machine sets up alice.
func (s *scene) machine() protocol.Machine {
	if s.key == nil {
		return keygenMachine(s.tb, s.scheme, protocol.Threshold{T: 2, N: 3}, 0)
	}
	return s.parties()[0].Machine
}

// alone runs the ceremony without alice's guard and returns her result or error.
func (s *scene) alone(v *violation) (*protocol.Result, error) {
	s.violation, s.held = v, nil
	s.alice, s.bob = map[string]proto.Message{}, map[string]proto.Message{}
	parties := s.parties()
	tss.Unguard(parties[0].Machine)
	results, _, err := protocoltest.Run(parties, protocoltest.Options{Tamper: s.tamper})
	var failure *protocoltest.Failure
	if errors.As(err, &failure) {
		return results["alice"], failure.Errors["alice"]
	}
	return results["alice"], err
}

func (s *scene) tamper(m protocol.Message, to protocol.PeerID) []protocol.Message {
	switch {
	case m.From == "alice":
		s.alice[m.Name] = decode(s.tb, m.Body)
	case m.From == "bob" && to == "alice":
		return s.bobSends(m)
	}
	return []protocol.Message{m}
}

// bobSends lets bob change what he sends to alice.
func (s *scene) bobSends(m protocol.Message) []protocol.Message {
	s.bob[m.Name] = decode(s.tb, m.Body)
	s.held = append(s.held, m)
	if slices.Contains(s.violation.hold, m.Name) {
		return nil
	}
	sent := s.held
	s.held = nil
	for i := range sent {
		s.violation.change(s, s.bob[sent[i].Name])
	}
	for i := range sent {
		sent[i].Body = encodeAny(s.tb, s.bob[sent[i].Name])
	}
	return sent
}

// guarded gives alice's machine the messages of an honest run with bob's changes,
// and returns a result, without content, or the error that ends it.
func (s *scene) guarded(v *violation) (*protocol.Result, error) {
	s.tb.Helper()
	if s.recorded == nil {
		s.recorded = s.record()
	}
	s.violation = v
	s.alice, s.bob = map[string]proto.Message{}, map[string]proto.Message{}
	for _, m := range s.recorded {
		switch m.From {
		case "alice":
			s.alice[m.Name] = decode(s.tb, m.Body)
		case "bob":
			s.bob[m.Name] = decode(s.tb, m.Body)
		}
	}
	for _, m := range s.recorded {
		if m.From == "bob" {
			v.change(s, s.bob[m.Name])
		}
	}
	return replay(s.tb, s.machine(), s.recorded, func(m *protocol.Message) {
		if m.From == "bob" {
			m.Body = encodeAny(s.tb, s.bob[m.Name])
		}
	})
}

// moduli returns the order of the squares modulo a member's Ñ, its N and its Ñ.
func (s *scene) moduli(peer protocol.PeerID) (order, n, nTilde *big.Int) {
	i := slices.IndexFunc(protocoltest.Members(3), func(m protocol.Member) bool { return m.Peer == peer })
	pre := tss.LibraryPreParams(protocoltest.PreParams(s.tb, 3)[i])
	return new(big.Int).Mul(pre.P, pre.Q), pre.PaillierSK.N, pre.NTildei
}

// record returns the messages of an honest run.
func (s *scene) record() []protocol.Message {
	if s.key == nil {
		return newKey(s.tb, s.scheme, protocol.Threshold{T: 2, N: 3}).messages
	}
	_, _, messages := record(s.tb, s.parties())
	return messages
}

// record runs a ceremony. Its last result is what alice sent and got, by round.
func record(tb testing.TB, parties []protocoltest.Party) (map[protocol.PeerID]*protocol.Result, []string, []protocol.Message) {
	tb.Helper()
	var messages []protocol.Message
	results, lines, err := protocoltest.Run(parties, protocoltest.Options{Tamper: func(m protocol.Message, to protocol.PeerID) []protocol.Message {
		if to == "alice" || (m.From == "alice" && to == "bob") {
			messages = append(messages, m)
		}
		return []protocol.Message{m}
	}})
	if err != nil {
		tb.Fatal(err)
	}
	slices.SortStableFunc(messages, func(a, b protocol.Message) int {
		if c := cmp.Compare(a.Round, b.Round); c != 0 {
			return c
		}
		return cmp.Compare(a.From, b.From) // alice first: she sends before she hears
	})
	return results, lines, messages
}

// replay gives a machine of alice, whose library does nothing, recorded messages
// after change has seen them.
func replay(tb testing.TB, machine protocol.Machine, messages []protocol.Message, change func(*protocol.Message)) (*protocol.Result, error) {
	tb.Helper()
	tss.Idle(machine)
	step, err := machine.Start()
	for _, m := range messages {
		if err != nil {
			return nil, err
		}
		if m.From == "alice" {
			tss.Sent(machine, decode(tb, m.Body))
			continue
		}
		change(&m)
		step, err = machine.Step(m)
	}
	return step.Result, err
}

// decode reads the body of a message.
func decode(tb testing.TB, body []byte) proto.Message {
	tb.Helper()
	var wire anypb.Any
	if err := proto.Unmarshal(body, &wire); err != nil {
		tb.Fatal(err)
	}
	content, err := wire.UnmarshalNew()
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// encodeAny makes the body of a message.
func encodeAny(tb testing.TB, content proto.Message) []byte {
	tb.Helper()
	wire, err := anypb.New(content)
	if err != nil {
		tb.Fatal(err)
	}
	body, err := proto.Marshal(wire)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// altered makes a change of the messages of one type.
func altered[M proto.Message](f func(s *scene, m M)) func(*scene, proto.Message) {
	return func(s *scene, content proto.Message) {
		if m, ok := content.(M); ok {
			f(s, m)
		}
	}
}

// classify says what became of alice on the library alone.
func classify(result *protocol.Result, err error) outcome {
	culprits := protocol.Culprits(err)
	switch {
	case err == nil && result != nil:
		return accepted
	case errors.Is(err, tss.ErrPanic) && len(culprits) == 0:
		return panicked
	case errors.Is(err, tss.ErrAborted) && len(culprits) == 0:
		return unattributed
	case errors.Is(err, tss.ErrAborted) && slices.Equal(culprits, []protocol.PeerID{"bob"}):
		return named
	}
	return outcome(fmt.Sprintf("something else: %v", err))
}

// try plays a violation both ways. That the library names the sender is shown for
// every violation in the long tests, and otherwise where it is cheap.
func (s *scene) try(t *testing.T, suite string, v *violation) {
	switch {
	case v.alone == crashed:
		s.wantCrash(t, suite, v)
	case v.alone == named && suite == "ecdsa sign" && !longTests:
	default:
		if got := classify(s.alone(v)); got != v.alone {
			t.Errorf("with the library alone alice is not %s, but %s", v.alone, got)
		}
	}
	result, err := s.guarded(v)
	if result != nil || !errors.Is(err, tss.ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
		t.Errorf("the guard: result %v, error %v", result != nil, err)
	}
	t.Logf("alone: %s; guarded: %v", v.alone, err)
}

// suitesOfViolations finds them by name, in the process that is to crash.
var suitesOfViolations = map[string]struct {
	scene      func(testing.TB) *scene
	violations []violation
}{
	"eddsa keygen": {eddsaKeygenScene, eddsaKeygenViolations},
	"eddsa sign":   {signScene(protocol.EdDSA), eddsaSignViolations},
	"ecdsa sign":   {signScene(protocol.ECDSA), ecdsaSignViolations},
}

func TestViolations(t *testing.T) {
	for name, suite := range suitesOfViolations {
		t.Run(name, func(t *testing.T) {
			s := suite.scene(t)
			for i := range suite.violations {
				v := &suite.violations[i]
				t.Run(v.name, func(t *testing.T) { s.try(t, name, v) })
			}
		})
	}
}

// An honest run has a result with and without the guard.
func TestNoViolation(t *testing.T) {
	for name, suite := range suitesOfViolations {
		s := suite.scene(t)
		honest := &violation{change: func(*scene, proto.Message) {}}
		if result, err := s.alone(honest); result == nil {
			t.Errorf("%s, alone: %v", name, err)
		}
		if result, err := s.guarded(honest); result == nil {
			t.Errorf("%s, guarded: %v", name, err)
		}
	}
}

func eddsaKeygenScene(tb testing.TB) *scene { return &scene{tb: tb, scheme: protocol.EdDSA} }

func signScene(scheme protocol.Scheme) func(testing.TB) *scene {
	return func(tb testing.TB) *scene {
		k := savedKey(tb, scheme)
		if k == nil {
			k = newKey(tb, scheme, protocol.Threshold{T: 2, N: 3})
		}
		return &scene{tb: tb, key: k}
	}
}

// The environment of a process that plays one violation without the guard.
const (
	crashEnv  = "TSS_TEST_CRASH"  // suite/violation
	sharesEnv = "TSS_TEST_SHARES" // folder of shares, by peer
)

// savedKey returns the key that the parent process has saved, nil without one.
func savedKey(tb testing.TB, scheme protocol.Scheme) *key {
	tb.Helper()
	folder := os.Getenv(sharesEnv)
	if folder == "" {
		return nil
	}
	k := &key{threshold: protocol.Threshold{T: 2, N: 3}, shares: map[protocol.PeerID]*tss.Share{}}
	for _, m := range protocoltest.Members(3) {
		b, err := os.ReadFile(filepath.Join(folder, m.Peer)) // #nosec G304 G703 -- a file of this test
		if err != nil {
			tb.Fatal(err)
		}
		if k.shares[m.Peer], err = tss.DecodeShare(b); err != nil {
			tb.Fatal(err)
		}
		k.public = k.shares[m.Peer].PublicKey()
	}
	if k.shares["alice"].Scheme() != scheme {
		return nil
	}
	return k
}

// wantCrash plays a violation without the guard in a process of its own, which
// must end by a panic.
func (s *scene) wantCrash(t *testing.T, suite string, v *violation) {
	t.Helper()
	env := []string{crashEnv + "=" + suite + "/" + v.name}
	if s.key != nil {
		folder := t.TempDir()
		for peer, share := range s.key.shares {
			if err := os.WriteFile(filepath.Join(folder, peer), encode(t, share), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		env = append(env, sharesEnv+"="+folder)
	}
	wantPanic(t, "TestCrashAlone", env...)
}

// wantPanic runs a test in a process of its own, which must end by a panic on a goroutine that
// the library has started: the trace shows this one alone.
func wantPanic(t *testing.T, test string, env ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$") // #nosec G204 G702 -- this test
	command.Env = append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	byLibrary := strings.Contains(string(out), "\ncreated by github.com/bnb-chain/tss-lib/v2/")
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "panic: ") || !byLibrary {
		t.Errorf("the process did not crash: %v\n%s", err, out)
	}
}

// TestCrashAlone does nothing but in the process that wantCrash starts.
func TestCrashAlone(t *testing.T) {
	name, violation, found := strings.Cut(os.Getenv(crashEnv), "/")
	if !found {
		return
	}
	suite := suitesOfViolations[name]
	for i := range suite.violations {
		if v := &suite.violations[i]; v.name == violation {
			result, err := suite.scene(t).alone(v)
			t.Logf("alive, %s", classify(result, err))
		}
	}
}
