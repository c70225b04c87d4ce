package engine

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// deafMesh takes every frame, and nobody answers.
type deafMesh struct{}

func (deafMesh) ID() protocol.PeerID { return "coordinator" }

func (deafMesh) Send(context.Context, protocol.PeerID, string, []byte) error { return nil }

func (deafMesh) Ping(ctx context.Context, _ protocol.PeerID) (time.Duration, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func newTestEngine(t *testing.T) *Engine {
	t.Helper()
	db, err := keystore.OpenDB(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.Open(db, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, approver, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{
		Network: "test", Mesh: deafMesh{}, Pool: pool.New(pool.Config{}), Registry: reg, Approver: approver,
		Verify: func(protocol.PeerID, []byte, []byte) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.shut()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestFirstAttemptEndsWithItsSession, also when it is cancelled before its goroutine runs: the
// attempt has been proposed by then, and its parties are booked.
func TestFirstAttemptEndsWithItsSession(t *testing.T) {
	e := newTestEngine(t)
	r := e.newRunner("s", registry.NewSession{Kind: protocol.KindSign, Account: "a", Expires: time.Now().Add(time.Minute)})
	if err := e.cfg.Registry.Append(registry.Event{Stream: registry.SessionStream("s"), Type: registry.SessionCreated, Session: &r.req}); err != nil {
		t.Fatal(err)
	}
	close(r.durable)
	parties := []registry.Party{{Peer: "p1", Name: "p1"}, {Peer: "p2", Name: "p2"}}
	spec := &protocol.Spec{Session: "s", Attempt: 1, Expires: r.req.Expires.Unix()}
	a := &attempt{
		e: e, session: "s", req: r.req, spec: spec, sid: spec.SID(), parties: parties, deadline: r.req.Expires, members: make(map[protocol.PeerID]*member),
	}
	for _, p := range parties {
		a.members[p.Peer] = &member{Party: p, answered: make(chan struct{})}
	}
	e.mustBook(parties)
	e.register(a)
	r.first, r.place = a, e.joinLocked(newPlace(quickWork, "a"))

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&cancellation{})
	r.run(ctx)
	if s := e.cfg.Registry.Session("s"); s.Status != registry.StatusCancelled {
		t.Errorf("the session is %s", s.Status)
	}
	if len(e.attempts) != 0 || e.loadOf("p1") != 0 || e.loadOf("p2") != 0 {
		t.Errorf("%d attempts are left, and %d are booked", len(e.attempts), e.loadOf("p1"))
	}
}

// TestTooManyWaitForPeople is told with a time to stay away, and that one is taken in again when there is room.
func TestTooManyWaitForPeople(t *testing.T) {
	e := newTestEngine(t)
	waiting := registry.NewSession{Kind: protocol.KindKeygen, Wait: registry.WaitUser}
	for i := range maxWaiting {
		if _, err := e.enter(strconv.Itoa(i), &waiting); err != nil {
			t.Fatal(err)
		}
	}
	_, err := e.enter("one more", &waiting)
	var p *registry.Problem
	if !errors.As(err, &p) || p.Code != registry.CodeTooManySessions || p.Retry != time.Minute {
		t.Fatalf("%+v", err)
	}
	delete(e.runners, "0")
	if _, err := e.enter("one more", &waiting); err != nil {
		t.Error(err)
	}
}

// TestPatienceEnds, also where no approval does: what people wanted an hour ago they may not want any more.
func TestPatienceEnds(t *testing.T) {
	for patient, want := range map[bool]time.Duration{false: 5 * time.Minute, true: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			e := newTestEngine(t)
			for range DefaultMaxSessions {
				e.joinLocked(newPlace(quickWork, "busy"))
			}
			r := e.newRunner("s", registry.NewSession{Kind: protocol.KindKeygen, Scheme: protocol.EdDSA, Expires: time.Now().Add(time.Minute)})
			if err := e.cfg.Registry.Append(registry.Event{Stream: registry.SessionStream("s"), Type: registry.SessionCreated, Session: &r.req}); err != nil {
				t.Fatal(err)
			}
			close(r.durable)
			r.patient = patient
			r.place = e.joinLocked(r.newPlace())
			began := time.Now()
			if r.takeTurn(t.Context()) {
				t.Fatal("its turn came")
			}
			s := e.cfg.Registry.Session("s")
			if took := time.Since(began); took != want || s.Status != registry.StatusExpired || s.Problem.Code != registry.CodeSessionTimeout || !strings.Contains(s.Problem.Detail, want.String()) {
				t.Errorf("patient %v: %s after %v, %+v", patient, s.Status, took, s.Problem)
			}
		})
	}
}

// TestPatientSessionsCountAsWaiting: people could fill the memory with them otherwise.
func TestPatientSessionsCountAsWaiting(t *testing.T) {
	e := newTestEngine(t)
	waiting := registry.NewSession{Kind: protocol.KindKeygen, Wait: registry.WaitUser}
	for i := range DefaultMaxSessions + maxWaiting {
		id := strconv.Itoa(i)
		if _, err := e.enter(id, &waiting); err != nil {
			t.Fatal(err)
		}
		p := newPlace(quickWork, "a")
		p.patient = true
		e.joinLocked(p)
	}
	if _, err := e.enter("one more", &waiting); err == nil {
		t.Errorf("one more is taken in, when %d wait for their turn", e.turns.waiting())
	}
	if _, err := e.enter("of another", &registry.NewSession{Kind: protocol.KindKeygen, Owner: "b"}); err != nil {
		t.Error(err)
	}
}
