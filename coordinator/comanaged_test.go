package coordinator

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

const testJoinSecret = "a secret of more than thirty-two characters"

// newJoinable is a cluster that devices can be invited to.
func newJoinable(t testing.TB, names ...string) *cluster {
	t.Helper()
	return newClusterWith(t, func(c *Config) { c.JoinSecret = testJoinSecret }, names...)
}

func invitePath(code string) string { return "/api/v1/invites/" + code }
func joinPath(code string) string   { return invitePath(code) + "/join" }

// invite makes a session and returns it with the codes of its invites.
func (cl *cluster) invite(body string) (s rest.Session, codes []string) {
	cl.t.Helper()
	s = as[rest.Session](cl.t, cl.post(sessionsPath, body), http.StatusCreated)
	for _, i := range s.Invites {
		codes = append(codes, i.Code)
	}
	return s, codes
}

// join lets a device use a code, as a device does: without a key.
func (cl *cluster) join(p *party, session, code string) answer {
	cl.t.Helper()
	return cl.do(call{method: "POST", path: joinPath(code), body: joinBody(p, session, code), noKey: true})
}

func (cl *cluster) joined(p *party, session, code string) rest.Joined {
	cl.t.Helper()
	return as[rest.Joined](cl.t, cl.join(p, session, code), http.StatusOK)
}

// ended waits for the end of a session.
func (cl *cluster) ended(id string) (s rest.Session) {
	cl.t.Helper()
	until(cl.t, "the session has ended", func() bool {
		s = cl.session(id)
		return s.FinishedAt != nil
	})
	return s
}

// coManaged makes a 2-of-3 key of two parties and one device.
func (cl *cluster) coManaged(phone *party) rest.Account {
	cl.t.Helper()
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":2,"external_parties":1}`)
	cl.joined(phone, s.ID, codes[0])
	if s = cl.ended(s.ID); s.Status != "completed" {
		cl.t.Fatalf("keygen %+v", s.Error)
	}
	return as[rest.Account](cl.t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK)
}

func TestCoManagedKeygen(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone, tablet := cl.net.device("phone"), cl.net.device("tablet")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2,"threshold":{"t":3}}`)
	if s.Kind != "co_managed_keygen" || s.Custody != "co_managed" || s.WaitingFor != "external_parties" || s.ThresholdT != 3 || s.ThresholdN != 3 || len(codes) != 2 {
		t.Fatalf("session %+v", s)
	}
	info := as[rest.InviteInfo](t, cl.do(call{method: "GET", path: invitePath(codes[0]), noKey: true}), http.StatusOK)
	if info.SessionID != s.ID || info.Status != "open" || info.UserID != "u" || info.ThresholdT != 3 || info.Network != testNetwork {
		t.Errorf("invite %+v", info)
	}
	first := cl.joined(phone, s.ID, codes[0])
	if first.SessionID != s.ID || first.Pass != "pass for "+phone.ID() || first.Coordinator.PeerID != cl.net.ID() || first.Network.Name != testNetwork {
		t.Errorf("joined %+v", first)
	}
	waiting := cl.session(s.ID)
	if waiting.WaitingFor != "external_parties" || len(waiting.Parties) != 1 || waiting.Parties[0].State != "joined" || waiting.Parties[0].Name != "phone" {
		t.Errorf("session %+v", waiting)
	}
	if again := cl.joined(phone, s.ID, codes[0]); again.JoinToken == "" { // the answer may have been lost
		t.Errorf("joined again: %+v", again)
	}
	cl.joined(tablet, s.ID, codes[1])
	if s = cl.ended(s.ID); s.Status != "completed" || s.Fingerprint == "" || len(s.Parties) != 3 {
		t.Fatalf("session %+v", s)
	}
	for _, i := range s.Invites {
		if i.Status != "used" || i.Code != "" {
			t.Errorf("invite %+v", i)
		}
	}
	a := as[rest.Account](t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK)
	checkCertificate(t, a)
	if a.Custody != "co_managed" || a.Status != "active" {
		t.Errorf("account %+v", a)
	}
}

func TestJoinTokenAdmitsToItsSessionAlone(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone := cl.net.device("phone")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	other, _ := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1}`)
	token := map[string]string{"Authorization": "Bearer " + cl.joined(phone, s.ID, codes[0]).JoinToken}
	get := func(path string) answer { return cl.do(call{method: "GET", path: path, header: token, noKey: true}) }
	if shown := as[rest.Session](t, get(sessionsPath+"/"+s.ID), http.StatusOK); shown.ID != s.ID || slices.ContainsFunc(shown.Invites, func(i rest.Invite) bool { return i.Code != "" }) {
		t.Errorf("session %+v", shown)
	}
	for _, e := range as[rest.EventList](t, get(sessionsPath+"/"+s.ID+"/events"), http.StatusOK).Events {
		if e.Actor != nil {
			t.Errorf("the device learns who asked: %+v", e)
		}
	}
	problem(t, get(sessionsPath+"/"+other.ID), http.StatusUnauthorized, "unauthorized")
	problem(t, get(accountsPath), http.StatusUnauthorized, "unauthorized")
	problem(t, cl.do(call{method: "POST", path: sessionsPath + "/" + s.ID + "/cancel", header: token, noKey: true}), http.StatusUnauthorized, "unauthorized")
}

