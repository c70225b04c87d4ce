package coordinator

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// approver is a person with a key.
type approver struct {
	key  crypto.Signer
	spki []byte
}

func newApprover(t testing.TB) approver { return approverWith(t, newIdentity(t).key) }

func newP256Approver(t testing.TB) approver {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return approverWith(t, key)
}

func approverWith(t testing.TB, key crypto.Signer) approver {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return approver{key, spki}
}

func (a approver) id() string  { return protocol.ApproverID(a.spki) }
func (a approver) der() string { return base64.StdEncoding.EncodeToString(a.spki) }
func (a approver) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: a.spki}))
}

// approversOf is the field approvers of a request.
func approversOf(m int, list ...approver) string {
	b := rest.Approvers{M: m}
	for _, a := range list {
		b.Keys = append(b.Keys, a.der())
	}
	return encode(b)
}

// approval makes a token over claims; change may alter them.
func (a approver) approval(t testing.TB, c rest.ApprovalClaims, change func(*protocol.Approval)) string {
	t.Helper()
	claims := protocol.Approval{
		Network: c.Audience, Operation: protocol.Kind(c.Operation), Account: c.Subject, Key: c.Key, Epoch: c.Epoch, Path: c.Path, Digest: c.Digest, Request: c.JTI,
		NotBefore: time.Now().Unix(), Expires: time.Now().Add(time.Hour).Unix(),
	}
	if change != nil {
		change(&claims)
	}
	token, err := protocol.SignApproval(a.key, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// pending finds a session among those that wait for approvals.
func (cl *cluster) pending(session string) rest.PendingApproval {
	cl.t.Helper()
	list := as[rest.ApprovalList](cl.t, cl.get("/api/v1/approvals?limit=200"), http.StatusOK).Approvals
	i := slices.IndexFunc(list, func(p rest.PendingApproval) bool { return p.SessionID == session })
	if i < 0 {
		cl.t.Fatalf("session %s does not wait: %+v", session, list)
	}
	return list[i]
}

// approve makes an approval of a waiting session by its claims.
func (a approver) approve(cl *cluster, session string) string {
	cl.t.Helper()
	s := cl.session(session)
	account := as[rest.Account](cl.t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK)
	return a.approval(cl.t, claimsOf(account, session), nil)
}

// claimsOf are the claims for a request over digest.
func claimsOf(a rest.Account, session string) rest.ApprovalClaims {
	return rest.ApprovalClaims{
		Audience: testNetwork, Operation: "sign", Subject: a.ID, Key: a.KeygenSessionID, Path: []uint32{}, Digest: digest, JTI: session,
	}
}

func approvePath(session string) string { return sessionsPath + "/" + session + "/approvals" }

func TestApprovalsOneByOne(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ann, ben, cem := newApprover(t), newP256Approver(t), newApprover(t)
	a := cl.account(`{"user_id":"u","approvers":` + approversOf(2, ann, ben, cem) + `}`)
	ids := []string{ann.id(), ben.id(), cem.id()}
	slices.Sort(ids)
	if a.Approval.By != "approvers" || a.Approval.M != 2 || !slices.Equal(a.Approval.Keys, ids) {
		t.Fatalf("approval %+v", a.Approval)
	}
	got := cl.post(signPath(a.ID), `{"message":"`+digest+`"}`)
	s := as[rest.Session](t, got, http.StatusAccepted)
	if s.WaitingFor != "approvals" || got.header.Get("Location") != sessionsPath+"/"+s.ID || got.header.Get("Preference-Applied") != "" {
		t.Fatalf("session %+v, headers %v", s, got.header)
	}
	p := cl.pending(s.ID)
	if p.Needed != 2 || len(p.Approved) != 0 || p.Message != digest || p.Claims.Digest != digest || p.Claims.JTI != s.ID || p.UserID != "u" {
		t.Errorf("pending %+v", p)
	}
	post := func(tokens ...string) answer {
		return cl.post(approvePath(s.ID), encode(rest.Approvals{Approvals: tokens}))
	}
	first := ann.approval(t, p.Claims, nil)
	for range 2 { // the same once more changes nothing
		if shown := as[rest.Session](t, post(first), http.StatusOK); shown.Status != "created" || !slices.Equal(shown.Approved, []string{ann.id()}) {
			t.Fatalf("session %+v", shown)
		}
	}
	if shown := as[rest.Session](t, post(ann.approval(t, p.Claims, func(c *protocol.Approval) { c.Expires++ })), http.StatusOK); shown.Status != "created" {
		t.Fatal("two approvals of one person were enough")
	}
	if again := cl.pending(s.ID); !slices.Equal(again.Approved, []string{ann.id()}) {
		t.Errorf("pending %+v", again)
	}
	as[rest.Session](t, post(ben.approval(t, p.Claims, nil)), http.StatusOK)
	if s = cl.ended(s.ID); s.Status != "completed" || s.Signature == nil || len(s.Approved) != 2 {
		t.Errorf("session %+v", s)
	}
	problem(t, post(first), http.StatusConflict, "session_finished")
	if list := as[rest.ApprovalList](t, cl.get("/api/v1/approvals"), http.StatusOK); len(list.Approvals) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestApprovalsWithTheRequest(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ann, ben := newApprover(t), newApprover(t)
	a := cl.account(`{"user_id":"u","approvers":` + approversOf(2, ann, ben) + `}`)
	id := uuid.NewString()
	claims := claimsOf(a, id)
	body := encode(rest.SignBody{Message: digest, RequestID: id, Approvals: []string{ann.approval(t, claims, nil), ben.approval(t, claims, nil)}})
	res := as[rest.SignResult](t, cl.post(signPath(a.ID), body), http.StatusOK)
	checkECDSA(t, res)
	if res.SessionID != id {
		t.Errorf("session %s, not %s", res.SessionID, id)
	}
	problem(t, cl.post(signPath(a.ID), body), http.StatusConflict, "request_id_used")
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+a.ID+`","message":"`+digest+`","request_id":"`+id+`"}`), http.StatusConflict, "request_id_used")
}

func TestBadApprovals(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ann, eve := newApprover(t), newApprover(t)
	a := cl.account(`{"user_id":"u","approvers":` + approversOf(1, ann) + `}`)
	plain := cl.account(`{"user_id":"u"}`)
	s := as[rest.Session](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	claims := cl.pending(s.ID).Claims
	hour := int64(3600)
	bad := map[string]string{
		"junk":            "junk",
		"another key":     eve.approval(t, claims, nil),
		"expired":         ann.approval(t, claims, func(c *protocol.Approval) { c.NotBefore -= 2 * hour; c.Expires -= 2 * hour }),
		"not yet valid":   ann.approval(t, claims, func(c *protocol.Approval) { c.NotBefore += hour / 2 }),
		"too long a life": ann.approval(t, claims, func(c *protocol.Approval) { c.Expires += 30 * hour }),
		"network":         ann.approval(t, claims, func(c *protocol.Approval) { c.Network = "other" }),
		"operation":       ann.approval(t, claims, func(c *protocol.Approval) { c.Operation = "reshare" }),
		"account":         ann.approval(t, claims, func(c *protocol.Approval) { c.Account = plain.ID }),
		"key":             ann.approval(t, claims, func(c *protocol.Approval) { c.Key = plain.KeygenSessionID }),
		"epoch":           ann.approval(t, claims, func(c *protocol.Approval) { c.Epoch++ }),
		"path":            ann.approval(t, claims, func(c *protocol.Approval) { c.Path = []uint32{1} }),
		"digest":          ann.approval(t, claims, func(c *protocol.Approval) { c.Digest = "00" + c.Digest[2:] }),
		"session":         ann.approval(t, claims, func(c *protocol.Approval) { c.Request = plain.ID }),
	}
	good := ann.approval(t, claims, nil)
	bad["signature"] = good[:len(good)-4] + "AAAA"
	for name, token := range bad {
		for _, tokens := range [][]string{{token}, {good, token}} { // all count, or none
			got := cl.post(approvePath(s.ID), encode(rest.Approvals{Approvals: tokens}))
			if got.status != http.StatusUnprocessableEntity || !bytes.Contains(got.body, []byte("invalid_approval")) {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		id := uuid.NewString()
		if name != "session" {
			continue
		}
		problem(t, cl.post(signPath(a.ID), encode(rest.SignBody{Message: digest, RequestID: id, Approvals: []string{token}})), http.StatusUnprocessableEntity, "invalid_approval")
	}
	if p := cl.pending(s.ID); len(p.Approved) != 0 {
		t.Errorf("pending %+v", p)
	}
	problem(t, cl.post(signPath(a.ID), encode(rest.SignBody{Message: digest, Approvals: []string{good}})), http.StatusUnprocessableEntity, "invalid_approval") // no request_id
	id := uuid.NewString()
	problem(t, cl.post(signPath(plain.ID), encode(rest.SignBody{Message: digest, RequestID: id, Approvals: []string{ann.approval(t, claimsOf(plain, id), nil)}})), http.StatusUnprocessableEntity, "invalid_approval")
	problem(t, cl.post(approvePath("none"), encode(rest.Approvals{Approvals: []string{good}})), http.StatusNotFound, "session_not_found")
	problem(t, cl.post(approvePath(a.KeygenSessionID), encode(rest.Approvals{Approvals: []string{good}})), http.StatusConflict, "session_finished")
	open := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	problem(t, cl.post(approvePath(open.ID), encode(rest.Approvals{Approvals: []string{good}})), http.StatusConflict, "session_not_waiting")
	problem(t, cl.post(approvePath(s.ID), `{"approvals":[]}`), http.StatusUnprocessableEntity, "invalid_request")
	as[rest.Session](t, cl.post(approvePath(s.ID), encode(rest.Approvals{Approvals: []string{good}})), http.StatusOK)
	if s = cl.ended(s.ID); s.Status != "completed" {
		t.Errorf("session %+v", s)
	}
}

// TestCoordinatorAmongTheApprovers: its own approval counts by itself.
func TestCoordinatorAmongTheApprovers(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ann, own := newApprover(t), approverWith(t, cl.cfg.Approver)
	both := cl.account(`{"user_id":"u","approvers":` + approversOf(2, ann, own) + `}`)
	s := as[rest.Session](t, cl.post(signPath(both.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	as[rest.Session](t, cl.post(approvePath(s.ID), encode(rest.Approvals{Approvals: []string{ann.approve(cl, s.ID)}})), http.StatusOK)
	if s = cl.ended(s.ID); s.Status != "completed" {
		t.Errorf("session %+v", s)
	}
	either := cl.account(`{"user_id":"u","approvers":` + approversOf(1, ann, own) + `}`)
	if either.Approval.By != "approvers" {
		t.Errorf("approval %+v", either.Approval)
	}
	as[rest.SignResult](t, cl.post(signPath(either.ID), `{"message":"`+digest+`"}`), http.StatusOK)
}

func TestApproverKeysAreReadFromDERAndPEM(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ann, ben := newApprover(t), newP256Approver(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := cl.account(encode(rest.CreateAccount{UserID: "u", Approvers: &rest.Approvers{M: 1, Keys: []string{ann.pem(), ben.der()}}}))
	if !slices.Contains(a.Approval.Keys, ann.id()) || !slices.Contains(a.Approval.Keys, ben.id()) {
		t.Errorf("approval %+v", a.Approval)
	}
	for name, bad := range map[string]rest.Approvers{
		"m above the keys":   {M: 2, Keys: []string{ann.der()}},
		"m of 0":             {M: 0, Keys: []string{ann.der()}},
		"negative m":         {M: -1, Keys: []string{ann.der()}},
		"a key twice":        {M: 1, Keys: []string{ann.der(), ann.pem()}},
		"no base64":          {M: 1, Keys: []string{"!"}},
		"no key":             {M: 1, Keys: []string{"AAAA"}},
		"an unknown curve":   {M: 1, Keys: []string{approverWith(t, p384).der()}},
		"a private PEM":      {M: 1, Keys: []string{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}},
		"a PEM that is torn": {M: 1, Keys: []string{ann.pem()[:60]}},
		"bytes after DER":    {M: 1, Keys: []string{base64.StdEncoding.EncodeToString(append(bytes.Clone(ann.spki), 0))}},
	} {
		got := cl.post(accountsPath, encode(rest.CreateAccount{UserID: "u", Approvers: &bad}))
		if got.status != http.StatusUnprocessableEntity || !bytes.Contains(got.body, []byte("invalid_approvers")) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	problem(t, cl.post(accountsPath, `{"user_id":"u","approvers":{"m":1,"keys":[]}}`), http.StatusUnprocessableEntity, "invalid_request")
}

// TestDevicesAndApprovalsTogether: a signing with users' devices waits for them
// and for approvals, in either order.
func TestDevicesAndApprovalsTogether(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	phone, ann := cl.net.device("phone"), newApprover(t)
	key, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1,"approvers":` + approversOf(1, ann) + `}`)
	cl.joined(phone, key.ID, codes[0])
	account := cl.ended(key.ID).AccountID
	for _, approvedFirst := range []bool{true, false} {
		s, codes := cl.invite(`{"kind":"sign","account_id":"` + account + `","message":"` + digest + `"}`)
		approve := func() {
			as[rest.Session](t, cl.post(approvePath(s.ID), encode(rest.Approvals{Approvals: []string{ann.approve(cl, s.ID)}})), http.StatusOK)
		}
		if approvedFirst {
			approve()
			if shown := cl.session(s.ID); shown.WaitingFor != "external_parties" || len(shown.Approved) != 1 {
				t.Errorf("session %+v", shown)
			}
		}
		cl.joined(phone, s.ID, codes[0])
		if !approvedFirst {
			if shown := cl.session(s.ID); shown.WaitingFor != "approvals" {
				t.Errorf("session %+v", shown)
			}
			approve()
		}
		if s = cl.ended(s.ID); s.Status != "completed" {
			t.Errorf("approved first %v: session %+v", approvedFirst, s)
		}
	}
}

func TestListOfApprovalsIsPagedAndFiltered(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	ann := newApprover(t)
	a := cl.account(`{"user_id":"u","approvers":` + approversOf(1, ann) + `}`)
	b := cl.account(`{"user_id":"u","approvers":` + approversOf(1, ann) + `}`)
	var want []string
	for i := range 5 {
		account := []string{a.ID, b.ID}[i%2]
		s := as[rest.Session](t, cl.post(signPath(account), `{"message":"`+digest+`"}`), http.StatusAccepted)
		want = append([]string{s.ID}, want...)
	}
	var got []string
	for cursor := ""; ; {
		page := as[rest.ApprovalList](t, cl.get("/api/v1/approvals?limit=2&cursor="+cursor), http.StatusOK)
		for _, p := range page.Approvals {
			got = append(got, p.SessionID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if list := as[rest.ApprovalList](t, cl.get("/api/v1/approvals?account_id="+b.ID), http.StatusOK); len(list.Approvals) != 2 {
		t.Errorf("of one account: %+v", list)
	}
	problem(t, cl.get("/api/v1/approvals?cursor=x"), http.StatusUnprocessableEntity, "invalid_cursor")
}
