package protocol

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func specOf(kind Kind, n int) *Spec {
	switch kind {
	case KindSign:
		return signSpec(n)
	case KindPresign:
		return presignSpec(n)
	case kindBound:
		return boundSpec(n)
	}
	return keygenSpec(2, n)
}

// kindBound is a signing that begins in round 4.
const kindBound Kind = "bound sign"

var (
	kinds    = []Kind{KindKeygen, KindSign}
	allKinds = append(slices.Clone(kinds), KindPresign, kindBound)
)

func TestSessionInOrder(t *testing.T) {
	for _, kind := range allKinds {
		for n := 2; n <= 5; n++ {
			t.Run(fmt.Sprintf("%s of %d", kind, n), func(t *testing.T) {
				net := newNetwork(t, specOf(kind, n))
				net.run()
				net.agreed()
				for _, p := range net.players {
					if len(p.dropped) != 0 {
						t.Errorf("%s dropped %q although nothing came twice", p.name, p.dropped)
					}
				}
			})
		}
	}
}

// schedule runs one session on a network that reorders, duplicates and drops as
// the seed says.
func schedule(t testing.TB, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	kind := allKinds[random.IntN(len(allKinds))]
	net := newNetwork(t, specOf(kind, 2+random.IntN(4)))
	net.random, net.drop, net.twice = random, random.Float64()*0.7, random.Float64()*0.4
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: %s of %d, drop %.2f, twice %.2f", seed, kind, len(net.players), net.drop, net.twice)
		}
	}()
	net.run()
	net.agreed()
}

func TestSessionOnBadNetworks(t *testing.T) {
	for seed := range uint64(600) {
		schedule(t, seed)
	}
}

func TestKeygenOutcome(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	net.run()
	net.agreed()
	cert := net.players[0].done.Certificate
	parts := [][]byte{contribution(0), contribution(1), contribution(2)}
	if cert.Body.ChainCode != ChainCode(net.spec.SID(), parts) {
		t.Error("the chain code is not made of everyone's contribution")
	}
	for _, p := range net.players {
		key := p.active
		if string(key.Share) != "share of "+p.id || key.ChainCode != cert.Body.ChainCode || key.PublicHash != cert.Body.PublicHash ||
			!bytes.Equal(key.PublicKey, cert.Body.PublicKey) || key.Spec.SID() != net.spec.SID() || key.Version != KeyRecordVersion {
			t.Errorf("%s saved %+v, which is not the certificate's key", p.name, key)
		}
		key.Certificate = nil
		if !bytes.Equal(encode(t, key), encode(t, p.pending)) {
			t.Errorf("%s: the active record differs from the pending one by more than the certificate", p.name)
		}
	}
}

func TestSignOutcome(t *testing.T) {
	net := newNetwork(t, signSpec(3))
	net.run()
	net.agreed()
	done := net.players[0].done
	if len(done.Signature) != SignatureSize || done.Recovery != 1 || done.Certificate != nil {
		t.Errorf("outcome %+v is not the machine's signature", done)
	}
}

// prefixOf delivers to player 0 whatever the others send, but only as far as
// keep allows, and returns the envelopes held back.
func prefixOf(n *network, keep func(Header) bool) (back []packet) {
	for len(n.queue) > 0 {
		p := n.pick()
		if p.to == 0 && p.data != nil && !keep(headerOf(n.tb, p.data)) {
			back = append(back, p)
			continue
		}
		n.deliver(p)
	}
	return back
}

func headerOf(tb testing.TB, data []byte) Header {
	tb.Helper()
	var e Envelope
	noError(tb, Unmarshal(data, &e))
	return e.Header
}

func TestEarlyMessagesAreHeld(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	first := net.players[0]
	// Player 0 hears nothing of player 1 but gets all that player 2 can say.
	back := prefixOf(net, func(h Header) bool { return h.From == parties[2].id })
	if first.session.Phase() != PhaseReady || first.machine.calls != 0 {
		t.Fatalf("phase %s after %d calls: it must wait for every ready", first.session.Phase(), first.machine.calls)
	}
	if first.done != nil || first.err != nil || len(back) == 0 {
		t.Fatalf("done %v, error %v, %d held back", first.done, first.err, len(back))
	}
	slices.Reverse(back) // the confirmation overtakes the rounds, those overtake the readiness
	net.queue = back
	net.run()
	net.agreed()
}

