package registry

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// specOf returns the spec of an attempt at a signature, as the engine makes it.
func specOf(t testing.TB, id string, payload []byte) []byte {
	t.Helper()
	spec := &protocol.Spec{
		Network: "test", Kind: protocol.KindSign, Session: id, Account: "account", Key: "k", Owner: "u", Scheme: protocol.EdDSA,
		Threshold: 2, Roster: []protocol.Member{{Peer: "peer1", Role: protocol.Persistent}, {Peer: "peer2", Role: protocol.Persistent}}, Payload: payload,
	}
	enc, err := protocol.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

// TestEndedSessionsLeaveMessagesOnDisk signs messages of several lengths, with
// and without a hash.
func TestEndedSessionsLeaveMessagesOnDisk(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	r := open(t, db)
	for i, c := range []struct {
		payload, message int
		trimmed          bool
	}{
		{32, 0, false}, {keptBytes, 0, false}, {keptBytes + 1, 0, true}, {32 << 10, 0, true}, {32, keptBytes, false}, {32, 32 << 10, true},
	} {
		id := fmt.Sprint("s", i)
		payload, message := bytes.Repeat([]byte{1}, c.payload), []byte(nil)
		if c.message > 0 {
			message = bytes.Repeat([]byte{2}, c.message)
		}
		e := created(id, "account")
		e.Session.Payload, e.Session.Message = payload, message
		spec := specOf(t, id, payload)
		stream := SessionStream(id)
		if err := r.Append(e, Event{Stream: stream, Type: AttemptStarted, SID: "sid" + id, Attempt: 1, Start: &Start{Spec: spec}}); err != nil {
			t.Fatal(err)
		}
		running := r.Session(id)
		if !bytes.Equal(running.Payload, payload) || !bytes.Equal(running.Spec, spec) || running.Trimmed {
			t.Errorf("%+v: %+v runs", c, running)
		}
		if err := r.Append(Event{Stream: stream, Type: SessionCompleted, Signature: &Signature{Bytes: make([]byte, 64)}}); err != nil {
			t.Fatal(err)
		}
		ended := r.Session(id)
		if ended.Trimmed != c.trimmed || len(ended.Payload) > keptBytes || len(ended.Message) > keptBytes || ended.Spec != nil {
			t.Errorf("%+v: %+v", c, ended)
		}
		var decoded protocol.Spec
		if err := protocol.Unmarshal(spec, &decoded); err != nil || ended.Fingerprint != protocol.Fingerprint(&decoded) {
			t.Errorf("fingerprint %q, %v", ended.Fingerprint, err)
		}
		whole, err := r.Complete(ended)
		if err != nil || !bytes.Equal(whole.Payload, payload) || !bytes.Equal(whole.Message, message) || whole.Trimmed || whole.Status != StatusCompleted || whole.Signature == nil {
			t.Errorf("%+v: %+v, %v", c, whole, err)
		}
		if !bytes.Equal(running.Payload, payload) || r.Session(id).Trimmed != c.trimmed {
			t.Error("a snapshot has changed")
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if replayed := open(t, openDB(t, dir)); !reflect.DeepEqual(r.view, replayed.view) {
		t.Error("live and replayed state differ")
	}
}

func TestCompleteAfterPrune(t *testing.T) {
	clock := newClock()
	r := openAt(t, openDB(t, t.TempDir()), clock)
	e := created("s", "account")
	e.Session.Payload = make([]byte, 1000)
	if err := r.Append(e, Event{Stream: SessionStream("s"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	ended := r.Session("s")
	clock.t = clock.t.Add(2 * testRetention)
	if _, err := r.Prune(t.Context(), testRetention); err != nil {
		t.Fatal(err)
	}
	if whole, err := r.Complete(ended); err != nil || whole != ended {
		t.Errorf("%+v, %v", whole, err)
	}
}

// BenchmarkSessionMemory tells what a session that has ended takes in memory
// after a start.
func BenchmarkSessionMemory(b *testing.B) {
	for _, size := range []int{32, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			const sessions = 1000
			db := openDB(b, b.TempDir())
			r := open(b, db)
			for i := range sessions {
				signSession(b, r, fmt.Sprint(i), size)
			}
			r.Flush()
			for b.Loop() {
				before := heap()
				replayed, err := Open(db, time.Now)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(heap()-before)/sessions, "B/session")
				runtime.KeepAlive(replayed)
			}
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
