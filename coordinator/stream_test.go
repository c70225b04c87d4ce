package coordinator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// listen follows a session's events to the end: the sequences that came, and the
// session that the stream ends with.
func (cl *cluster) listen(ctx context.Context, session, key string, begun func()) (seqs []uint64, last rest.Session, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cl.base+"/api/v1/sessions/"+session+"/events", nil)
	if err != nil {
		return nil, last, err
	}
	req.Header.Set("X-API-Key", key)
	req.Header.Set("Accept", "text/event-stream")
	res, err := cl.http.Do(req)
	if err != nil {
		return nil, last, err
	}
	defer res.Body.Close() // read to the end
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		return nil, last, fmt.Errorf("status %d, type %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	begun()
	event := ""
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "end":
			return seqs, last, json.Unmarshal([]byte(value), &last)
		case name == "data":
			var e rest.Event
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return nil, last, err
			}
			if e.Type != event {
				return nil, last, fmt.Errorf("an event of type %q is called %q", e.Type, event)
			}
			seqs = append(seqs, e.Seq)
		}
	}
	return nil, last, errors.Join(errors.New("the stream has no end"), lines.Err())
}

// TestManyListeners has 500 callers follow one session while it runs, as many of
// a key as it may have.
func TestManyListeners(t *testing.T) {
	change, file := withKeyFile(t)
	cl := newClusterWith(t, change, "p1", "p2", "p3")
	keys := []string{testKey}
	for range 2 {
		_, header := newKey(t, file, NewKey{Scopes: []string{"read"}})
		keys = append(keys, header["X-API-Key"])
	}
	cl.c.Reload()
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	s := as[rest.Session](t, cl.do(call{
		method: "POST", path: "/api/v1/accounts/" + a.ID + "/sign", body: `{"message":"` + digest + `"}`, header: map[string]string{"Prefer": "respond-async"},
	}), http.StatusAccepted)
	const listeners = 500
	type result struct {
		seqs []uint64
		last rest.Session
		at   time.Time
		err  error
	}
	results := make(chan result, listeners)
	var begun sync.WaitGroup
	begun.Add(listeners)
	coming := make(chan struct{}, 16) // so many at a time: a busy machine could not greet all in time
	for i := range listeners {
		coming <- struct{}{}
		go func() {
			begin := sync.OnceFunc(func() { <-coming; begun.Done() })
			defer begin()
			var r result
			r.seqs, r.last, r.err = cl.listen(t.Context(), s.ID, keys[i/200], begin)
			r.at = time.Now()
			results <- r
		}()
	}
	begun.Wait()
	released := time.Now()
	cl.net.all(script{})
	got := make([]result, listeners)
	slowest := released
	for i := range got {
		got[i] = <-results
		if got[i].at.After(slowest) {
			slowest = got[i].at
		}
	}
	t.Logf("%d listeners have all events %v after the parties began", listeners, slowest.Sub(released))
	var want []uint64
	end := 0 // events up to the session's end; results may come after it
	for i, e := range cl.events(s.ID) {
		want = append(want, e.Seq)
		if e.Type == "session.completed" {
			end = i + 1
		}
	}
	for i, r := range got {
		if r.err != nil || r.last.Status != "completed" || r.last.Signature == nil {
			t.Fatalf("listener %d: %v, %+v", i, r.err, r.last)
		}
		if len(r.seqs) < end || len(r.seqs) > len(want) || !slices.Equal(r.seqs, want[:len(r.seqs)]) {
			t.Fatalf("listener %d has events %v of %v", i, r.seqs, want)
		}
	}
}

func TestEventStreamIsDescribed(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	doc := string(cl.get("/openapi.yaml").body)
	_, op, _ := strings.Cut(doc, "operationId: list-session-events")
	op, _, _ = strings.Cut(op, "operationId:")
	for _, want := range []string{"text/event-stream", "application/json", "Last-Event-ID", "too_many_streams"} {
		if !strings.Contains(op, want) {
			t.Errorf("%s is not described", want)
		}
	}
	a := cl.do(call{method: "GET", path: "/api/v1/sessions/none/events", header: map[string]string{"Accept": "text/event-stream"}})
	problem(t, a, http.StatusNotFound, "session_not_found")
}
