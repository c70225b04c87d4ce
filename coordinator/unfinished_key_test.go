package coordinator

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// TestNoPublicKeyBeforeAllHaveSaved: as long as one member has not delivered its
// record, no answer has the key in any form, nor an address or certificate.
func TestNoPublicKeyBeforeAllHaveSaved(t *testing.T) {
	t.Parallel()
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t, "p1", "p2", "p3")
			late := cl.net.party("p3")
			late.set(script{hold: true})
			s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u","scheme":"` + string(scheme) + `"}`, header: async}), http.StatusAccepted)
			until(t, "two members have delivered", func() bool {
				n := 0
				for _, p := range cl.session(s.ID).Parties {
					if p.State == "finished" {
						n++
					}
				}
				return n == 2 && late.waiting() == 1
			})
			cl.withoutKey(t, s)
			cl.restart()
			cl.waitParties(3)
			cl.withoutKey(t, s)

			late.set(script{})
			if end := cl.ended(s.ID); end.Status != "completed" {
				t.Fatalf("session %+v, error %+v", end, end.Error)
			}
			a := as[rest.Account](t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK)
			if a.Status != "active" || a.PublicKey != hex.EncodeToString(cl.net.publicKey(scheme, s.ID)) {
				t.Errorf("account %+v", a)
			}
		})
	}
}

// withoutKey asks everything that there is to ask about a keygen.
func (cl *cluster) withoutKey(t *testing.T, s rest.Session) {
	t.Helper()
	key := cl.net.publicKey(protocol.Scheme(s.Scheme), s.ID)
	for _, path := range []string{
		accountsPath, accountsPath + "/" + s.AccountID, accountsPath + "?user_id=u", accountsPath + "/" + s.AccountID + "/signing-parties",
		sessionsPath, sessionsPath + "/" + s.ID, sessionsPath + "/" + s.ID + "/events", "/api/v1/audit", "/api/v1/approvals", "/api/v1/parties",
	} {
		a := cl.get(path)
		for _, form := range []string{hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), `"public_key"`, `"addresses"`, `"certificate"`} {
			if strings.Contains(string(a.body), form) {
				t.Errorf("%s has %s: %s", path, form, a.body)
			}
		}
	}
	problem(t, cl.post(signPath(s.AccountID), `{"message":"`+digest+`"}`), http.StatusConflict, "account_not_active")
}
