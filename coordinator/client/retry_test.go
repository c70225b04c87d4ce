package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// try is one answer of a scripted coordinator.
type try struct {
	lost   bool // no answer
	status int
	code   string // of the problem; empty: not of the API
	after  string // Retry-After
}

// script answers with the tries in order, then well, and notes when they came
// and with which idempotency key.
type script struct {
	tries []try
	at    []time.Duration
	keys  []string
	began time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	n := len(s.at)
	s.at = append(s.at, time.Since(s.began))
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	w := httptest.NewRecorder()
	if n >= len(s.tries) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"s-1"}`)
		return s.answer(w, r), nil
	}
	now := s.tries[n]
	if now.lost {
		return nil, io.ErrUnexpectedEOF
	}
	if now.after != "" {
		w.Header().Set("Retry-After", now.after)
	}
	if now.code == "" {
		w.WriteHeader(now.status)
	} else {
		clienttest.Refuse(w, now.status, now.code, "")
	}
	return s.answer(w, r), nil
}

func (s *script) answer(w *httptest.ResponseRecorder, r *http.Request) *http.Response {
	resp := w.Result()
	resp.Request = r
	return resp
}

func scripted(t *testing.T, s *script, change func(*client.Config)) *client.Client {
	cfg := client.Config{URL: "http://coordinator", Key: "k", HTTPClient: &http.Client{Transport: s}}
	if change != nil {
		change(&cfg)
	}
	return mustNew(t, cfg)
}

func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		tries []try
		want  int    // tries in all
		code  string // of the error; "none": none
	}{
		"no answer":                     {[]try{{lost: true}, {lost: true}}, 3, "none"},
		"too many calls":                {[]try{{status: 429, code: "rate_limited"}}, 2, "none"},
		"it shuts down":                 {[]try{{status: 503, code: "shutting_down"}}, 2, "none"},
		"a proxy has nobody":            {[]try{{status: 502}, {status: 503}, {status: 504}}, 4, "none"},
		"too few parties, said already": {[]try{{status: 503, code: "too_few_parties"}}, 1, "too_few_parties"},
		"the session timed out":         {[]try{{status: 504, code: "session_timeout"}}, 1, "session_timeout"},
		"refused":                       {[]try{{status: 403, code: "address_not_allowed"}}, 1, "address_not_allowed"},
		"not found":                     {[]try{{status: 404, code: "session_not_found"}}, 1, "session_not_found"},
		"broken":                        {[]try{{status: 500, code: "internal_error"}}, 1, "internal_error"},
		"for ever":                      {slices.Repeat([]try{{status: 429, code: "rate_limited"}}, 9), client.DefaultTries, "rate_limited"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, method := range []string{"GET", "POST"} {
					s := &script{tries: c.tries}
					sdk := scripted(t, s, nil)
					var err error
					if method == "GET" {
						_, err = sdk.Session(t.Context(), "s-1")
					} else {
						_, err = sdk.CancelSession(t.Context(), "s-1")
					}
					if len(s.at) != c.want {
						t.Errorf("%s: %d tries, want %d", method, len(s.at), c.want)
					}
					if got := client.Code(err); got != c.code && (c.code != "none" || err != nil) {
						t.Errorf("%s: error %v, want code %s", method, err, c.code)
					}
				}
			})
		})
	}
}

func TestIdempotencyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{tries: []try{{lost: true}, {status: 502}, {status: 429, code: "rate_limited"}}}
		c := scripted(t, s, nil)
		if _, err := c.CancelSession(t.Context(), "s-1"); err != nil {
			t.Fatal(err)
		}
		if len(s.keys) != 4 || s.keys[0] == "" || len(slices.Compact(slices.Clone(s.keys))) != 1 {
			t.Errorf("a call's tries had the keys %q, want one and the same", s.keys)
		}
		if _, err := c.CancelSession(t.Context(), "s-1"); err != nil || s.keys[4] == s.keys[0] {
			t.Errorf("another call had the same key %q, %v", s.keys[4], err)
		}
		ctx := client.WithIdempotencyKey(t.Context(), "mine")
		if _, err := c.CancelSession(ctx, "s-1"); err != nil || s.keys[5] != "mine" {
			t.Errorf("the key was %q, want the caller's; %v", s.keys[5], err)
		}
		if _, err := c.Session(ctx, "s-1"); err != nil || s.keys[6] != "" {
			t.Errorf("a GET had the key %q; %v", s.keys[6], err)
		}
		if _, err := c.CancelSession(client.WithIdempotencyKey(t.Context(), "a\nb"), "s-1"); !errors.Is(err, client.ErrConfig) {
			t.Errorf("a key with a line end: %v", err)
		}
	})
}

func TestWaitsGrowAndHonourRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)
		s := &script{tries: []try{{lost: true}, {lost: true}, {status: 503, code: "shutting_down", after: "7"}, {status: 429, code: "rate_limited", after: date}}}
		if _, err := scripted(t, s, nil).Session(t.Context(), "s-1"); err != nil {
			t.Fatal(err)
		}
		for i, bounds := range [][2]time.Duration{
			{125 * time.Millisecond, 375 * time.Millisecond}, {250 * time.Millisecond, 750 * time.Millisecond}, // half of it is random
			{7 * time.Second, 10 * time.Second}, {8 * time.Second, 20 * time.Second}, // the date is 20 s from the start
		} {
			if d := s.at[i+1] - s.at[i]; d < bounds[0] || d > bounds[1] {
				t.Errorf("wait %d was %v, want %v to %v", i, d, bounds[0], bounds[1])
			}
		}
	})
}

func TestRetriesEnd(t *testing.T) {
	limited := func(after int) []try {
		return slices.Repeat([]try{{status: 429, code: "rate_limited", after: strconv.Itoa(after)}}, 99)
	}
	t.Run("a server that wants too long a wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{tries: limited(3600)}
			_, err := scripted(t, s, nil).Session(t.Context(), "s-1")
			var p *rest.Problem
			if len(s.at) != 1 || !errors.As(err, &p) || p.RetryAfter != 3600 {
				t.Errorf("%d tries, %v, want one and its Retry-After", len(s.at), err)
			}
		})
	})
	t.Run("the context's deadline comes before the next try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
			defer cancel()
			s, began := &script{tries: limited(5)}, time.Now()
			_, err := scripted(t, s, nil).Session(ctx, "s-1")
			if took := time.Since(began); took > 12*time.Second || client.Code(err) != "rate_limited" {
				t.Errorf("after %v: %v, want the answer, and no useless wait", took, err)
			}
		})
	})
	t.Run("one try", func(t *testing.T) {
		s := &script{tries: limited(0)}
		_, err := scripted(t, s, func(c *client.Config) { c.Tries = 1 }).Session(t.Context(), "s-1")
		if len(s.at) != 1 || client.Code(err) != "rate_limited" {
			t.Errorf("%d tries, %v", len(s.at), err)
		}
	})
	t.Run("probes are tried once", func(t *testing.T) {
		s := &script{tries: slices.Repeat([]try{{status: 503, code: "shutting_down"}}, 9)}
		_, err := scripted(t, s, nil).Ready(t.Context())
		if len(s.at) != 1 || client.Code(err) != "shutting_down" {
			t.Errorf("%d tries, %v", len(s.at), err)
		}
	})
}

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := &http.Client{Transport: handlerTransport(silent)}
		c := mustNew(t, client.Config{URL: "http://coordinator", HTTPClient: quiet, Timeout: 3 * time.Second})
		began := time.Now()
		_, err := c.Parties(t.Context())
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("gave up after %v, want the client's 3 s", took)
		}
		wantError(t, err, client.ErrTimeout, "http://coordinator")
		wantError(t, err, context.DeadlineExceeded, "")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		_, err = c.Parties(ctx)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("gave up after %v, want the context's minute", took)
		}
		wantError(t, err, client.ErrTimeout, "")

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = c.Parties(ctx)
		wantError(t, err, context.Canceled, "")
	})
}

func TestLostDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{tries: []try{{lost: true}, {status: 404, code: "webhook_not_found"}}}
		if err := scripted(t, s, nil).DeleteWebhook(t.Context(), "w-1"); err != nil {
			t.Errorf("the first try has deleted it, and its answer was lost: %v", err)
		}
		s = &script{tries: []try{{status: 404, code: "webhook_not_found"}}}
		if err := scripted(t, s, nil).DeleteWebhook(t.Context(), "w-1"); client.Code(err) != "webhook_not_found" {
			t.Errorf("there was none: %v", err)
		}
	})
}