func TestBadJoins(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone, tablet := cl.net.device("phone"), cl.net.device("tablet")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	body := func(change func(*rest.Join)) string {
		proof := phone.Sign(protocol.JoinStatement(testNetwork, s.ID, phone.ID(), [32]byte{1}))
		j := rest.Join{PeerID: phone.ID(), Proof: base64.StdEncoding.EncodeToString(proof)}
		change(&j)
		return encode(j)
	}
	post := func(code, body string) answer {
		return cl.do(call{method: "POST", path: joinPath(code), body: body, noKey: true})
	}
	problem(t, post("mpci_nothing", joinBody(phone, s.ID, codes[0])), http.StatusNotFound, "invite_not_found")
	problem(t, cl.do(call{method: "GET", path: invitePath("mpci_nothing"), noKey: true}), http.StatusNotFound, "invite_not_found")
	for name, wrong := range map[string]string{
		"statement over another code": body(func(*rest.Join) {}),
		"another device's proof":      strings.Replace(joinBody(phone, s.ID, codes[0]), phone.ID(), tablet.ID(), 1),
		"proof for another session":   joinBody(phone, "x", codes[0]),
		"proof for another code":      joinBody(phone, s.ID, codes[1]),
		"no base64":                   body(func(j *rest.Join) { j.Proof = "!" }),
		"no peer id":                  body(func(j *rest.Join) { j.PeerID = "phone" }),
	} {
		if a := post(codes[0], wrong); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "invalid_join") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	large := rest.Join{PeerID: phone.ID(), Proof: "AAAA", DeviceInfo: map[string]any{"x": strings.Repeat("x", 5000)}}
	problem(t, post(codes[0], encode(large)), http.StatusUnprocessableEntity, "invalid_request")
	p1 := cl.net.party("p1")
	problem(t, cl.join(p1, s.ID, codes[0]), http.StatusUnprocessableEntity, "invalid_join") // a node of the network
	cl.joined(phone, s.ID, codes[0])
	problem(t, cl.join(tablet, s.ID, codes[0]), http.StatusGone, "invite_spent")
	problem(t, cl.join(phone, s.ID, codes[1]), http.StatusUnprocessableEntity, "invalid_join") // one device, two places
	cl.net.noPasses.Store(true)
	problem(t, cl.join(phone, s.ID, codes[0]), http.StatusInternalServerError, "internal_error")
}

