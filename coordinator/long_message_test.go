package coordinator

import (
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestLongMessagesAreShownOneByOne signs a long and a short message and looks at
// them in every way there is, also after a restart.
func TestLongMessagesAreShownOneByOne(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for _, c := range []struct{ scheme, hash string }{{"ecdsa-secp256k1", "sha256"}, {"eddsa-ed25519", "none"}} {
		a := cl.account(`{"user_id":"u","scheme":"` + c.scheme + `"}`)
		sign := func(text, key string) rest.SignResult {
			body := encode(rest.SignBody{Message: text, Encoding: "utf8", Hash: c.hash})
			return as[rest.SignResult](t, cl.once(key, signPath(a.ID), body), http.StatusOK)
		}
		long, short := strings.Repeat("m", 3000), "short"
		first, second := sign(long, "long "+c.scheme), sign(short, "short "+c.scheme)
		check := func() {
			for text, want := range map[string]rest.SignResult{long: first, short: second} {
				if want.Message != hex.EncodeToString([]byte(text)) || want.Digest == "" {
					t.Errorf("%s: result %+v", c.scheme, want)
				}
				s := cl.session(want.SessionID)
				if s.Message != want.Message || s.Digest != want.Digest || s.Hash != c.hash || s.Fingerprint == "" {
					t.Errorf("%s: session %+v", c.scheme, s)
				}
				if _, last, err := cl.listen(t.Context(), want.SessionID, testKey, func() {}); err != nil || last.Message != want.Message {
					t.Errorf("%s: the stream ends with %+v, %v", c.scheme, last, err)
				}
				for _, listed := range as[rest.SessionList](t, cl.get(sessionsPath+"?kind=sign&account_id="+a.ID), http.StatusOK).Sessions {
					if listed.ID != want.SessionID {
						continue
					}
					if left := len(text) > 256; (listed.Message == "") != left || listed.Fingerprint != s.Fingerprint || listed.Status != "completed" {
						t.Errorf("%s: listed as %+v", c.scheme, listed)
					}
				}
			}
		}
		check()
		cl.restart()
		check()
		cl.waitParties(3)
		if again := sign(long, "long "+c.scheme); again.Message != first.Message || again.SessionID != first.SessionID {
			t.Errorf("%s: again %+v", c.scheme, again)
		}
	}
}
