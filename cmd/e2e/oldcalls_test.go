package e2e

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// oldCall does what `curl -H "X-API-Key: …" -d BODY` does, which names no
// content type but that of a form, and returns the answer's fields.
func oldCall(t *testing.T, key, method, url, body string) map[string]any {
	t.Helper()
	fields, status := oldAnswer(t, key, method, url, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d, %v", method, url, status, fields)
	}
	return fields
}

// oldKeygen is oldCall for one that makes a key, again if a party was lost, see newAccount: again
// returns the call, which may need another session.
func oldKeygen(t *testing.T, key, url string, again func() (body string)) map[string]any {
	t.Helper()
	for ctx := waiting(t); ; {
		fields, status := oldAnswer(t, key, "POST", url, again())
		if status < 300 {
			return fields
		}
		if fields["code"] != "party_lost" || ctx.Err() != nil {
			t.Fatalf("POST %s: %d, %v", url, status, fields)
		}
		t.Logf("POST %s: %v: once more", url, fields["detail"])
	}
}

// oldAnswer is oldCall for any answer.
func oldAnswer(t *testing.T, key, method, url, body string) (fields map[string]any, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(waiting(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatalf("%s %s: %d, %q: %v", method, url, resp.StatusCode, data, err)
	}
	return fields, resp.StatusCode
}

func text(t *testing.T, fields map[string]any, name string) string {
	t.Helper()
	s, ok := fields[name].(string)
	if !ok || s == "" {
		t.Fatalf("the answer has no %s: %v", name, fields)
	}
	return s
}

// TestOldCalls replays the calls of the system that this one replaces, each on
// one of its three ports, with curl's headers.
func TestOldCalls(t *testing.T) {
	c := shared(t, cluster.TCP)
	if len(c.Ports) != 3 {
		t.Fatalf("the coordinator answers on %v", c.Ports)
	}
	account, session, party := "http://"+c.Ports[0], "http://"+c.Ports[1], "http://"+c.Ports[2]
	key := c.API.Key
	for _, port := range []string{account, session, party} {
		if s := text(t, oldCall(t, "", "GET", port+"/health", ""), "status"); s != "ok" {
			t.Errorf("%s is %q", port, s)
		}
	}

	made := oldKeygen(t, key, account+"/api/v1/accounts", func() string { return `{"user_id": "old-user"}` })
	for _, field := range []string{"id", "user_id", "status", "scheme", "public_key", "keygen_session_id", "created_at"} {
		text(t, made, field)
	}
	if made["threshold_t"] != 2.0 || made["threshold_n"] != 3.0 || made["user_id"] != "old-user" {
		t.Errorf("account %v", made)
	}
	oldSign(t, key, account, made, "")

	// The user's share: a keygen session with room for the user, completed by the
	// old party API's call.
	id := ""
	share := oldKeygen(t, key, party+"/api/v1/shares/generate", func() string {
		opened := oldCall(t, key, "POST", session+"/api/v1/sessions", `{"kind": "keygen", "user_id": "old-user", "open_user_slot": true}`)
		id = text(t, opened, "id")
		if opened["status"] != "created" || opened["waiting_for"] != "user" {
			t.Errorf("session %v", opened)
		}
		return `{"session_id": "` + id + `"}`
	})
	if share["session_id"] != id || share["sealed"] != false {
		t.Errorf("share %v", share)
	}
	status := oldCall(t, key, "GET", session+"/api/v1/sessions/"+id, "")
	for field, want := range map[string]any{"status": "completed", "threshold_t": 2.0, "threshold_n": 3.0, "keygen_session_id": id} {
		if status[field] != want {
			t.Errorf("%s is %v, want %v", field, status[field], want)
		}
	}
	mine := oldCall(t, key, "GET", account+"/api/v1/accounts/"+text(t, share, "account_id"), "")
	oldSign(t, key, account, mine, text(t, share, "share"))
}

// oldSign signs a digest, with the user's share if there is one, and judges the
// signature.
func oldSign(t *testing.T, key, url string, account map[string]any, share string) {
	t.Helper()
	digest := randomMessage()
	body := `{"message": "` + hex.EncodeToString(digest) + `"`
	if share != "" {
		body += `, "user_share": "` + share + `"`
	}
	signed := oldCall(t, key, "POST", url+"/api/v1/accounts/"+text(t, account, "id")+"/sign", body+"}")
	text(t, signed, "session_id")
	signature, ok := signed["signature"].(map[string]any)
	if !ok {
		t.Fatalf("answer %v", signed)
	}
	for _, field := range []string{"r", "s", "der"} {
		text(t, signature, field)
	}
	if err := judge.ECDSA(text(t, account, "public_key"), digest, text(t, signature, "rsv")); err != nil {
		t.Error(err)
	}
}
