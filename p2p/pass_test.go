package p2p_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

func TestPassSaysWhoIsVouchedFor(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	coordinator := net.Add(p2p.RoleCoordinator)
	pub, _ := newKey(t)
	guest, until := p2p.PeerOf(pub), time.Now().Add(time.Hour)
	pass, err := coordinator.IssuePass(guest, until)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p2p.VerifyPass(net.Authority, net.Name, pass, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got.Peer != guest || got.Role != p2p.RoleExternal || got.Name == "" || !strings.HasSuffix(guest, got.Name) || got.Expires.Unix() != until.Unix() {
		t.Errorf("got %+v", got)
	}
	if _, err := p2p.VerifyCredential(net.Authority, net.Name, pass, time.Now()); !errors.Is(err, p2p.ErrCredentialMalformed) {
		t.Errorf("taken for a credential: %v", err)
	}
	if _, err := p2p.VerifyPass(net.Authority, net.Name, coordinator.Config.Credential, time.Now()); !errors.Is(err, p2p.ErrPassMalformed) {
		t.Errorf("a credential was taken for a pass: %v", err)
	}
	t.Logf("a pass has %d bytes", len(pass))
}

func TestOnlyCoordinatorsIssuePasses(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	coordinator := net.Add(p2p.RoleCoordinator)
	pub, _ := newKey(t)
	guest := p2p.PeerOf(pub)
	soon := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		from  *p2ptest.Node
		guest p2p.PeerID
		until time.Time
	}{
		"a party":         {net.Add(p2p.RoleParty), guest, soon},
		"a bootstrap":     {net.Add(p2p.RoleBootstrap), guest, soon},
		"a guest":         {net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour)), guest, soon},
		"to itself":       {coordinator, coordinator.ID(), soon},
		"to nobody":       {coordinator, "x", soon},
		"for the past":    {coordinator, guest, time.Now().Add(-time.Minute)},
		"for two days":    {coordinator, guest, time.Now().Add(48 * time.Hour)},
		"to another form": {coordinator, "Qm" + guest, soon},
	} {
		pass, err := c.from.IssuePass(c.guest, c.until)
		if !errors.Is(err, p2p.ErrConfig) || pass != "" {
			t.Errorf("%s: %q, %v; want ErrConfig", name, pass, err)
		}
	}
}

