package registry

import (
	"fmt"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// signSession writes the events of a signature over size bytes among two of three
// parties, as the engine does.
func signSession(t testing.TB, r *Registry, id string, size int) {
	t.Helper()
	stream, sid := SessionStream(id), fmt.Sprintf("%064s", id)
	peers := []Party{{Peer: "12D3KooWGRUL1gpPUqgBVPjhmwiBMsXfNrHdcvBuAfNYyNVGMFJD", Name: "party-1"}, {Peer: "12D3KooWGRUL1gpPUqgBVPjhmwiBMsXfNrHdcvBuAfNYyNVGMFJE", Name: "party-2"}}
	e := created(id, "account")
	e.Session.Payload, e.Actor = make([]byte, size), &Actor{Key: "k_12345678", KeyName: "backend", Client: "127.0.0.1", Request: id}
	r.Note(nil, e, Event{Stream: stream, Type: AttemptStarted, Attempt: 1, SID: sid, Start: &Start{Spec: specOf(t, id, e.Session.Payload), Parties: peers}})
	for _, p := range peers {
		r.Note(nil, Event{Stream: stream, Type: PartyAccepted, SID: sid, Party: p.Peer, Attempt: 1})
		for round := range 9 {
			r.Note(nil, Event{Stream: stream, Type: PartyProgress, SID: sid, Party: p.Peer, Attempt: 1, Phase: protocol.PhaseRounds, Round: round, Rounds: 9})
		}
	}
	r.Note(nil, Event{Stream: stream, Type: PartyFinished, SID: sid, Party: peers[0].Peer},
		Event{Stream: stream, Type: SessionCompleted, SID: sid, Signature: &Signature{Bytes: make([]byte, 64)}},
		Event{Stream: stream, Type: OutcomeLate, SID: sid, Party: peers[1].Peer})
}

// BenchmarkOpen replays signatures of 25 events each.
func BenchmarkOpen(b *testing.B) {
	const sessions = 2000
	db := openDB(b, b.TempDir())
	r := open(b, db)
	for i := range sessions {
		signSession(b, r, fmt.Sprint(i), 32)
	}
	r.Flush()
	for b.Loop() {
		if _, err := Open(db, time.Now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(r.LastSeq()), "ns/event")
}
