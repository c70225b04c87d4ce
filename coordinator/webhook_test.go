package coordinator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/hooks"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// hookServer takes what webhooks send.
type hookServer struct {
	*httptest.Server
	mu    sync.Mutex
	calls []hookCall
}

type hookCall struct {
	header http.Header
	body   string
	event  rest.WebhookEvent
}

func newHookServer(t *testing.T) *hookServer {
	h := &hookServer{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c := hookCall{header: r.Header, body: string(body)}
		if err == nil {
			d := json.NewDecoder(strings.NewReader(c.body))
			d.DisallowUnknownFields()
			err = d.Decode(&c.event)
		}
		if err != nil {
			t.Errorf("%v in %s", err, body)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.calls = append(h.calls, c)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hookServer) got() []hookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]hookCall(nil), h.calls...)
}

// TestWebhook makes a webhook and an account, and checks what it hears.
func TestWebhook(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.WebhookLoopback = true }, "p1", "p2", "p3")
	to := newHookServer(t)
	hook := as[rest.Webhook](t, cl.post("/api/v1/webhooks", `{"url":"`+to.URL+`"}`), http.StatusCreated)
	if hook.ID == "" || hook.URL != to.URL || len(hook.Events) == 0 || len(hook.Secret) < 32 || hook.CreatedAt.IsZero() {
		t.Errorf("%+v", hook)
	}
	list := as[rest.WebhookList](t, cl.get("/api/v1/webhooks"), http.StatusOK).Webhooks
	if len(list) != 1 || list[0].ID != hook.ID || list[0].Secret != "" {
		t.Errorf("%+v", list)
	}
	if one := as[rest.Webhook](t, cl.get("/api/v1/webhooks/"+hook.ID), http.StatusOK); one.URL != to.URL || one.Secret != "" {
		t.Errorf("%+v", one)
	}
	a := cl.account(`{"user_id":"u","user_share":true}`)
	until(t, "both events came", func() bool { return len(to.got()) >= 2 })
	for _, c := range to.got() {
		checkCall(t, c, hook.Secret)
		if a.UserShare == nil || strings.Contains(c.body, a.UserShare.Share) || strings.Contains(c.body, "user_share\"") {
			t.Errorf("a share: %s", c.body)
		}
		switch c.event.Event.Type {
		case "session.completed":
			if s := c.event.Session; s == nil || s.ID != a.KeygenSessionID || s.Status != "completed" || c.event.Account != nil {
				t.Errorf("%s", c.body)
			}
		case "account.activated":
			if v := c.event.Account; v == nil || v.ID != a.ID || v.PublicKey != a.PublicKey {
				t.Errorf("%s", c.body)
			}
		default:
			t.Errorf("%s", c.body)
		}
	}
	until(t, "they are delivered", func() bool {
		n := 0
		for _, d := range as[rest.DeliveryList](t, cl.get("/api/v1/webhooks/"+hook.ID+"/deliveries"), http.StatusOK).Deliveries {
			if d.Status == "delivered" && d.HTTP == 200 && d.Tries == 1 && d.LastTry != nil && d.AccountID == a.ID && d.WebhookID == hook.ID {
				n++
			}
		}
		return n == 2
	})
	page := as[rest.DeliveryList](t, cl.get("/api/v1/webhooks/"+hook.ID+"/deliveries?limit=1"), http.StatusOK)
	rest2 := as[rest.DeliveryList](t, cl.get("/api/v1/webhooks/"+hook.ID+"/deliveries?limit=1&cursor="+page.NextCursor), http.StatusOK)
	if len(page.Deliveries) != 1 || len(rest2.Deliveries) != 1 || page.Deliveries[0].EventSeq <= rest2.Deliveries[0].EventSeq || rest2.NextCursor != "" {
		t.Errorf("%+v, %+v", page, rest2)
	}
	path := "/api/v1/webhooks/" + hook.ID
	if d := cl.do(call{method: "DELETE", path: path}); d.status != http.StatusNoContent || len(d.body) != 0 {
		t.Errorf("%d: %s", d.status, d.body)
	}
	problem(t, cl.do(call{method: "DELETE", path: path}), http.StatusNotFound, "webhook_not_found")
	problem(t, cl.get(path), http.StatusNotFound, "webhook_not_found")
	problem(t, cl.get(path+"/deliveries"), http.StatusNotFound, "webhook_not_found")
}

func checkCall(t *testing.T, c hookCall, secret string) {
	t.Helper()
	stamp, _, _ := strings.Cut(strings.TrimPrefix(c.header.Get("Mpc-Signature"), "t="), ",")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || c.header.Get("Mpc-Signature") != hooks.Signature(secret, time.Unix(at, 0), []byte(c.body)) {
		t.Errorf("signature %s", c.header.Get("Mpc-Signature"))
	}
	if c.header.Get("Mpc-Delivery") != c.event.ID || c.header.Get("Mpc-Event") != c.event.Event.Type {
		t.Errorf("headers %v", c.header)
	}
}

