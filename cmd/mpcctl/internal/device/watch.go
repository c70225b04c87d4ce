package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

const (
	nameTime     = 3 * time.Second // to ask for the parties' names, which are not needed
	nameRetry    = 200 * time.Millisecond
	watchRetry   = 5 * time.Second  // after the coordinator could not be reached
	maxAbsence   = 15 * time.Minute // of the coordinator, before the device gives up
	startedEvent = "attempt.started"
)

// watcher follows the session over HTTP: for progress, and to know its end. What
// it hears changes nothing about what the device agrees to.
type watcher struct {
	j       *joiner
	api     *client.Client // with the join token
	id      string
	running atomic.Bool // an attempt has started
	no      *refusal
}

func (j *joiner) watcher(in *rest.Joined) (*watcher, error) {
	api, err := j.Connect(in.JoinToken)
	if err != nil {
		return nil, err
	}
	return &watcher{j: j, api: api, id: in.SessionID, no: newRefusal()}, nil
}

// watch returns the session when it has ended.
func (w *watcher) watch(ctx context.Context) (*rest.Session, error) {
	absent := time.Time{}
	for {
		heard := w.j.after
		session, err := w.follow(ctx)
		switch {
		case err == nil:
			return session, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !errors.Is(err, client.ErrUnreachable) && !errors.Is(err, client.ErrTimeout):
			return nil, err
		}
		if absent.IsZero() || w.j.after > heard {
			absent = time.Now()
		}
		if time.Since(absent) > maxAbsence {
			return nil, err
		}
		w.j.User.Tell(Event{Type: EventUnreachable, Detail: err.Error()})
		select {
		case <-ctx.Done():
		case <-time.After(watchRetry):
		}
	}
}

// follow shows the session's events until its end.
func (w *watcher) follow(ctx context.Context) (*rest.Session, error) {
	for e, err := range w.api.Events(ctx, w.id, w.j.after) {
		if err != nil {
			return nil, err
		}
		w.j.after = e.Seq
		if e.Type == startedEvent {
			w.running.Store(true)
		}
		w.no.hear(&e, w.j.folder.Peer())
		w.j.User.Tell(Event{Type: EventSession, Session: &e})
	}
	session, err := w.api.Session(ctx, w.id)
	if err != nil {
		return nil, err
	}
	if session.Status == "created" || session.Status == "running" {
		return nil, fmt.Errorf("%w: its events have ended, and it is %s", client.ErrUnreachable, session.Status)
	}
	return session, nil
}

// renew returns errRenew some time before the pass ends, not while an attempt
// runs.
func (w *watcher) renew(ctx context.Context, expires time.Time) error {
	left := time.Until(expires)
	timer := time.NewTimer(max(left-renewBefore, left/2))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if !w.running.Load() || !time.Now().Before(expires) {
			return errRenew
		}
		timer.Reset(renewRetry)
	}
}

// names returns what the coordinator calls the members of a session, as far as it
// says so in time: it may ask the members before its own disk has their names.
func (w *watcher) names(ctx context.Context, members []protocol.PeerID) map[protocol.PeerID]string {
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	again := time.NewTicker(nameRetry)
	defer again.Stop()
	names := make(map[protocol.PeerID]string)
	for {
		session, err := w.api.Session(ctx, w.id)
		if err != nil {
			return names
		}
		for _, p := range session.Parties {
			names[p.PeerID] = p.Name
		}
		if !slices.ContainsFunc(members, func(m protocol.PeerID) bool { return names[m] == "" }) {
			return names
		}
		select {
		case <-ctx.Done():
			return names
		case <-again.C:
		}
	}
}
