package protocoltest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// presignedRun is a signing with a presignature, of the first members of a key.
func presignedRun(t *testing.T, th protocol.Threshold, label string) *run {
	t.Helper()
	return &run{tb: t, ceremony: newBound(th), label: label, ids: protocoltest.Identities(th.T), key: keyFor(t, protocol.ECDSA, th)}
}

// seats are those of a session that a test scripts itself. The last member is told the last spec.
func (r *run) seats(spec, last *protocol.Spec) []protocoltest.Seat {
	r.tb.Helper()
	seats := make([]protocoltest.Seat, len(r.ids))
	for i, id := range r.ids {
		told := spec
		if i == len(r.ids)-1 {
			told = last
		}
		m, err := r.machine(told, id.ID(), nil)
		if err != nil {
			r.tb.Fatal(err)
		}
		seats[i] = protocoltest.Seat{Signer: id, Machine: m, Spec: told}
	}
	return seats
}

// A presigning and the signing that uses it up end well in any order of messages, with every
// message lost once, and with a member that begins when the others have said all they can: their
// rounds 1 or 4 wait for it.
func TestPresignedOnBadNetworks(t *testing.T) {
	base := rand.Uint64()
	t.Logf("seed %d", base)
	for i, th := range []protocol.Threshold{small, small, large} {
		seed := base + uint64(i)
		random := rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- a test that repeats
		loses := func(p protocoltest.Parcel) []protocoltest.Parcel {
			switch {
			case p.Pulled, random.IntN(3) > 0:
				return []protocoltest.Parcel{p}
			case random.IntN(2) > 0:
				return []protocoltest.Parcel{p, p}
			}
			return nil
		}
		play := func(r *run) *protocoltest.Played {
			spec := r.spec()
			seats := r.seats(spec, spec)
			seats[random.IntN(len(seats))].Slow = true
			played, err := protocoltest.Play(protocoltest.Script{Spec: spec, Seats: seats, Seed: seed, Reorder: true, Tamper: loses})
			if err != nil {
				t.Fatal(err)
			}
			for peer, e := range played.Endings {
				if !e.Well() || e.Held != (spec.Kind == protocol.KindPresign) {
					t.Fatalf("%v, seed %d: %s ends with %v", r.ceremony, seed, r.name(peer), e.Err)
				}
			}
			return played
		}
		r := presignedRun(t, th, fmt.Sprint("bad network ", i))
		first := *r
		first.ceremony, first.label = newCeremony(protocol.KindPresign, protocol.ECDSA, th), "presigning on a "+r.label
		play(&first)
		r.presigned = &first
		for peer, e := range play(r).Endings {
			if err := protocol.VerifySignature(protocol.ECDSA, r.key.public, digest[:], e.Done.Signature); err != nil {
				t.Errorf("%s: %v", r.name(peer), err)
			}
			for _, s := range e.Sent {
				if s.Header.Type == protocol.TypeRound && s.Header.Round <= presigned {
					t.Errorf("%s sends %s in a signing that was presigned", r.name(peer), s.Header.Name)
				}
			}
		}
	}
}

// Members that were told different digests, or different approvals, of one presignature are in
// different sessions: nobody sends round 5, and all end at the deadline without a signature. What
// they have bound is gone.
func TestMismatchOfPresigned(t *testing.T) {
	for name, change := range map[string]func(*protocol.Spec){
		"digest":    func(s *protocol.Spec) { s.Payload = slices.Repeat([]byte{7}, protocol.DigestSize) },
		"approvals": func(s *protocol.Spec) { s.Authorisation = []string{"another"} },
	} {
		for _, th := range []protocol.Threshold{small, large} {
			if th == large && name != "digest" && !longTests {
				continue
			}
			r := presignedRun(t, th, fmt.Sprintf("mismatch of %s %v", name, th))
			r.presign()
			spec := r.spec()
			other := *spec
			change(&other)
			played, err := protocoltest.Play(protocoltest.Script{Spec: spec, Seats: r.seats(spec, &other)})
			if err != nil {
				t.Fatal(err)
			}
			last := r.ids[len(r.ids)-1].ID()
			for peer, e := range played.Endings {
				var others []protocol.PeerID // in another session than this member
				for _, id := range r.ids {
					if (id.ID() == last) != (peer == last) {
						others = append(others, id.ID())
					}
				}
				slices.Sort(others)
				if !errors.Is(e.Err, protocoltest.ErrDeadline) || !slices.Equal(e.Waited, others) {
					t.Errorf("%s, %v: %s ends with %v", name, th, r.name(peer), e.Err)
				}
				for _, s := range e.Sent {
					if s.Header.Type == protocol.TypeRound && s.Header.Round != 4 {
						t.Errorf("%s, %v: %s sends %s", name, th, r.name(peer), s.Header.Name)
					}
				}
				if _, err := r.presigned.held[peer].Bind(digest[:]); err == nil {
					t.Errorf("%s, %v: %s can bind it again", name, th, r.name(peer))
				}
			}
		}
	}
}

// What one member lacks at the end of a presigning it gets from those that hold already.
func TestHeldMembersAnswerPulls(t *testing.T) {
	for _, th := range []protocol.Threshold{small, large} {
		if th == large && !longTests {
			continue
		}
		r := presignedRun(t, th, fmt.Sprint("pulls ", th))
		r.ceremony = newCeremony(protocol.KindPresign, protocol.ECDSA, th)
		spec := r.spec()
		lacks := r.ids[0].ID()
		played, err := protocoltest.Play(protocoltest.Script{Spec: spec, Seats: r.seats(spec, spec), Tamper: func(p protocoltest.Parcel) []protocoltest.Parcel {
			var e protocol.Envelope
			if err := protocol.Unmarshal(p.Data, &e); err != nil {
				t.Fatal(err)
			}
			final := e.Header.Type == protocol.TypeDigest || th.T == 2 && e.Header.Round == presigned
			if p.To == lacks && final && !p.Pulled {
				return nil
			}
			return []protocoltest.Parcel{p}
		}})
		if err != nil {
			t.Fatal(err)
		}
		for peer, e := range played.Endings {
			if !e.Held || e.Done != nil {
				t.Errorf("%v: %s ends with %v", th, r.name(peer), e.Err)
			}
		}
		if played.Elapsed == 0 {
			t.Error("nothing was pulled")
		}
	}
}