func TestInvitesAreReplacedAndRevoked(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone := cl.net.device("phone")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	path := sessionsPath + "/" + s.ID + "/invites"
	made := as[rest.InviteList](t, cl.post(path, `{"replace":"`+s.Invites[1].ID+`"}`), http.StatusCreated).Invites
	if len(made) != 1 || made[0].Code == "" || slices.Contains(codes, made[0].Code) {
		t.Fatalf("invites %+v", made)
	}
	problem(t, cl.join(phone, s.ID, codes[1]), http.StatusGone, "invite_spent")
	if info := as[rest.InviteInfo](t, cl.get(invitePath(codes[1])), http.StatusOK); info.Status != "revoked" {
		t.Errorf("invite %+v", info)
	}
	as[rest.InviteList](t, cl.post(path, ""), http.StatusCreated) // the oldest open one goes
	problem(t, cl.join(phone, s.ID, codes[0]), http.StatusGone, "invite_spent")
	cl.joined(phone, s.ID, made[0].Code)
	problem(t, cl.post(path, `{"replace":"`+made[0].ID+`"}`), http.StatusNotFound, "invite_not_found") // it is used
	problem(t, cl.post(path, `{"replace":"nothing"}`), http.StatusNotFound, "invite_not_found")
	problem(t, cl.post(sessionsPath+"/none/invites", ""), http.StatusNotFound, "session_not_found")
	var last answer
	for range 20 {
		if last = cl.post(path, ""); last.status != http.StatusCreated {
			break
		}
	}
	problem(t, last, http.StatusConflict, "session_not_waiting") // a session does not grow for ever
	as[rest.Session](t, cl.post(sessionsPath+"/"+s.ID+"/cancel", ""), http.StatusOK)
	problem(t, cl.post(path, ""), http.StatusConflict, "session_not_waiting")
	for _, i := range cl.session(s.ID).Invites {
		if i.Status == "open" {
			t.Errorf("invite %+v of a session that has ended", i)
		}
	}
}

func TestInvitingHasToBeConfigured(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	phone := cl.net.device("phone")
	problem(t, cl.post(sessionsPath, `{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1}`), http.StatusConflict, "not_configured")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	problem(t, cl.post(sessionsPath+"/"+a.KeygenSessionID+"/invites", ""), http.StatusConflict, "not_configured")
	problem(t, cl.do(call{method: "POST", path: joinPath("mpci_x"), body: joinBody(phone, "s", "mpci_x"), noKey: true}), http.StatusConflict, "not_configured")
}

func TestBadSessions(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	for body, code := range map[string]string{
		`{"user_id":"u"}`:                                               "invalid_request",
		`{"kind":"keygen"}`:                                             "invalid_request",
		`{"kind":"refresh"}`:                                            "invalid_request",
		`{"kind":"sign","message":"00"}`:                                "invalid_request",
		`{"kind":"sign","account_id":"` + a.ID + `"}`:                   "invalid_request",
		`{"kind":"keygen","user_id":"u","expires_in":9}`:                "invalid_request",
		`{"kind":"keygen","user_id":"u","expires_in":604801}`:           "invalid_request",
		`{"kind":"keygen","user_id":"u","external_parties":1}`:          "invalid_request",
		`{"kind":"keygen","user_id":"u","server_parties":1}`:            "invalid_request",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":2}`: "invalid_request",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1,"open_user_slot":true}`:                   "invalid_request",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1,"expires_in":90000}`:                      "invalid_request",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1,"threshold":{"t":2,"n":3}}`:               "invalid_threshold",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1,"threshold":{"t":3}}`:                     "invalid_threshold",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":0,"external_parties":1}`:                                         "invalid_threshold",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":2,"external_parties":1,"parties":["p1"]}`:                        "invalid_threshold",
		`{"kind":"co_managed_keygen","user_id":"u","server_parties":2,"external_parties":1,"parties":["p1","p9"]}`:                   "unknown_party",
		`{"kind":"keygen","user_id":"u","approvers":{"m":1,"keys":["x"]}}`:                                                           "invalid_approvers",
		`{"kind":"sign","account_id":"` + a.ID + `","message":"zz"}`:                                                                 "malformed_message",
		`{"kind":"sign","account_id":"` + a.ID + `","message":"00"}`:                                                                 "invalid_payload",
		`{"kind":"sign","account_id":"` + a.ID + `","message":"` + digest + `","user_share":"mpcshare-plain-1.AA"}`:                  "bad_user_share",
		`{"kind":"sign","account_id":"` + a.ID + `","message":"` + digest + `","approvals":["a.b.c"]}`:                               "invalid_approval",
		`{"kind":"sign","account_id":"` + a.ID + `","message":"` + digest + `","request_id":"01890A5D-AC96-774B-BCCE-B302099A8057"}`: "invalid_approval",
	} {
		if got := cl.post(sessionsPath, body); got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), `"`+code+`"`) {
			t.Errorf("%s: %d %s; want %s", body, got.status, got.body, code)
		}
	}
	problem(t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","threshold":{"t":2,"n":4}}`), http.StatusConflict, "pool_too_small")
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"nobody","message":"`+digest+`"}`), http.StatusNotFound, "account_not_found")
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+a.ID+`","message":"`+digest+`","external_parties":1}`), http.StatusConflict, "signing_parties_conflict")
	s := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+a.ID+`","message":"`+digest+`"}`), http.StatusCreated)
	if s = cl.ended(s.ID); s.Status != "completed" || s.Signature == nil {
		t.Errorf("session %+v", s)
	}
}

