package coordinator

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

func presignPath(account string) string { return accountsPath + "/" + account + "/presign" }

func (cl *cluster) presign(method, account, body string) answer {
	cl.t.Helper()
	return cl.do(call{method: method, path: presignPath(account), body: body})
}

// presigned returns what is shown of an account's presignatures.
func (cl *cluster) presigned(account string) rest.Presigning {
	cl.t.Helper()
	return as[rest.Presigning](cl.t, cl.presign("GET", account, ""), http.StatusOK)
}

func TestPresignSetting(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.PresignTarget = 2 }, "p1", "p2", "p3")
	asks := cl.account(`{"user_id":"u","presign":{"target":3,"ttl":7200}}`)
	if p := asks.Presign; p == nil || !p.Set || p.Target != 3 || p.TTL != 7200 {
		t.Errorf("a new account that asks for presignatures: %+v", p)
	}
	plain := cl.account(`{"user_id":"u"}`)
	for _, step := range []struct {
		method, body string
		want         rest.Presigning
	}{
		{"GET", "", rest.Presigning{Target: 2, TTL: 3600}},
		{"PUT", `{"target":7,"ttl":60}`, rest.Presigning{Set: true, Target: 7, TTL: 60}},
		{"PUT", `{"target":7,"ttl":60}`, rest.Presigning{Set: true, Target: 7, TTL: 60}},
		{"GET", "", rest.Presigning{Set: true, Target: 7, TTL: 60}},
		{"PUT", `{"target":0}`, rest.Presigning{Set: true, TTL: 3600}},
		{"PUT", `{"target":256,"ttl":86400}`, rest.Presigning{Set: true, Target: 256, TTL: 86400}},
		{"DELETE", "", rest.Presigning{Target: 2, TTL: 3600}},
		{"DELETE", "", rest.Presigning{Target: 2, TTL: 3600}},
		{"PUT", `{"target":1}`, rest.Presigning{Set: true, Target: 1, TTL: 3600}},
	} {
		got := as[rest.Presigning](t, cl.presign(step.method, plain.ID, step.body), http.StatusOK)
		got.Stock = 0 // that takes its time
		if got != step.want {
			t.Errorf("%s %s: %+v, want %+v", step.method, step.body, got, step.want)
		}
	}
	cl.restart()
	cl.waitParties(3)
	shown := as[rest.Account](t, cl.get(accountsPath+"/"+plain.ID), http.StatusOK)
	if p := shown.Presign; p == nil || !p.Set || p.Target != 1 {
		t.Errorf("after a restart: %+v", p)
	}
	audit := as[rest.AuditList](t, cl.get("/api/v1/audit?type=account.presign&account="+plain.ID), http.StatusOK)
	if len(audit.Entries) != 7 || audit.Entries[0].Actor == nil || audit.Entries[0].AccountID != plain.ID || audit.Entries[0].SessionID != "" {
		t.Errorf("the audit log has %+v", audit.Entries)
	}
}

