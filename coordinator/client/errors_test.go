package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]client.Config{
		"no URL":              {},
		"no scheme":           {URL: "localhost:4000"},
		"another scheme":      {URL: "ftp://localhost"},
		"no host":             {URL: "http://"},
		"the API's path":      {URL: "http://localhost/api/v1/"},
		"a password":          {URL: "http://user:secret@localhost"},
		"a malformed URL":     {URL: "http://user:secret@local host"},
		"a query":             {URL: "http://localhost?x=y"},
		"two identities":      {URL: "http://localhost", Key: "k", JoinToken: "t"},
		"a key with an end":   {URL: "http://localhost", Key: "k\n"},
		"TLS beside a client": {URL: "http://localhost", HTTPClient: http.DefaultClient, TLS: &tls.Config{}},
		"negative tries":      {URL: "http://localhost", Tries: -1},
		"a trusted nobody":    {URL: "http://localhost", Trust: client.Trust{Parties: []string{"p1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.New(c)
			wantError(t, err, client.ErrConfig, "")
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	s, c := start(t)
	_, err := c.Session(waiting(t), "nowhere")
	var p *rest.Problem
	if !errors.As(err, &p) || p.Status != http.StatusNotFound || p.Code != "session_not_found" || p.RequestID != "r-1" || client.Code(err) != p.Code {
		t.Errorf("error %#v, want the API's problem", err)
	}
	wrong := newClient(t, s, func(c *client.Config) { c.Key = strings.Repeat("x", 32) })
	if _, err := wrong.Parties(waiting(t)); client.Code(err) != "unauthorized" {
		t.Errorf("a wrong key: %v", err)
	}
	if code := client.Code(io.EOF); code != "" {
		t.Errorf("an error that is no problem has the code %q", code)
	}
	if _, err := c.Session(waiting(t), ""); err == nil {
		t.Error("a session without an id was asked for")
	}
	if _, err := c.Session(waiting(t), "../accounts"); client.Code(err) != "session_not_found" {
		t.Errorf("an id that looks like a path: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	const url = "http://127.0.0.1:1" // nobody is given this port, as the one of a listener that was closed could be
	c := mustNew(t, client.Config{URL: url, Tries: 2})
	_, err := c.Invite(waiting(t), "secret-code")
	wantError(t, err, client.ErrUnreachable, url)
	if strings.Contains(err.Error(), "secret-code") {
		t.Errorf("the error tells the invite's code: %v", err)
	}
}

func TestTLS(t *testing.T) {
	s := clienttest.NewUnstarted(t)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
	s.StartTLS()
	_, err := newClient(t, s, nil).Parties(waiting(t))
	wantError(t, err, client.ErrCertificate, "certificate")
	wantError(t, err, client.ErrUnreachable, "")

	authorities := x509.NewCertPool()
	authorities.AddCert(s.Certificate())
	with := func(name string) func(*client.Config) {
		return func(c *client.Config) { c.TLS = &tls.Config{RootCAs: authorities, ServerName: name} }
	}
	if _, err := newClient(t, s, with("")).Parties(waiting(t)); err != nil {
		t.Errorf("with the server's authority: %v", err)
	}
	_, err = newClient(t, s, with("other.example")).Parties(waiting(t))
	wantError(t, err, client.ErrCertificate, "other.example")

	_, err = newClient(t, s, func(c *client.Config) { c.URL = strings.Replace(s.URL, "https", "http", 1) }).Parties(waiting(t))
	wantError(t, err, client.ErrNotAPI, "https://")

	plain := clienttest.New(t)
	_, err = newClient(t, plain, func(c *client.Config) { c.URL = strings.Replace(plain.URL, "http", "https", 1) }).Parties(waiting(t))
	wantError(t, err, client.ErrPlainHTTP, "http://")
}

func TestForeignAnswers(t *testing.T) {
	s := clienttest.New(t)
	c := newClient(t, s, func(c *client.Config) { c.Tries = 1 })
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		says   string
	}{
		"HTML":              {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, "invalid character"},
		"another 404":       {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "status 404"},
		"a proxy's problem": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, "status 502"},
		"a redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "elsewhere.example"},
	} {
		t.Run(name, func(t *testing.T) {
			s.Before(func(w http.ResponseWriter, _ *http.Request) bool { tt.answer(w); return true })
			_, err := c.Parties(waiting(t))
			wantError(t, err, client.ErrNotAPI, tt.says)
		})
	}
}