// TestWebhookURLIsNotForEveryone shows a URL with a token in it to keys of all
// kinds.
func TestWebhookURLIsNotForEveryone(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	cl := newClusterWith(t, change)
	const url = "https://example.com:8443/hook/secret-path?token=secret"
	hook := as[rest.Webhook](t, cl.post("/api/v1/webhooks", `{"url":"`+url+`"}`), http.StatusCreated)
	for scopes, want := range map[string]string{
		"read": "https://example.com:8443", "read sign accounts": "https://example.com:8443", "read webhooks": url, "admin": url,
	} {
		_, header := newKey(t, file, NewKey{Scopes: strings.Fields(scopes)})
		cl.c.Reload()
		one := as[rest.Webhook](t, cl.do(call{method: "GET", path: "/api/v1/webhooks/" + hook.ID, header: header, noKey: true}), http.StatusOK)
		list := as[rest.WebhookList](t, cl.do(call{method: "GET", path: "/api/v1/webhooks", header: header, noKey: true}), http.StatusOK)
		if one.URL != want || len(list.Webhooks) != 1 || list.Webhooks[0].URL != want {
			t.Errorf("%s: %q, %+v", scopes, one.URL, list.Webhooks)
		}
	}
}

func TestWebhookIsMadeOnce(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	create := func(body string) answer {
		return cl.do(call{method: "POST", path: "/api/v1/webhooks", body: body, header: map[string]string{"Idempotency-Key": "one"}})
	}
	first := as[rest.Webhook](t, create(`{"url":"https://example.com/hook"}`), http.StatusCreated)
	cl.restart()
	second := as[rest.Webhook](t, create(`{"url":"https://example.com/hook"}`), http.StatusCreated)
	if second.ID != first.ID || second.Secret != first.Secret || !second.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("%+v, then %+v", first, second)
	}
	problem(t, create(`{"url":"https://example.com/other"}`), http.StatusUnprocessableEntity, "idempotency_key_reused")
	if n := len(as[rest.WebhookList](t, cl.get("/api/v1/webhooks"), http.StatusOK).Webhooks); n != 1 {
		t.Errorf("%d webhooks", n)
	}
}

func TestWebhookProblems(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	for _, body := range []string{
		`{"url":"http://example.com"}`, `{"url":"https://169.254.169.254/"}`, `{"url":"https://10.0.0.1/"}`, `{"url":"http://127.0.0.1:8080/"}`, `{"url":"https://localhost/"}`, `{"url":"https://example.com","events":["webhook.created"]}`,
	} {
		problem(t, cl.post("/api/v1/webhooks", body), http.StatusUnprocessableEntity, "invalid_webhook")
	}
	for _, body := range []string{`{}`, `{"url":"https://example.com","secret":"short"}`} {
		problem(t, cl.post("/api/v1/webhooks", body), http.StatusUnprocessableEntity, "invalid_request")
	}
	for range hooks.MaxWebhooks {
		as[rest.Webhook](t, cl.post("/api/v1/webhooks", `{"url":"https://example.com"}`), http.StatusCreated)
	}
	problem(t, cl.post("/api/v1/webhooks", `{"url":"https://example.com"}`), http.StatusConflict, "too_many_webhooks")
}

// TestAudit looks for what callers did in the audit log.
func TestAudit(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	hook := as[rest.Webhook](t, cl.post("/api/v1/webhooks", `{"url":"https://example.com"}`), http.StatusCreated)
	audit := func(query string) rest.AuditList {
		return as[rest.AuditList](t, cl.get("/api/v1/audit"+query), http.StatusOK)
	}
	var kinds []string
	for _, e := range audit("").Entries {
		kinds = append(kinds, e.Type)
	}
	if got, want := strings.Join(kinds, " "), "webhook.created account.activated session.completed account.created session.created"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	made := audit("?type=webhook.created&actor=backend").Entries
	if len(made) != 1 || made[0].Resource != hook.ID || made[0].Actor == nil || made[0].Actor.Client != "127.0.0.1" || made[0].Actor.RequestID == "" {
		t.Errorf("%+v", made)
	}
	if n := len(audit("?account_id=" + a.ID).Entries); n != 4 {
		t.Errorf("%d entries about the account", n)
	}
	page := audit("?limit=2")
	if next := audit("?limit=200&cursor=" + page.NextCursor); len(page.Entries) != 2 || len(next.Entries) != 3 || next.NextCursor != "" {
		t.Errorf("%+v, %+v", page, next)
	}
	// Last of all: the minute may end at any moment, and then the failure is in the log.
	problem(t, cl.do(call{method: "GET", path: "/api/v1/accounts", header: map[string]string{"X-API-Key": strings.Repeat("x", 40)}, noKey: true}), 401, "unauthorized")
	cl.restart() // which ends the minute of failures
	failed := audit("?type=auth.failed").Entries
	if len(failed) != 1 || failed[0].Count != 1 || failed[0].Code != "unknown_key" || failed[0].Actor.Client != "127.0.0.1" {
		t.Errorf("%+v", failed)
	}
}