func TestSigningWithUsersDevices(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone, stranger := cl.net.device("phone"), cl.net.device("stranger")
	a := cl.coManaged(phone)
	checkECDSA(t, as[rest.SignResult](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusOK)) // the parties are enough
	s, codes := cl.invite(`{"kind":"sign","account_id":"` + a.ID + `","message":"` + digest + `","external_parties":1}`)
	if s.WaitingFor != "external_parties" || len(codes) != 1 {
		t.Fatalf("session %+v", s)
	}
	info := as[rest.InviteInfo](t, cl.do(call{method: "GET", path: invitePath(codes[0]), noKey: true}), http.StatusOK)
	if info.Kind != "sign" || info.Digest != digest || info.PublicKey != a.PublicKey {
		t.Errorf("invite %+v", info)
	}
	problem(t, cl.join(stranger, s.ID, codes[0]), http.StatusUnprocessableEntity, "invalid_join")
	cl.joined(phone, s.ID, codes[0])
	if s = cl.ended(s.ID); s.Status != "completed" || !slices.ContainsFunc(s.Parties, func(p rest.SessionParty) bool { return p.Role == "external" }) {
		t.Errorf("session %+v", s)
	}
	cl.net.party("p1").set(script{dead: true})
	cl.net.party("p2").set(script{dead: true})
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+a.ID+`","message":"`+digest+`","external_parties":2}`), http.StatusConflict, "signing_parties_conflict")
}

func TestSigningThatNeedsDevicesSaysSo(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone := cl.net.device("phone")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1}`)
	cl.joined(phone, s.ID, codes[0])
	account := cl.ended(s.ID).AccountID
	problem(t, cl.post(signPath(account), `{"message":"`+digest+`"}`), http.StatusConflict, "external_parties_needed")
	s, codes = cl.invite(`{"kind":"sign","account_id":"` + account + `","message":"` + digest + `"}`)
	cl.joined(phone, s.ID, codes[0])
	if s = cl.ended(s.ID); s.Status != "completed" {
		t.Errorf("session %+v", s)
	}
	cl.stop()
	cl.cfg.JoinSecret = ""
	cl.start()
	cl.waitParties(2)
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+account+`","message":"`+digest+`"}`), http.StatusConflict, "not_configured")
}

func TestPersonWhoDeclinesEndsTheSession(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone := cl.net.device("phone")
	phone.set(script{refuse: protocol.CodeDeclined})
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":2,"external_parties":1}`)
	cl.joined(phone, s.ID, codes[0])
	if s = cl.ended(s.ID); s.Status != "failed" || s.Error.Code != "party_refused" || len(s.Error.Parties) != 1 || s.Error.Parties[0].Code != "declined" {
		t.Errorf("session %+v", s)
	}
	problem(t, cl.join(phone, s.ID, codes[0]), http.StatusGone, "invite_spent")
}
