package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience bounds what a test waits for.
const patience = time.Minute

func waiting(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newClient returns a client of s; change alters its settings.
func newClient(t testing.TB, s *clienttest.Server, change func(*client.Config)) *client.Client {
	t.Helper()
	cfg := client.Config{URL: s.URL, Key: clienttest.Key}
	if change != nil {
		change(&cfg)
	}
	return mustNew(t, cfg)
}

func mustNew(t testing.TB, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// start returns a server and a client of it.
func start(t testing.TB) (*clienttest.Server, *client.Client) {
	t.Helper()
	s := clienttest.New(t)
	return s, newClient(t, s, nil)
}

func newAccount(t testing.TB, c *client.Client, req rest.CreateAccount) *rest.Account {
	t.Helper()
	if req.UserID == "" {
		req.UserID = t.Name()
	}
	a, err := c.CreateAccount(waiting(t), req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantError wants an error that is one of a kind and says something.
func wantError(t testing.TB, err, kind error, says string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
		t.Fatalf("error %v, want a %v that says %q", err, kind, says)
	}
}

// handlerTransport is an http.RoundTripper without sockets, for tests in virtual
// time.
type handlerTransport func(*http.Request) (*http.Response, error)

func (f handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
