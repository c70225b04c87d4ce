package e2e

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// liar is a coordinator that is not honest: it has keys made otherwise than it was
// asked to, and shows something else. Real parties make the keys, and what their
// certificates say is out of its reach.
type liar struct {
	*httptest.Server
	ask  func(*rest.CreateAccount) // changes what it is asked for; nil: honest
	show func(*rest.Account)       // changes what it shows
}

func newLiar(t *testing.T, c *cluster.Cluster) *liar {
	t.Helper()
	honest, err := url.Parse(c.API.URL)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(honest) },
		ModifyResponse: l.answer,
	}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.ask != nil && r.Method == http.MethodPost && r.URL.Path == "/api/v1/accounts" {
			if err := replace(&r.Body, &r.ContentLength, l.ask); err != nil {
				t.Error(err)
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *liar) answer(r *http.Response) error {
	if l.show == nil || r.StatusCode >= 300 || !strings.HasPrefix(r.Request.URL.Path, "/api/v1/accounts") || strings.HasSuffix(r.Request.URL.Path, "/sign") {
		return nil
	}
	err := replace(&r.Body, &r.ContentLength, l.show)
	r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	return err
}

// replace changes a JSON body.
func replace[T any](body *io.ReadCloser, length *int64, change func(*T)) error {
	v := new(T)
	if err := json.NewDecoder(*body).Decode(v); err != nil {
		return err
	}
	change(v)
	data, err := json.Marshal(v)
	*body, *length = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	return err
}

// approverOf makes an approver's key pair and returns the public key in base64
// DER, and the file that has it.
func approverOf(t *testing.T, u *terminal, name string) (key, file string) {
	t.Helper()
	file = filepath.Join(u.dir, name)
	made := decode[struct {
		PublicKey string `json:"public_key"`
	}](u, "keygen-approver", "--out", file)
	return made.PublicKey, file + ".pub"
}

// claim says of an account that this key approves for it.
func claim(t *testing.T, a *rest.Account, key string) {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	a.Approval = rest.Approval{By: "approvers", M: 1, Keys: []string{protocol.ApproverID(der)}, PublicKeys: []string{key}}
}

// approversHash is the hash of one approver as the API shows it.
func approversHash(t *testing.T, key string) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	approvers := protocol.Approvers{M: 1, Keys: [][]byte{der}}
	hash := approvers.Hash()
	return hex.EncodeToString(hash[:])
}

// TestCoordinatorThatSwapsTheApprovers: it has the key made for an approver of its
// own, with whom it could sign anything, and claims that it is the user's. The
// certificate, which all members have signed, says otherwise.
func TestCoordinatorThatSwapsTheApprovers(t *testing.T) {
	c := shared(t, cluster.QUIC)
	u := newTerminal(t, c)
	mine, myFile := approverOf(t, u, "mine.pem")
	theirs, _ := approverOf(t, u, "theirs.pem")
	l := newLiar(t, c)
	sdk := clientOf(t, c, l.URL)
	req := rest.CreateAccount{UserID: t.Name(), Scheme: cluster.EdDSA, Approvers: &rest.Approvers{M: 1, Keys: []string{mine}}}

	l.ask = func(r *rest.CreateAccount) { r.Approvers.Keys = []string{theirs} }
	for name, show := range map[string]func(*rest.Account){
		"it claims the user's":            func(a *rest.Account) { claim(t, a, mine) },
		"it shows its own":                nil,
		"it claims the coordinator's key": func(a *rest.Account) { a.Approval = rest.Approval{By: "coordinator", M: 1} },
		"and the certificate's hash": func(a *rest.Account) {
			claim(t, a, mine)
			a.Certificate.Approvers = approversHash(t, mine)
		},
	} {
		l.show = show
		a, err := sdk.CreateAccount(waiting(t), req)
		if !errors.Is(err, client.ErrVerification) || a != nil {
			t.Errorf("%s: account %+v, %v", name, a, err)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "approvers") {
			t.Errorf("%s: the error does not say what happened: %v", name, err)
		}
	}

	l.show = func(a *rest.Account) { claim(t, a, mine) }
	create := []string{"account", "create", "alice", "--scheme", cluster.EdDSA, "--approver", myFile, "--url", l.URL}
	refused := u.run(5, create...)
	if !strings.Contains(refused.Stderr, "DO NOT USE the answer") || !strings.Contains(refused.Stderr, "approvers") || len(refused.Stdout) > 0 {
		t.Errorf("mpcctl printed %s%s", refused.Stdout, refused.Stderr)
	}
	for _, file := range shownBy(t, c, u, l) {
		u.run(5, "certificate", "verify", file, "--approver", myFile)
	}

	l.ask, l.show = nil, nil
	if a, err := sdk.CreateAccount(waiting(t), req); err != nil || a.Approval.By != "approvers" || a.Certificate.Approvers != approversHash(t, mine) {
		t.Errorf("control: the honest coordinator: %+v, %v", a, err)
	}
	u.run(0, create...)
	for _, file := range shownBy(t, c, u, l) {
		out := u.run(0, "certificate", "verify", file, "--approver", myFile, "--network", cluster.Network, "--threshold", "2-of-3")
		if !strings.Contains(string(out.Stdout), "the ones that were named") {
			t.Errorf("certificate verify printed %s", out.Stdout)
		}
	}
}

