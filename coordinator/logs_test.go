package coordinator

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestNothingSecretIsLogged makes calls, good and bad, and looks for their codes,
// keys and tokens in all that is logged at the level debug. It runs beside no
// other test: all share the log.
func TestNothingSecretIsLogged(t *testing.T) {
	logged := captureLog(t)
	cl := newJoinable(t, "p1", "p2", "p3")
	phone := cl.net.device("phone")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	spent := codes[1]
	token := cl.joined(phone, s.ID, codes[0]).JoinToken
	hook := as[rest.Webhook](t, cl.post("/api/v1/webhooks", `{"url":"https://example.com/token-of-a-url"}`), http.StatusCreated)
	wrongKey := strings.Repeat("w", 40)
	bearer := func(text string) map[string]string { return map[string]string{"Authorization": "Bearer " + text} }
	for _, c := range []call{
		{method: "GET", path: invitePath(spent), noKey: true},
		{method: "PUT", path: invitePath(spent), noKey: true},
		{method: "GET", path: invitePath(spent) + "/nothing", noKey: true},
		{method: "POST", path: joinPath(spent), body: "{", noKey: true},
		{method: "GET", path: sessionsPath + "/" + s.ID, header: bearer(token), noKey: true},
		{method: "GET", path: sessionsPath + "/" + token, header: bearer(token + "x"), noKey: true},
		{method: "GET", path: sessionsPath, header: map[string]string{"X-API-Key": wrongKey}, noKey: true},
		{method: "GET", path: accountsPath + "/" + spent, header: map[string]string{"X-API-Key": wrongKey}, noKey: true},
	} {
		cl.do(c)
	}
	cl.cfg.AllowedIPs = prefixes("192.0.2.0/24")
	cl.cfg.JoinAllowedIPs = cl.cfg.AllowedIPs
	cl.restart() // from now on no address is right
	for _, c := range []call{
		{method: "GET", path: invitePath(spent), noKey: true},
		{method: "POST", path: joinPath(spent), noKey: true},
		{method: "GET", path: sessionsPath + "/" + s.ID, header: bearer(token), noKey: true},
	} {
		if a := cl.do(c); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", c.path, a.status)
		}
	}
	cl.stop()
	text := logged()
	for _, found := range []string{"/api/v1/invites/{code}", "address_not_allowed", "unknown_key", "invalid_join_token"} {
		if !bytes.Contains(text, []byte(found)) {
			t.Errorf("%s is not in the log: the search looks into the wrong place", found)
		}
	}
	for _, secret := range []string{codes[0], codes[1], token, testKey, testJoinSecret, wrongKey, hook.Secret, "token-of-a-url"} {
		if at := bytes.Index(text, []byte(secret)); at >= 0 {
			t.Errorf("%.20s… is logged: %s", secret, line(text, at))
		}
	}
}

// line returns the line of a text that holds a place.
func line(text []byte, at int) []byte {
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	rest, _, _ := bytes.Cut(text[begin:], []byte("\n"))
	return rest
}

// captureLog collects everything that is logged until the returned function is
// called.
func captureLog(t *testing.T) func() []byte {
	t.Helper()
	before := logging.GetConfig()
	quiet := before
	quiet.Level, quiet.Stdout, quiet.Stderr, quiet.SubsystemLevels = logging.LevelDebug, false, false, nil
	logging.SetupLogging(quiet)
	pipe := logging.NewPipeReader(logging.PipeFormat(logging.JSONOutput), logging.PipeLevel(logging.LevelDebug))
	var text bytes.Buffer
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(&text, pipe)
		done <- err
	}()
	end := sync.OnceFunc(func() {
		_ = pipe.Close() // ends the copy
		if err := <-done; err != nil {
			t.Errorf("read the log: %v", err)
		}
		logging.SetupLogging(before)
	})
	t.Cleanup(end)
	return func() []byte {
		end()
		return text.Bytes()
	}
}
