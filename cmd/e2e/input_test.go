package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestBadInput sends what callers get wrong. Each gets one clear problem, and
// the daemon goes on.
func TestBadInput(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := newAccount(t, c, cluster.EdDSA)
	ecdsa := ecdsaAccount(t, c)
	const accounts = "/api/v1/accounts"
	sign, signECDSA := accounts+"/"+account.ID+"/sign", accounts+"/"+ecdsa.ID+"/sign"
	nobody := accounts + "/01890000-0000-7000-8000-000000000000"
	digest := strings.Repeat("ab", 32)
	tests := []struct {
		name, method, path, body string
		status                   int
	}{
		{"malformed JSON", "POST", accounts, `{"user_id": `, 400},
		{"no body", "POST", accounts, ``, 400},
		{"an unknown field", "POST", accounts, `{"user_id": "u", "colour": "red"}`, 422},
		{"a field of another type", "POST", accounts, `{"user_id": 7}`, 422},
		{"no user", "POST", accounts, `{}`, 422},
		{"an unknown scheme", "POST", accounts, `{"user_id": "u", "scheme": "rsa"}`, 422},
		{"a threshold above n", "POST", accounts, `{"user_id": "u", "threshold": {"t": 4, "n": 3}}`, 422},
		{"a threshold below 2", "POST", accounts, `{"user_id": "u", "threshold": {"t": 1, "n": 3}}`, 422},
		{"n above the pool", "POST", accounts, `{"user_id": "u", "threshold": {"t": 2, "n": 4}}`, 409},
		{"an unknown party", "POST", accounts, `{"user_id": "u", "parties": ["p1", "p2", "p9"]}`, 422},
		{"a body over 192 KiB", "POST", accounts, `{"user_id": "` + strings.Repeat("u", 200<<10) + `"}`, 413},
		{"an unknown account", "GET", nobody, "", 404},
		{"a signature by an unknown account", "POST", nobody + "/sign", `{"message": "` + digest + `"}`, 404},
		{"a short digest", "POST", signECDSA, `{"message": "abcd"}`, 422},
		{"a long digest", "POST", signECDSA, `{"message": "` + digest + `00"}`, 422},
		{"odd hex", "POST", sign, `{"message": "abc"}`, 422},
		{"no hex", "POST", sign, `{"message": "xyz!"}`, 422},
		{"an empty message", "POST", sign, `{"message": ""}`, 422},
		{"an unknown encoding", "POST", sign, `{"message": "ab", "encoding": "morse"}`, 422},
		{"a derivation path", "POST", sign, `{"message": "` + digest + `", "derivation_path": "m/0"}`, 422},
		{"an unknown session", "GET", "/api/v1/sessions/01890000-0000-7000-8000-000000000000", "", 404},
		{"an unknown route", "GET", "/api/v1/nothing", "", 404},
		{"another method", "PATCH", accounts, "", 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := c.API.Do(waiting(t), tt.method, tt.path, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			checkProblem(t, resp, tt.status)
		})
	}
	mustSign(t, c, account)
	mustSign(t, c, ecdsa)
}

// TestWrongKey calls without a key and with a wrong one. Health needs none.
func TestWrongKey(t *testing.T) {
	c := shared(t, cluster.QUIC)
	for _, key := range []string{"", strings.Repeat("0", 64)} {
		api := cluster.API{URL: c.API.URL, Key: key}
		resp, err := api.Do(waiting(t), "GET", "/api/v1/accounts", "")
		if err != nil {
			t.Fatal(err)
		}
		checkProblem(t, resp, 401)
		if resp, err = api.Do(waiting(t), "GET", "/health", ""); err != nil || resp.Status != 200 {
			t.Errorf("health: %v, %+v", err, resp)
		}
	}
}

// checkProblem wants a problem document with a status, a code and a sentence.
func checkProblem(t *testing.T, resp *cluster.Response, status int) {
	t.Helper()
	if resp.Status != status {
		t.Errorf("status %d, want %d: %s", resp.Status, status, resp.Body)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") {
		t.Errorf("content type %q: %s", kind, resp.Body)
	}
	var p cluster.Problem
	if err := json.Unmarshal(resp.Body, &p); err != nil || p.Status != status || p.Code == "" || p.Detail == "" {
		t.Errorf("a problem needs status, code and detail: %s (%v)", resp.Body, err)
	}
}
