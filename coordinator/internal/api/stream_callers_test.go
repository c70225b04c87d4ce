package api

import (
	"io"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
)

// statusOf asks for a stream and leaves it open until the test ends.
func statusOf(t *testing.T, url, key string) (status int, end func()) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	end = func() { _ = res.Body.Close() } // a second time, at the end
	t.Cleanup(end)
	if res.StatusCode != http.StatusOK {
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	return res.StatusCode, end
}

// TestStreamsOfACaller has one caller take all that it may, which leaves the
// others theirs.
func TestStreamsOfACaller(t *testing.T) {
	s, srv := newStreamServer(t, func(s *server) { s.streams.perKey, s.streams.perJoin = 3, 2 })
	s.write(t, sessionCreated("1"), sessionCreated("2"))
	for _, c := range []struct {
		url   string
		limit int
	}{
		{"/sessions/1", 3}, {"/sessions/1?public=phone", 2}, {"/sessions/1?public=tablet", 2}, {"/sessions/2?public=phone", 2},
	} {
		var last func()
		for i := range c.limit {
			status, end := statusOf(t, srv.URL+c.url, streamKey)
			if status != http.StatusOK {
				t.Fatalf("%s: stream %d: %d", c.url, i, status)
			}
			last = end
		}
		if status, _ := statusOf(t, srv.URL+c.url, streamKey); status != http.StatusTooManyRequests {
			t.Errorf("%s: one too many: %d", c.url, status)
		}
		last()
		until(t, "there is a place again", func() bool {
			status, _ := statusOf(t, srv.URL+c.url, streamKey)
			return status == http.StatusOK
		})
	}
	if status, _ := statusOf(t, srv.URL+"/sessions/2", streamKey); status != http.StatusTooManyRequests {
		t.Errorf("the key has places for each session: %d", status)
	}
}

// TestStreamsOfACallerAreForgotten looks that nothing is kept of who has gone,
// also of who was refused for want of room.
func TestStreamsOfACallerAreForgotten(t *testing.T) {
	s := newStreams()
	s.max = 1
	first, p := s.enter(&access.Caller{KeyID: "a"})
	if p != nil {
		t.Fatal(p)
	}
	if _, p := s.enter(&access.Caller{Session: "s", Peer: "p"}); p == nil || p.Code != codeStreams {
		t.Errorf("%+v", p)
	}
	first()
	if len(s.callers.n) != 0 || s.open.Load() != 0 {
		t.Errorf("%v, %d", s.callers.n, s.open.Load())
	}
}

// TestStreamEndsWithItsKey revokes a key that listens, and lets a token expire.
func TestStreamEndsWithItsKey(t *testing.T) {
	file := access.File(filepath.Join(t.TempDir(), "keys.json"))
	key, secret, err := file.Create(access.NewKey{Name: "test", Scopes: []string{access.Read}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := access.OpenKeys(access.KeysConfig{Secret: streamKey, File: file})
	if err != nil {
		t.Fatal(err)
	}
	var expired atomic.Bool
	s, srv := newStreamServer(t, func(s *server) {
		s.streams.beat = 5 * time.Millisecond
		s.cfg.Access.Keys = keys
		s.cfg.Access.JoinToken = func(r *http.Request) (string, string, bool) {
			return r.PathValue("id"), "phone", !expired.Load()
		}
	})
	s.write(t, sessionCreated("1"))
	revoked := listenAs(t, srv.URL+"/sessions/1", secret)
	stays := listenAs(t, srv.URL+"/sessions/1", streamKey)
	device := listenAs(t, srv.URL+"/sessions/1?public=phone", "")
	for _, l := range []*listening{revoked, stays, device} {
		l.next()
		if e, ok := l.next(); !ok || e.event != ":still here" {
			t.Fatalf("%+v", e)
		}
	}
	if _, err := file.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	keys.Reload()
	expired.Store(true)
	for _, l := range []*listening{revoked, device} {
		for _, e := range l.all() {
			if e.event != ":still here" {
				t.Errorf("%+v", e)
			}
		}
	}
	s.write(t, ended("1"))
	if all := stays.all(); all[len(all)-1].event != eventEnd {
		t.Errorf("%+v", all)
	}
}

func listenAs(t *testing.T, url, key string) *listening {
	t.Helper()
	client := &http.Client{Transport: keyed(key)}
	return listenWith(t, client, url, "")
}

// keyed shows an API key.
type keyed string

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	if k != "" {
		r.Header.Set("X-API-Key", string(k))
	}
	return http.DefaultTransport.RoundTrip(r)
}
