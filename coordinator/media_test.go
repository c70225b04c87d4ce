package coordinator

import (
	"net/http"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestAnswersAreJSONWhateverIsAccepted: callers of old send all sorts of headers.
func TestAnswersAreJSONWhateverIsAccepted(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	for _, accept := range []string{
		"", "*/*", "application/json", "json", "text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "application/problem+json", "application/cbor",
		"application/json;q=0", "text/event-stream", ";;;", "application/*",
	} {
		header := map[string]string{"Accept": accept}
		a := cl.do(call{method: "GET", path: "/api/v1/parties", header: header})
		as[rest.PartyList](t, a, http.StatusOK)
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("Accept %q: %q", accept, got)
		}
		problem(t, cl.do(call{method: "GET", path: accountsPath + "/x", header: header}), http.StatusNotFound, "account_not_found")
		problem(t, cl.do(call{method: "GET", path: accountsPath + "?limit=x", header: header}), http.StatusUnprocessableEntity, "invalid_request")
	}
}

func TestBodiesAreJSON(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for media, status := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "APPLICATION/JSON": 201, "application/x-www-form-urlencoded": 201, // what curl -d sends
		"application/vnd.mpc+json": 201, "json": 201,
		"text/plain": 415, "text/json": 415, "application/xml": 415, "multipart/form-data": 415, "application/cbor": 415, "garbage": 415, "application/json+xml": 415,
	} {
		a := cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: map[string]string{"Content-Type": media}})
		if a.status != status {
			t.Errorf("%s: %d %s", media, a.status, a.body)
		}
	}
}