// shownBy writes what a coordinator shows of alice's newest account into files:
// the account, and its certificate alone.
func shownBy(t *testing.T, c *cluster.Cluster, u *terminal, l *liar) []string {
	t.Helper()
	a, err := clientOf(t, c, c.API.URL).AccountPage(waiting(t), "alice", client.Page{Limit: 1})
	if err != nil || len(a.Accounts) != 1 {
		t.Fatalf("accounts %+v, %v", a, err)
	}
	made := a.Accounts[0]
	certificate := u.file("certificate", made.Certificate.Encoded)
	if l.show != nil {
		l.show(&made)
	}
	return []string{u.file("account.json", string(mustJSON(t, made))), certificate}
}

// clientOf is the SDK with what the operator knows of the network.
func clientOf(t *testing.T, c *cluster.Cluster, at string) *client.Client {
	t.Helper()
	trust := client.Trust{Network: cluster.Network}
	for _, p := range c.Parties() {
		trust.Parties = append(trust.Parties, p.PeerID)
	}
	sdk, err := client.New(client.Config{URL: at, Key: c.API.Key, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sdk.Close)
	return sdk
}

// TestCoordinatorThatChangesTheKey: threshold, parties, members of its own, and
// certificates that are missing or forged.
func TestCoordinatorThatChangesTheKey(t *testing.T) {
	c := shared(t, cluster.QUIC)
	l := newLiar(t, c)
	parties := c.Parties()
	for name, lie := range map[string]struct {
		req  rest.CreateAccount
		ask  func(*rest.CreateAccount)
		show func(*rest.Account)
		says string
	}{
		"a lower threshold": {
			req:  rest.CreateAccount{Threshold: &rest.Threshold{T: 3, N: 3}},
			ask:  func(r *rest.CreateAccount) { r.Threshold.T = 2 },
			show: func(a *rest.Account) { a.ThresholdT = 3 }, says: "threshold",
		},
		"a lower threshold, shown": {
			req: rest.CreateAccount{Threshold: &rest.Threshold{T: 3, N: 3}},
			ask: func(r *rest.CreateAccount) { r.Threshold.T = 2 }, says: "3-of-3",
		},
		"fewer parties than by default": {
			ask: func(r *rest.CreateAccount) { r.Threshold = &rest.Threshold{T: 2, N: 2} }, says: "2-of-3",
		},
		"other parties": {
			req:  rest.CreateAccount{Threshold: &rest.Threshold{T: 2, N: 2}, Parties: []string{parties[0].PeerID, parties[1].PeerID}},
			ask:  func(r *rest.CreateAccount) { r.Parties = []string{parties[1].PeerID, parties[2].PeerID} },
			says: "should hold a share",
		},
		"a share for a delegate": {
			ask: func(r *rest.CreateAccount) { r.UserShare = true }, says: "custody",
		},
		"another scheme": {
			req: rest.CreateAccount{Scheme: cluster.ECDSA},
			ask: func(r *rest.CreateAccount) { r.Scheme = cluster.EdDSA }, says: "scheme",
		},
		"no certificate":       {show: func(a *rest.Account) { a.Certificate = nil }, says: "no key certificate"},
		"an empty certificate": {show: func(a *rest.Account) { a.Certificate.Encoded = "" }, says: "key certificate"},
		"another network":      {show: func(a *rest.Account) { forge(t, a, func(b *protocol.CertificateBody) { b.Network = "mainnet" }) }, says: "signature does not verify"},
		"another public key":   {show: func(a *rest.Account) { forge(t, a, func(b *protocol.CertificateBody) { b.PublicKey[3] ^= 1 }) }, says: "signature does not verify"},
		"members of its own":   {show: func(a *rest.Account) { forge(t, a, nil) }, says: "none of the trusted parties"},
	} {
		t.Run(name, func(t *testing.T) {
			l.ask, l.show = lie.ask, lie.show
			req := lie.req
			req.UserID, req.Scheme = t.Name(), cmp.Or(req.Scheme, cluster.EdDSA)
			a, err := clientOf(t, c, l.URL).CreateAccount(waiting(t), req)
			if !errors.Is(err, client.ErrVerification) || a != nil || !strings.Contains(err.Error(), lie.says) {
				t.Errorf("account %+v, %v; want an error that says %q", a, err, lie.says)
			}
		})
	}
}

// forge makes another certificate for an account, and an account that goes with
// it: a changed one with the signatures of the old one or, without a change, one
// that members of its own have signed.
func forge(t *testing.T, a *rest.Account, change func(*protocol.CertificateBody)) {
	encoded, err := base64.StdEncoding.DecodeString(a.Certificate.Encoded)
	if err != nil {
		t.Fatal(err)
	}
	var cert protocol.Certificate
	if err := protocol.Unmarshal(encoded, &cert); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cert.Body)
	} else {
		own := make([]protocol.Signer, len(cert.Body.Roster))
		for i := range own {
			own[i] = clienttest.NewSigner()
			cert.Body.Roster[i].Peer, a.Parties[i].PeerID = own[i].ID(), own[i].ID()
		}
		for i := range own {
			cert.Signatures[i] = own[i].Sign(cert.Body.Signed())
		}
	}
	if encoded, err = protocol.Marshal(cert); err != nil {
		t.Fatal(err)
	}
	if a.Certificate, err = client.DescribeCertificate(encoded); err != nil {
		t.Fatal(err)
	}
	a.PublicKey = a.Certificate.PublicKey
}
