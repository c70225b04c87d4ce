package coordinator

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestTooManySessions(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.MaxSessions, c.MaxQueue = 2, 2 }, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{mute: true})
	var running []rest.Session
	for range 4 { // two of them wait
		running = append(running, as[rest.Session](t, cl.do(call{method: "POST", path: signPath(a.ID), body: `{"message":"` + digest + `"}`, header: async}), http.StatusAccepted))
	}
	key := map[string]string{"Idempotency-Key": "one"}
	again := call{method: "POST", path: signPath(a.ID), body: `{"message":"` + digest + `"}`, header: key}
	p := cl.do(again)
	problem(t, p, http.StatusTooManyRequests, "too_many_sessions")
	if after, err := strconv.Atoi(p.header.Get("Retry-After")); err != nil || after < 5 || after > 60 { // no turn has come yet: 5, or as long as the queue is there
		t.Errorf("Retry-After %q", p.header.Get("Retry-After"))
	}
	problem(t, cl.post(accountsPath, `{"user_id":"u","scheme":"eddsa-ed25519"}`), http.StatusTooManyRequests, "too_many_sessions")
	problem(t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","scheme":"eddsa-ed25519"}`), http.StatusTooManyRequests, "too_many_sessions")
	as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated) // it only waits
	for _, s := range running {
		as[rest.Session](t, cl.post(cancelPath(s.ID), ""), http.StatusOK)
	}
	cl.net.all(script{})
	until(t, "there is room again", func() bool { return cl.do(again).status == http.StatusOK }) // the refused call did not use its key up
}

func TestDeviceInfoIsKeptAndBounded(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	info := `{"os":"Android 16","rooted":false,"screen":{"w":1080,"h":2400},"tags":["a",null,1.5]}`
	a := cl.account(`{"user_id":"u","device_info":` + info + `}`)
	shown := as[rest.Account](t, cl.get(accountsPath+"/"+a.ID), http.StatusOK)
	if fmt.Sprint(shown.DeviceInfo) != "map[os:Android 16 rooted:false screen:map[h:2400 w:1080] tags:[a <nil> 1.5]]" {
		t.Errorf("device_info %v", shown.DeviceInfo)
	}
	as[rest.Account](t, cl.post(accountsPath, `{"user_id":"u","device_info":{}}`), http.StatusCreated)
	for _, bad := range []string{`{"x":"` + strings.Repeat("x", 4<<10) + `"}`, `[]`, `"phone"`, `7`} {
		problem(t, cl.post(accountsPath, `{"user_id":"u","device_info":`+bad+`}`), http.StatusUnprocessableEntity, "invalid_request")
	}
	problem(t, cl.post(accountsPath, `{"user_id":"u","device_info":`+strings.Repeat(`{"x":`, 40)+`1`+strings.Repeat(`}`, 40)+`}`), http.StatusBadRequest, "malformed_json")
}

func TestStorageFailureIsTold(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	ann := newApprover(t)
	a := cl.account(`{"user_id":"u","approvers":` + approversOf(1, ann) + `}`)
	waiting := as[rest.Session](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	co, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1}`)
	open := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	approval, phone := ann.approve(cl, waiting.ID), cl.net.device("phone")
	hybrid, _ := cl.hybrid()
	hook := as[rest.Webhook](t, cl.post("/api/v1/webhooks", `{"url":"https://example.org/hook"}`), http.StatusCreated)
	if err := cl.c.db.Close(); err != nil { // as a disk that is full, only more so
		t.Fatal(err)
	}
	for _, c := range []call{
		{method: "POST", path: accountsPath, body: `{"user_id":"u"}`},
		{method: "POST", path: signPath(a.ID), body: `{"message":"` + digest + `"}`},
		{method: "POST", path: sessionsPath, body: `{"kind":"keygen","user_id":"u"}`},
		{method: "POST", path: approvePath(waiting.ID), body: encode(rest.Approvals{Approvals: []string{approval}})},
		{method: "POST", path: sessionsPath + "/" + co.ID + "/invites"},
		{method: "POST", path: joinPath(codes[0]), body: joinBody(phone, co.ID, codes[0])},
		{method: "POST", path: generatePath, body: `{"session_id":"` + open.ID + `"}`},
		{method: "PUT", path: signersPath(a.ID), body: `{"parties":["p1","p2"]}`},
		{method: "DELETE", path: signersPath(a.ID)},
		{method: "PUT", path: presignPath(a.ID), body: `{"target":1}`},
		{method: "DELETE", path: presignPath(a.ID)},
		{method: "POST", path: "/api/v1/shares/" + hybrid.KeygenSessionID + "/ack"},
		{method: "POST", path: "/api/v1/webhooks", body: `{"url":"https://example.org/other"}`},
		{method: "DELETE", path: "/api/v1/webhooks/" + hook.ID},
		{method: "POST", path: cancelPath(waiting.ID)},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) { problem(t, cl.do(c), http.StatusInternalServerError, "storage_failure") })
	}
	as[rest.AccountList](t, cl.get(accountsPath), http.StatusOK)                                       // what is known can be read
	problem(t, cl.post(cancelPath(waiting.ID), ""), http.StatusInternalServerError, "storage_failure") // its end is tried again until the disk takes it
}

// TestPartiesThatAreLostInBothAttempts: there is nobody at fault to replace any
// more.
func TestPartiesThatAreLostInBothAttempts(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":4}}`)
	cl.net.all(script{dieInRounds: true})
	p := problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusBadGateway, "party_lost")
	if s := cl.session(p.SessionID); s.Attempt != 2 || len(p.Parties) != 1 || p.Parties[0].Code != string(protocol.CodeUnreachable) {
		t.Errorf("parties %+v, session %+v", p.Parties, s)
	}
}

// listenerSink is a caller of a stream that takes everything.
type listenerSink struct {
	http.ResponseWriter
	begun func()
}

func (s listenerSink) WriteHeader(status int) {
	s.ResponseWriter.WriteHeader(status)
	s.begun()
}
func (listenerSink) Flush()                           {}
func (listenerSink) SetWriteDeadline(time.Time) error { return nil }
func (listenerSink) SetReadDeadline(time.Time) error  { return nil }

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	s := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	ctx, cancel := context.WithCancel(context.Background())
	var open, begun sync.WaitGroup
	stream := map[string]string{"Accept": "text/event-stream"}
	const most = 1000
	begun.Add(most)
	for range most {
		open.Go(func() {
			r := httptest.NewRequestWithContext(ctx, "GET", sessionsPath+"/"+s.ID+"/events", nil)
			r.RemoteAddr = "127.0.0.1:9"
			r.Header.Set("X-API-Key", testKey)
			r.Header.Set("Accept", "text/event-stream")
			cl.c.server.Handler.ServeHTTP(listenerSink{httptest.NewRecorder(), begun.Done}, r)
		})
	}
	begun.Wait()
	events := call{method: "GET", path: sessionsPath + "/" + s.ID + "/events", header: stream}
	problem(t, cl.do(events), http.StatusTooManyRequests, "too_many_streams")
	as[rest.EventList](t, cl.get(events.path), http.StatusOK) // the list needs no stream
	cancel()
	open.Wait()
	as[rest.Session](t, cl.post(cancelPath(s.ID), ""), http.StatusOK)
	if a := cl.do(events); a.status != http.StatusOK || !strings.Contains(string(a.body), "event: end") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
