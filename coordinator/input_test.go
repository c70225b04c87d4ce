package coordinator

import (
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestBadInput sends each kind of bad request and checks status and code. The
// coordinator goes on working.
func TestBadInput(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ecdsa := cl.account(`{"user_id":"u"}`)
	accounts, sign := "/api/v1/accounts", "/api/v1/accounts/"+ecdsa.ID+"/sign"
	post := func(path, body string) call { return call{method: "POST", path: path, body: body} }
	get := func(path string) call { return call{method: "GET", path: path} }
	text := post(accounts, `{"user_id":"u"}`)
	text.header = map[string]string{"Content-Type": "text/plain"}
	for _, c := range []struct {
		name   string
		call   call
		status int
		code   string
	}{
		{"malformed JSON", post(accounts, `{"user_id":`), 400, "malformed_json"},
		{"no body", post(accounts, ""), 400, "malformed_json"},
		{"a second value", post(accounts, `{"user_id":"u"} {}`), 400, "malformed_json"},
		{"not an object", post(accounts, `[]`), 422, "invalid_request"},
		{"unknown field", post(accounts, `{"user_id":"u","colour":"red"}`), 422, "invalid_request"},
		{"unknown field below", post(accounts, `{"user_id":"u","threshold":{"t":2,"n":3,"x":1}}`), 422, "invalid_request"},
		{"no user id", post(accounts, `{}`), 422, "invalid_request"},
		{"empty user id", post(accounts, `{"user_id":""}`), 422, "invalid_request"},
		{"user id of a wrong type", post(accounts, `{"user_id":7}`), 422, "invalid_request"},
		{"null", post(accounts, `{"user_id":null}`), 422, "invalid_request"},
		{"unknown scheme", post(accounts, `{"user_id":"u","scheme":"rsa"}`), 422, "invalid_request"},
		{"threshold above n", post(accounts, `{"user_id":"u","threshold":{"t":4,"n":3}}`), 422, "invalid_threshold"},
		{"threshold below 2", post(accounts, `{"user_id":"u","threshold":{"t":1,"n":3}}`), 422, "invalid_threshold"},
		{"negative threshold", post(accounts, `{"user_id":"u","threshold":{"t":-1,"n":3}}`), 422, "invalid_threshold"},
		{"n far too large", post(accounts, `{"user_id":"u","threshold":{"t":2,"n":33}}`), 422, "invalid_threshold"},
		{"a fraction", post(accounts, `{"user_id":"u","threshold":{"t":2.5,"n":3}}`), 422, "invalid_request"},
		{"an enormous number", post(accounts, `{"user_id":"u","threshold":{"t":1e300,"n":3}}`), 422, "invalid_request"},
		{"n above the pool", post(accounts, `{"user_id":"u","threshold":{"t":2,"n":4}}`), 409, "pool_too_small"},
		{"unknown party", post(accounts, `{"user_id":"u","parties":["p1","p2","p9"]}`), 422, "unknown_party"},
		{"a party twice", post(accounts, `{"user_id":"u","parties":["p1","p2","p2"]}`), 422, "unknown_party"},
		{"too few names", post(accounts, `{"user_id":"u","parties":["p1","p2"]}`), 422, "invalid_threshold"},
		{"label too long", post(accounts, `{"user_id":"u","labels":{"k":"`+strings.Repeat("v", 300)+`"}}`), 422, "invalid_request"},
		{"too large a body", post(accounts, `{"user_id":"`+strings.Repeat("u", 192<<10)+`"}`), 413, "body_too_large"},
		{"another content type", text, 415, "unsupported_media_type"},
		{"unknown account", post("/api/v1/accounts/nobody/sign", `{"message":"`+digest+`"}`), 404, "account_not_found"},
		{"unknown account to show", get("/api/v1/accounts/nobody"), 404, "account_not_found"},
		{"unknown session", get("/api/v1/sessions/none"), 404, "session_not_found"},
		{"events of an unknown session", get("/api/v1/sessions/none/events"), 404, "session_not_found"},
		{"bad cursor", get("/api/v1/accounts?cursor=!!"), 422, "invalid_cursor"},
		{"bad limit", get("/api/v1/accounts?limit=0"), 422, "invalid_request"},
		{"limit of a wrong type", get("/api/v1/sessions?limit=many"), 422, "invalid_request"},
		{"unknown status", get("/api/v1/sessions?status=lost"), 422, "invalid_request"},
		{"negative sequence", get("/api/v1/sessions/" + ecdsa.KeygenSessionID + "/events?after=-1"), 422, "invalid_request"},
		{"unknown route", get("/api/v2/accounts"), 404, "not_found"},
		{"root", get("/"), 404, "not_found"},
		{"wrong method", call{method: "DELETE", path: accounts}, 405, "method_not_allowed"},
		{"wrong method on a health route", call{method: "POST", path: "/health"}, 405, "method_not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := problem(t, cl.do(c.call), c.status, c.code)
			if strings.Contains(p.Detail, strings.Repeat("u", 100)) {
				t.Error("the problem repeats the body")
			}
		})
	}
	if allow := cl.do(call{method: "DELETE", path: accounts}).header.Values("Allow"); strings.Join(allow, " ") != "GET POST" {
		t.Errorf("Allow: %v", allow)
	}
	as[rest.SignResult](t, cl.post(sign, `{"message":"`+digest+`","hash":"none"}`), http.StatusOK)
}

func TestLargestEdDSAMessage(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","scheme":"eddsa-ed25519","threshold":{"t":2,"n":2}}`)
	res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"encoding":"utf8","message":"`+strings.Repeat("m", 32<<10)+`"}`), http.StatusOK)
	if len(res.Message) != 64<<10 {
		t.Errorf("%d digits", len(res.Message))
	}
}

func TestKeygenWithoutParties(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	problem(t, cl.post("/api/v1/accounts", `{"user_id":"u"}`), http.StatusConflict, "pool_too_small")
	p := problem(t, cl.do(call{method: "GET", path: "/ready", noKey: true}), http.StatusServiceUnavailable, "not_ready")
	if len(p.Errors) != 1 {
		t.Errorf("reasons %+v", p.Errors)
	}
}
