package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func TestEvents(t *testing.T) {
	_, c := start(t)
	a := newAccount(t, c, rest.CreateAccount{})
	r, err := c.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256"})
	if err != nil {
		t.Fatal(err)
	}
	all := collect(t, c.Events(waiting(t), r.SessionID, 0))
	if len(all) != 4 || all[0].Type != "session.created" || all[3].Type != "session.completed" {
		t.Errorf("events %+v", all)
	}
	if rest := collect(t, c.Events(waiting(t), r.SessionID, all[1].Seq)); len(rest) != 2 || rest[0].Seq != all[2].Seq {
		t.Errorf("after the second: %+v", rest)
	}
	for range c.Events(waiting(t), r.SessionID, 0) {
		break
	}
	for _, err := range c.Events(waiting(t), "nowhere", 0) {
		if client.Code(err) != "session_not_found" {
			t.Errorf("a session that there is not: %v", err)
		}
	}
}

// TestEventsAreLive reads an event before the next one is made.
func TestEventsAreLive(t *testing.T) {
	_, c := start(t)
	s, err := c.CreateSession(waiting(t), rest.CreateSession{Kind: rest.KindCoManagedKeygen, UserID: "u", ServerParties: 2, ExternalParties: 1})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for e, err := range c.Events(waiting(t), s.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
		if e.Type == "session.created" {
			if _, err := c.CancelSession(waiting(t), s.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(types, []string{"session.created", "session.cancelled"}) {
		t.Errorf("events %q", types)
	}
}

// streams answers each connection with the next text, and notes where it was
// asked to begin.
type streams struct {
	texts []string
	last  []string
	fail  func(n int) *http.Response // in place of connection n; nil: none
}

func (s *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	n := len(s.last)
	s.last = append(s.last, r.Header.Get("Last-Event-ID"))
	if s.fail != nil {
		if resp := s.fail(n); resp != nil {
			resp.Request = r
			return resp, nil
		}
	}
	if n >= len(s.texts) {
		return nil, io.ErrUnexpectedEOF
	}
	header := http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}
	return &http.Response{StatusCode: 200, Header: header, Request: r, Body: &body{strings.NewReader(s.texts[n]), r.Context(), strings.HasSuffix(s.texts[n], "#hang")}}, nil
}

// body ends like a connection that was lost, or does not end.
type body struct {
	io.Reader
	ctx  context.Context
	hang bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.hang {
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	}
	return n, err
}

func (b *body) Close() error { return nil }

func event(seq int) string {
	return fmt.Sprintf("id: %d\nevent: party.progress\ndata: {\"seq\": %d,\ndata: \"type\": \"party.progress\"}\n\n", seq, seq)
}

const end = "event: end\ndata: {}\n\n"

func follow(t *testing.T, s *streams) (seqs []uint64, err error) {
	t.Helper()
	c := mustNew(t, client.Config{URL: "http://coordinator", HTTPClient: &http.Client{Transport: s}})
	for e, err := range c.Events(t.Context(), "s", 0) {
		if err != nil {
			return seqs, err
		}
		seqs = append(seqs, e.Seq)
	}
	return seqs, nil
}

func TestEventsReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{texts: []string{
			event(3) + event(5) + "id: 7\nevent: party.progress\ndata: {\"seq\": 7",                  // lost in the middle of an event
			"retry: 3000\n\n: keep-alive\n\n" + event(5) + event(7) + ": keep-alive\n\n" + "\n#hang", // repeats one, then falls silent
			"", // says nothing
			strings.ReplaceAll(event(9), "\n", "\r\n") + end + event(11),
		}}
		began := time.Now()
		seqs, err := follow(t, s)
		if err != nil || !slices.Equal(seqs, []uint64{3, 5, 7, 9}) {
			t.Errorf("events %v, %v; want each once", seqs, err)
		}
		if want := []string{"", "5", "7", "7"}; !slices.Equal(s.last, want) {
			t.Errorf("Last-Event-ID %q, want %q", s.last, want)
		}
		if took := time.Since(began); took < 48*time.Second || took > time.Minute {
			t.Errorf("took %v, want 45 s of silence and a wait of 3 s that the server asked for", took)
		}
	})
}

func TestEventsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		seqs, err := follow(t, &streams{texts: []string{event(1)}})
		if took := time.Since(began); len(seqs) != 1 || took < time.Minute || took > 3*time.Minute {
			t.Errorf("%v events, gave up after %v", seqs, took)
		}
		wantError(t, err, client.ErrUnreachable, "http://coordinator")

		for name, tt := range map[string]struct {
			text string
			fail *http.Response
			is   error
		}{
			"another kind":   {fail: &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody}, is: client.ErrNotAPI},
			"another 404":    {fail: &http.Response{StatusCode: 404, Body: http.NoBody}, is: client.ErrNotAPI},
			"no JSON":        {text: "data: x\n\n", is: client.ErrNotAPI},
			"an endless one": {text: "data: " + strings.Repeat("x", 2<<20), is: client.ErrNotAPI},
		} {
			s := &streams{texts: []string{tt.text}, fail: func(int) *http.Response { return tt.fail }}
			if _, err := follow(t, s); !errors.Is(err, tt.is) || len(s.last) != 1 {
				t.Errorf("%s: %v after %d connections", name, err, len(s.last))
			}
		}
	})
}

func TestEventsWaitForARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{texts: []string{"", "", "", event(1) + end}, fail: func(n int) *http.Response {
			if n == 3 {
				return nil
			}
			return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody}
		}}
		if seqs, err := follow(t, s); err != nil || len(seqs) != 1 {
			t.Errorf("events %v, %v", seqs, err)
		}
	})
}

func TestEventsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustNew(t, client.Config{URL: "http://coordinator", HTTPClient: &http.Client{Transport: handlerTransport(silent)}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := c.Wait(ctx, "s")
		wantError(t, err, client.ErrTimeout, "")
	})
}

func TestWait(t *testing.T) {
	s, c := start(t)
	a := newAccount(t, c, rest.CreateAccount{})
	req := client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256"}
	session, err := c.StartSign(waiting(t), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AwaitSignature(waiting(t), session.ID, req); err != nil {
		t.Error(err)
	}
	wanted := rest.CreateAccount{UserID: "u"}
	keygen, err := c.StartAccount(waiting(t), wanted)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := c.AwaitAccount(waiting(t), keygen.ID, wanted); err != nil || made.UserID != "u" {
		t.Errorf("account: %+v, %v", made, err)
	}
	wanted.Scheme = "eddsa-ed25519"
	_, err = c.AwaitAccount(waiting(t), keygen.ID, wanted)
	wantError(t, err, client.ErrVerification, "should be of scheme")
	_, err = c.AwaitAccount(waiting(t), session.ID, wanted)
	wantError(t, err, client.ErrVerification, "no keygen")
	if keygen, err = c.Wait(waiting(t), keygen.ID); err != nil || keygen.Status != "completed" {
		t.Errorf("keygen: %+v, %v", keygen, err)
	}
	_, err = c.AwaitSignature(waiting(t), keygen.ID, req)
	wantError(t, err, client.ErrVerification, "no signing")
	s.Alter(func(v any) {
		if session, ok := v.(*rest.Session); ok {
			session.Status, session.Error = "failed", &rest.Problem{Code: "party_lost"}
		}
	})
	if _, err := c.AwaitSignature(waiting(t), session.ID, req); client.Code(err) != "party_lost" {
		t.Errorf("a session that failed: %v", err)
	}
	if _, err := c.AwaitAccount(waiting(t), keygen.ID, rest.CreateAccount{}); client.Code(err) != "party_lost" {
		t.Errorf("a keygen that failed: %v", err)
	}
}

func TestVerifySession(t *testing.T) {
	_, c := start(t)
	a := newAccount(t, c, rest.CreateAccount{})
	started, err := c.StartSign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256"})
	if err != nil {
		t.Fatal(err)
	}
	good, err := c.Wait(waiting(t), started.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.VerifySession(waiting(t), good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*rest.Session){
		"message":   func(s *rest.Session) { s.Message = flip(s.Message) },
		"no hex":    func(s *rest.Session) { s.Message = "x" },
		"hash":      func(s *rest.Session) { s.Hash = "keccak256" },
		"digest":    func(s *rest.Session) { s.Digest = flip(s.Digest) },
		"kind":      func(s *rest.Session) { s.Kind = rest.KindKeygen },
		"signature": func(s *rest.Session) { s.Signature = &rest.Signature{Compact: flip(good.Signature.Compact)} },
	} {
		s := *good
		change(&s)
		if err := c.VerifySession(waiting(t), &s); !errors.Is(err, client.ErrVerification) {
			t.Errorf("altered %s: %v", name, err)
		}
	}
	if err := c.VerifySession(waiting(t), &rest.Session{}); err != nil {
		t.Errorf("nothing to verify: %v", err)
	}
}
