package coordinator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/internal/api"
)

// TestContractCheckerCanFail gives the checker answers that break the contract,
// each in one way.
func TestContractCheckerCanFail(t *testing.T) {
	t.Parallel()
	text, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	k, err := readContract(text) // its own: what it sees here counts for nothing
	if err != nil {
		t.Fatal(err)
	}
	answerOf := func(status int, media, body string) answer {
		return answer{status, http.Header{"Content-Type": {media}, "X-Request-Id": {"r"}, "Retry-After": {"1"}, "Location": {"/x"}, "Www-Authenticate": {"x"}}, []byte(body)}
	}
	problemOf := func(status int, code string) answer {
		body, _ := json.Marshal(map[string]any{"type": "about:blank", "title": "t", "status": status, "code": code, "detail": "d"})
		return answerOf(status, mediaProblem, string(body))
	}
	without := func(a answer, header string) answer {
		a.header = a.header.Clone()
		a.header.Del(header)
		return a
	}
	ready := call{method: "GET", path: "/ready"}
	account := call{method: "GET", path: "/api/v1/accounts/x"}
	create := call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`}
	share := `{"id":"x","session_id":"s","account_id":"a","public_key":"00","sealed":false,"share":"x","expires_at":%s}`
	for name, c := range map[string]struct {
		call   call
		answer answer
		says   string // empty: it is fine
	}{
		"good":                       {ready, answerOf(200, "application/json", `{"status":"ready","live_parties":3,"preparameters":{"min":1,"total":3}}`), ""},
		"good problem":               {account, problemOf(404, "account_not_found"), ""},
		"good answer with a query":   {call{method: "GET", path: "/api/v1/parties?x=1"}, answerOf(200, "application/json", `{"parties":[]}`), ""},
		"a literal before a wild":    {call{method: "POST", path: generatePath}, answerOf(200, "application/json", strings.Replace(share, "%s", `"2026-01-02T03:04:05Z"`, 1)), ""},
		"unlisted status":            {ready, answerOf(204, "application/json", ``), "does not list the status"},
		"unlisted media type":        {ready, answerOf(200, "text/html", `<p>`), "media type"},
		"no media type":              {ready, answerOf(200, "", `{}`), "media type"},
		"no JSON":                    {ready, answerOf(200, "application/json", `{`), "no JSON"},
		"missing field":              {ready, answerOf(200, "application/json", `{"status":"ready"}`), "live_parties"},
		"a field of a wrong type":    {ready, answerOf(200, "application/json", `{"status":"ready","live_parties":"3","preparameters":{"min":1,"total":3}}`), "live_parties"},
		"a field too many":           {ready, answerOf(200, "application/json", `{"status":"ready","live_parties":3,"preparameters":{"min":1,"total":3},"x":1}`), "x"},
		"null for a list":            {call{method: "GET", path: "/api/v1/parties"}, answerOf(200, "application/json", `{"parties":null}`), "parties"},
		"a value out of an enum":     {call{method: "GET", path: "/api/v1/webhooks"}, answerOf(200, "application/json", `{"webhooks":[{"id":7}]}`), "id"},
		"a time that is none":        {call{method: "POST", path: generatePath}, answerOf(200, "application/json", strings.Replace(share, "%s", `"yesterday"`, 1)), "date-time"},
		"a code of other routes":     {account, problemOf(404, "session_not_found"), "does not list the problem"},
		"an unknown code":            {account, problemOf(404, "gone_fishing"), "not documented"},
		"a code with a wrong status": {account, problemOf(422, "account_not_found"), "documented with 404"},
		"no request id":              {account, without(problemOf(404, "account_not_found"), "X-Request-Id"), "X-Request-Id"},
		"no Retry-After":             {account, without(problemOf(429, "rate_limited"), "Retry-After"), "Retry-After"},
		"a request not described":    {call{method: "PUT", path: signersPath("x"), body: `{"parties":[7,8]}`}, answerOf(200, "application/json", `{"fixed":false,"parties":[]}`), "a request succeeds"},
		"no route, good":             {call{method: "GET", path: "/nothing"}, problemOf(404, "not_found"), ""},
		"no route, other code":       {call{method: "GET", path: "/nothing"}, problemOf(404, "account_not_found"), "no route takes"},
		"no route, no problem":       {call{method: "GET", path: "/nothing"}, answerOf(200, "text/plain", `hello`), "without a route"},
		"a method that is not there": {call{method: "DELETE", path: accountsPath}, problemOf(405, "method_not_allowed"), ""},
		"an unlisted success":        {create, answerOf(200, "application/json", `{}`), "does not list the status 200"},
	} {
		switch err := k.check(c.call, c.answer); {
		case err == nil && c.says != "":
			t.Errorf("%s: it passes", name)
		case err != nil && (c.says == "" || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v; want it to say %q", name, err, c.says)
		}
	}
}