// A pass never outlives the membership of the coordinator that issued it.
func TestPassEndsWithItsIssuer(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	short := net.Add(p2p.RoleCoordinator, func(c *p2p.Config) {
		id := p2p.PeerOf(c.Identity.Public().(ed25519.PublicKey))
		c.Credential = net.Credential(p2p.Member{Peer: id, Role: p2p.RoleCoordinator, Expires: time.Now().Add(time.Hour)})
	})
	pub, _ := newKey(t)
	pass, err := short.IssuePass(p2p.PeerOf(pub), time.Now().Add(20*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m, err := p2p.VerifyPass(net.Authority, net.Name, pass, time.Now())
	if err != nil || m.Expires.After(short.Self().Expires) {
		t.Errorf("%+v, %v; the coordinator's membership ends at %s", m, err, short.Self().Expires)
	}
	_, err = p2p.VerifyPass(net.Authority, net.Name, pass, time.Now().Add(2*time.Hour))
	if !errors.Is(err, p2p.ErrPassIssuer) && !errors.Is(err, p2p.ErrPassExpired) {
		t.Errorf("after its end: %v", err)
	}
}

// passClaims are the fields of a pass as they are on the wire.
type passClaims struct {
	Audience   string `json:"aud"`
	Issuer     string `json:"iss"`
	Subject    string `json:"sub"`
	Issued     int64  `json:"iat"`
	Expires    int64  `json:"exp"`
	Credential string `json:"cred"`
}

// Each wrong claim has its reason.
func TestPassRefusals(t *testing.T) {
	authority, key := newKey(t)
	_, otherKey := newKey(t)
	issuer, issuerKey := newKey(t)
	pub, _ := newKey(t)
	credential := func(key ed25519.PrivateKey, network string, m p2p.Member) string {
		token, err := p2p.IssueCredential(key, network, m)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	now := time.Now()
	coordinator := p2p.Member{Peer: p2p.PeerOf(issuer), Role: p2p.RoleCoordinator}
	party, expired := coordinator, coordinator
	party.Role = p2p.RoleParty
	expired.IssuedAt, expired.Expires = now.Add(-2*time.Hour), now.Add(-time.Hour)
	someone := coordinator
	someone.Peer = p2p.PeerOf(pub)
	good := passClaims{
		Audience: "main", Issuer: coordinator.Peer, Subject: p2p.PeerOf(pub),
		Issued: now.Unix(), Expires: now.Add(time.Hour).Unix(), Credential: credential(key, "main", coordinator),
	}
	for name, c := range map[string]struct {
		change func(*passClaims)
		key    ed25519.PrivateKey
		typ    string
		want   error
	}{
		"the control":                 {},
		"another network":             {change: func(p *passClaims) { p.Audience = "other" }, want: p2p.ErrPassWrongNetwork},
		"no guest":                    {change: func(p *passClaims) { p.Subject = "" }, want: p2p.ErrPassMalformed},
		"the issuer itself":           {change: func(p *passClaims) { p.Subject = p.Issuer }, want: p2p.ErrPassMalformed},
		"two days":                    {change: func(p *passClaims) { p.Expires += 48 * 3600 }, want: p2p.ErrPassMalformed},
		"a later day":                 {change: func(p *passClaims) { p.Issued += 48 * 3600; p.Expires += 48 * 3600 }, want: p2p.ErrPassMalformed},
		"over":                        {change: func(p *passClaims) { p.Issued -= 7200; p.Expires -= 7200 }, want: p2p.ErrPassExpired},
		"ends before it begins":       {change: func(p *passClaims) { p.Issued = p.Expires + 60 }, want: p2p.ErrPassMalformed},
		"no credential":               {change: func(p *passClaims) { p.Credential = "" }, want: p2p.ErrPassIssuer},
		"a party's credential":        {change: func(p *passClaims) { p.Credential = credential(key, "main", party) }, want: p2p.ErrPassIssuer},
		"an old credential":           {change: func(p *passClaims) { p.Credential = credential(key, "main", expired) }, want: p2p.ErrPassIssuer},
		"another's credential":        {change: func(p *passClaims) { p.Credential = credential(key, "main", someone) }, want: p2p.ErrPassIssuer},
		"another network's":           {change: func(p *passClaims) { p.Credential = credential(key, "other", coordinator) }, want: p2p.ErrPassIssuer},
		"a forged credential":         {change: func(p *passClaims) { p.Credential = credential(otherKey, "main", coordinator) }, want: p2p.ErrPassIssuer},
		"a pass as credential":        {change: func(p *passClaims) { p.Credential = signed(t, issuerKey, "mpc-pass+jwt", "{}") }, want: p2p.ErrPassIssuer},
		"another issuer":              {change: func(p *passClaims) { p.Issuer = p2p.PeerOf(authority) }, want: p2p.ErrPassIssuer},
		"signed by another":           {key: otherKey, want: p2p.ErrPassBadSignature},
		"signed by the authority":     {key: key, want: p2p.ErrPassBadSignature},
		"another type":                {typ: "jwt", want: p2p.ErrPassMalformed},
		"a credential's type":         {typ: "mpc-credential+jwt", want: p2p.ErrPassMalformed},
		"a credential that is padded": {change: func(p *passClaims) { p.Credential += strings.Repeat("A", 8000) }, want: p2p.ErrPassMalformed},
	} {
		claims, by, typ := good, issuerKey, "mpc-pass+jwt"
		if c.change != nil {
			c.change(&claims)
		}
		if c.key != nil {
			by = c.key
		}
		if c.typ != "" {
			typ = c.typ
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p2p.VerifyPass(authority, "main", signed(t, by, typ, string(payload)), now)
		if (c.want == nil) != (err == nil) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A pass opens nothing to another peer, and the refusal says why.
func TestPassInHello(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	elsewhere := p2ptest.New(t, p2ptest.Config{Name: "elsewhere"})
	coordinator, stranger := net.Add(p2p.RoleCoordinator), elsewhere.Add(p2p.RoleCoordinator)
	mine, key := newKey(t)
	other, _ := newKey(t)
	pass := func(from *p2ptest.Node, pub ed25519.PublicKey) string {
		token, err := from.IssuePass(p2p.PeerOf(pub), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, c := range map[string]struct{ pass, code string }{
		"mine":       {pass(coordinator, mine), ""},
		"another's":  {pass(coordinator, other), "peer"},
		"elsewhere":  {pass(stranger, mine), "pass-network"},
		"half of it": {pass(coordinator, mine)[:400], "pass-malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			server := net.Add(p2p.RoleParty)
			if got := p2p.HelloOf(t, rawPeer(t, key, server), server.ID(), c.pass); got != c.code {
				t.Errorf("refused with %q, want %q", got, c.code)
			}
			if m, met := server.Member(p2p.PeerOf(mine)); met != (c.code == "") || met && m.Role != p2p.RoleExternal {
				t.Errorf("admitted: %v, %+v", met, m)
			}
		})
	}
}

// A pass that ends while the guest is connected ends the connection, a relayed
// one as well.
func TestExpiryOfPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, p2ptest.Simulated) // passes of one hour
		s.net.Sim.Cut(s.nodes[0].Index, s.nodes[1].Index, true)
		party, guest := s.nodes[2], s.nodes[0]
		converse(t, "s/1", s.nodes...)
		time.Sleep(58 * time.Minute)
		if _, met := party.Member(guest.ID()); !met {
			t.Fatal("dropped before its time")
		}
		time.Sleep(3 * time.Minute)
		for _, n := range []*p2ptest.Node{party, s.relay, s.nodes[1]} {
			if _, met := n.Member(guest.ID()); met {
				t.Errorf("still admitted by %s after its time", n.Self().Name)
			}
		}
		time.Sleep(5 * time.Second) // past the memory of the refusal
		if err := guest.Reach(within(t, 5*time.Second), party); !errors.Is(err, p2p.ErrPassExpired) {
			t.Errorf("dialled again with %v, want ErrPassExpired", err)
		}
	})
}