func TestBadPresignSettings(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	eddsa := cl.account(`{"user_id":"u","scheme":"eddsa-ed25519"}`)
	for body, status := range map[string]int{
		`{"target":-1}`: 422, `{"target":257}`: 422, `{"target":1.5}`: 422, `{"target":"1"}`: 422, `{}`: 422, `{"ttl":60}`: 422,
		`{"target":1,"ttl":59}`: 422, `{"target":1,"ttl":86401}`: 422, `{"target":1,"ttl":"1h"}`: 422, `{"target":1,"x":1}`: 422,
		`{"target":`: 400, ``: 400,
	} {
		problem(t, cl.presign("PUT", a.ID, body), status, map[int]string{400: "malformed_json", 422: "invalid_request"}[status])
		if status == 422 {
			problem(t, cl.post(accountsPath, `{"user_id":"u","presign":`+body+`}`), status, "invalid_request")
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		body := map[string]string{"PUT": `{"target":1}`}[method]
		problem(t, cl.presign(method, "nobody", body), http.StatusNotFound, "account_not_found")
	}
	problem(t, cl.presign("PUT", eddsa.ID, `{"target":1}`), http.StatusUnprocessableEntity, "invalid_presign")
	problem(t, cl.post(accountsPath, `{"user_id":"u","scheme":"eddsa-ed25519","presign":{"target":1}}`), http.StatusUnprocessableEntity, "invalid_presign")
	problem(t, cl.post(accountsPath, `{"user_id":"u","threshold":{"t":2,"n":2},"user_share":true,"presign":{"target":1}}`), http.StatusUnprocessableEntity, "invalid_presign")
	as[rest.Presigning](t, cl.presign("PUT", eddsa.ID, `{"target":0}`), http.StatusOK) // as it is
	if shown := as[rest.Account](t, cl.get(accountsPath+"/"+eddsa.ID), http.StatusOK); shown.Presign != nil {
		t.Errorf("an EdDSA account shows %+v", shown.Presign)
	}
	cl.net.all(script{mute: true})
	s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: async}), http.StatusAccepted)
	problem(t, cl.presign("PUT", s.AccountID, `{"target":1}`), http.StatusConflict, "account_not_active")
	problem(t, cl.presign("DELETE", s.AccountID, ""), http.StatusConflict, "account_not_active")
}

// TestPresignedSigningOverHTTP: what callers see of presignatures.
func TestPresignedSigningOverHTTP(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.MetricsListen = "127.0.0.1:0" }, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u","presign":{"target":2}}`)
	until(t, "two presignatures wait", func() bool { return cl.presigned(a.ID).Stock == 2 })
	until(t, "heartbeats tell of them", func() bool {
		held := 0
		for _, p := range as[rest.PartyList](t, cl.get("/api/v1/parties"), http.StatusOK).Parties {
			held += p.Presignatures
		}
		return held == 4
	})
	var res rest.SignResult
	signings, presigned := 0, 0
	until(t, "a presignature is used at once", func() bool { // parties that a busy machine keeps from it sign with all rounds
		res = as[rest.SignResult](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusOK)
		s := cl.session(res.SessionID)
		signings++
		if s.Presigned {
			presigned++
		}
		return s.Presigned && s.Attempt == 1
	})
	for _, e := range cl.events(res.SessionID) {
		if strings.Contains(e.Type, "presign") {
			t.Errorf("event %+v", e)
		}
	}
	if list := as[rest.SessionList](t, cl.get(sessionsPath), http.StatusOK).Sessions; len(list) != 1+signings {
		t.Errorf("%d sessions: presignings are none of the API", len(list))
	}
	ready := as[rest.Ready](t, cl.do(call{method: "GET", path: "/ready", noKey: true}), http.StatusOK)
	if ready.Stock != (rest.Stock{Min: 3, Total: 9}) {
		t.Errorf("pre-parameters %+v", ready.Stock)
	}
	scraped, err := cl.http.Get("http://" + cl.c.MetricsAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer scraped.Body.Close() // read to the end
	data, err := io.ReadAll(scraped.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	var used, missed int
	for name, n := range map[string]*int{"mpc_presignatures_used_total": &used, "mpc_presignatures_missed_total": &missed} {
		_, after, _ := strings.Cut(text, "\n"+name+" ")
		if _, err := fmt.Sscan(after, n); err != nil {
			t.Errorf("the metrics lack %s: %v", name, err)
		}
	}
	if used-missed != presigned || used > signings {
		t.Errorf("%d presignatures used, %d missed by %d signings, of which %d used one to the end", used, missed, signings, presigned)
	}
	if line := `mpc_party_preparameters{party="p2",peer_id="` + cl.net.party("p2").ID() + `"} 3`; !strings.Contains(text, "\n"+line+"\n") {
		t.Errorf("the metrics lack %s", line)
	}
}