func TestLaterRoundOvertakes(t *testing.T) {
	net := newNetwork(t, signSpec(2))
	first := net.players[0]
	back := prefixOf(net, func(h Header) bool { return h.Type == TypeReady || h.Round == 2 })
	if round, rounds := first.session.Round(); round != 1 || rounds != toyRounds || first.machine.calls != 0 {
		t.Fatalf("round %d of %d after %d calls: round 2 must be held until round 1 is over", round, rounds, first.machine.calls)
	}
	net.queue = back
	net.run()
	net.agreed()
}

func TestBeforeAndAfterReady(t *testing.T) {
	for _, kind := range allKinds {
		net := newNetwork(t, specOf(kind, 3))
		net.queue = net.queue[1:] // player 0 is the last to see everyone
		net.run()
		first := net.players[0].session
		if round, _ := first.Round(); first.Phase() != PhaseAccepted || round != 0 {
			t.Fatalf("%s: phase %s, round %d before Ready", kind, first.Phase(), round)
		}
		if pulls := first.Missing(); len(pulls) != 0 {
			t.Errorf("%s: a party that is not ready asks for %v", kind, pulls)
		}
		net.deliver(packet{to: 0})
		if out, err := first.Ready(); err != nil || len(out.Broadcast) != 0 {
			t.Errorf("%s: a second Ready sends %d envelopes, error %v", kind, len(out.Broadcast), err)
		}
		net.run()
		net.agreed()
	}
}

// A session that lost everything asks precisely for what it lacks.
func TestMissingAndAnswer(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	prefixOf(net, func(h Header) bool { return h.Type == TypeReady })
	first, second := net.players[0], net.players[1]
	pulls := first.session.Missing()
	if len(pulls) != 2 || !slices.Equal(pulls[second.id].Have, []Have{{Type: TypeReady}}) {
		t.Fatalf("pulls %+v; want one for each other member, who has sent its readiness", pulls)
	}
	var names []string
	for _, data := range second.session.Answer(first.id, pulls[second.id]) {
		names = append(names, headerOf(t, data).Name)
	}
	if want := []string{"Nonce", "1"}; !slices.Equal(names, want) {
		t.Fatalf("the answer carries %q, want %q: its nonce and its echo, but not its readiness", names, want)
	}
	all := second.session.Answer(first.id, &Pull{})
	for _, data := range all {
		if h := headerOf(t, data); h.From != second.id || (h.To != "" && h.To != first.id) {
			t.Errorf("an answer carries %s of %s for %q", h.Name, h.From, h.To)
		}
	}
	if got := second.session.Answer(outsider.id, &Pull{}); got != nil {
		t.Errorf("an outsider is answered with %d envelopes", len(got))
	}
	if got := second.session.Answer(second.id, &Pull{}); got != nil {
		t.Errorf("a member that asks itself is answered with %d envelopes", len(got))
	}
}

// A confidential message is never answered to anyone but its recipient.
func TestAnswerKeepsConfidences(t *testing.T) {
	net := newNetwork(t, signSpec(4))
	net.run()
	for _, p := range net.players {
		for _, asker := range net.players {
			numbers := 0
			for _, data := range p.session.Answer(asker.id, &Pull{}) {
				switch h := headerOf(t, data); h.To {
				case "":
				case asker.id:
					numbers++
				default:
					t.Errorf("%s gives %s what is for %s", p.name, asker.name, h.To)
				}
			}
			if want := 1; asker != p && numbers != want {
				t.Errorf("%s answers %s with %d confidential messages, want %d", p.name, asker.name, numbers, want)
			}
		}
	}
}

func TestNewSessionRefuses(t *testing.T) {
	spec := keygenSpec(2, 3)
	cfg := func(change func(*SessionConfig)) SessionConfig {
		c := SessionConfig{Spec: spec, Signer: parties[0], Verify: verify, Machine: newToy(spec, parties[0].id), Contribution: contribution(0)}
		change(&c)
		return c
	}
	for name, c := range map[string]SessionConfig{
		"not in the roster": cfg(func(c *SessionConfig) { c.Signer = outsider }),
		"31 bytes, not 32":  cfg(func(c *SessionConfig) { c.Contribution = c.Contribution[1:] }),
		"32 bytes, not 0": cfg(func(c *SessionConfig) {
			c.Spec = signSpec(2)
		}),
		"version 9": cfg(func(c *SessionConfig) {
			c.Spec = keygenSpec(2, 3)
			c.Spec.Version = 9
		}),
	} {
		_, err := NewSession(c)
		wantError(t, err, nil, name)
	}
}
