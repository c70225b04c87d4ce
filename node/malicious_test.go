package node

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// client holds two of the three approvers' keys that a signature needs. The
// coordinator has everything else: its node key and credential, the network's
// approver key, every spec and every approval that it was ever given.
type client struct {
	c     *cluster
	keys  []crypto.Signer
	key   *protocol.Spec // of the account under attack
	cert  *protocol.Certificate
	other *protocol.Spec // another key of the same approvers, at the same parties
}

func newClient(c *cluster) *client {
	c.tb.Helper()
	cl := &client{c: c}
	for range 2 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			c.tb.Fatal(err)
		}
		cl.keys = append(cl.keys, key)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.tb.Fatal(err)
	}
	cl.keys = append(cl.keys, p256)
	make := func() (*protocol.Spec, *protocol.Certificate) {
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		spec.Approvers = cl.approvers()
		return spec, certificate(c.tb, c.coord.run(spec))
	}
	cl.key, cl.cert = make()
	cl.other, _ = make()
	return cl
}

func (cl *client) approvers() protocol.Approvers {
	a := protocol.Approvers{M: 2}
	for _, key := range cl.keys {
		spki, err := protocol.ApproverKey(key.Public())
		if err != nil {
			cl.c.tb.Fatal(err)
		}
		a.Keys = append(a.Keys, spki)
	}
	return a
}

// request is what the client asks for, with one approval by Ed25519 and one by
// P-256.
func (cl *client) request(payload []byte) *protocol.Spec {
	spec := cl.c.coord.sign(cl.key, payload, cl.c.peers(0, 1))
	spec.Authorisation = []string{cl.approve(spec, 0, nil), cl.approve(spec, 2, nil)}
	return spec
}

// approve is one approver's token, of a request that the client may have been
// talked into.
func (cl *client) approve(spec *protocol.Spec, by int, change func(*protocol.Approval)) string {
	cl.c.tb.Helper()
	a := protocol.ApprovalFor(spec, time.Now(), 2*time.Minute)
	if change != nil {
		change(&a)
	}
	token, err := protocol.SignApproval(cl.keys[by], a)
	if err != nil {
		cl.c.tb.Fatal(err)
	}
	return token
}

// attack is one thing that a malicious coordinator does with a request that the
// client has approved.
type attack struct {
	name  string
	alter func(cl *client, s *protocol.Spec)
	code  protocol.Code // with which the members refuse it
}

const (
	invalid      = protocol.CodeInvalid
	unauthorised = protocol.CodeUnauthorised
)

// specAttacks alter one field of the spec each.
var specAttacks = []attack{
	{"version", func(_ *client, s *protocol.Spec) { s.Version++ }, invalid},
	{"network", func(_ *client, s *protocol.Spec) { s.Network += "x" }, invalid},
	{"kind", func(_ *client, s *protocol.Spec) { s.Kind = protocol.KindKeygen }, invalid},
	{"unknown kind", func(_ *client, s *protocol.Spec) { s.Kind = "export" }, invalid},
	{"keygen over the key", func(cl *client, s *protocol.Spec) {
		s.Kind, s.Session, s.Payload, s.Roster = protocol.KindKeygen, s.Key, nil, members(cl.c.peers())
	}, protocol.CodeReplay},
	{"request id", func(cl *client, s *protocol.Spec) { s.Session = newID(cl.c.tb) }, unauthorised},
	{"request id of the keygen", func(_ *client, s *protocol.Spec) { s.Session = s.Key }, unauthorised},
	{"attempt 0", func(_ *client, s *protocol.Spec) { s.Attempt = 0 }, invalid},
	{"account", func(cl *client, s *protocol.Spec) { s.Account = newID(cl.c.tb) }, invalid},
	{"another key's account", func(cl *client, s *protocol.Spec) { s.Account = cl.other.Account }, invalid},
	{"another key of the same approvers", func(cl *client, s *protocol.Spec) { s.Key = cl.other.Key }, invalid},
	{"another key and its account", func(cl *client, s *protocol.Spec) { s.Key, s.Account = cl.other.Key, cl.other.Account }, unauthorised},
	{"unknown key", func(cl *client, s *protocol.Spec) { s.Key = newID(cl.c.tb) }, protocol.CodeUnknownKey},
	{"epoch", func(_ *client, s *protocol.Spec) { s.Epoch++ }, protocol.CodeUnknownKey},
	{"path", func(_ *client, s *protocol.Spec) { s.Path = []uint32{0} }, invalid},
	{"payload", func(_ *client, s *protocol.Spec) { s.Payload = []byte("everything to Mallory") }, unauthorised},
	{"one bit of the payload", func(_ *client, s *protocol.Spec) { s.Payload = bytes.Clone(s.Payload); s.Payload[0] ^= 1 }, unauthorised},
	{"a longer payload", func(_ *client, s *protocol.Spec) { s.Payload = append(bytes.Clone(s.Payload), 0) }, unauthorised},
	{"no payload", func(_ *client, s *protocol.Spec) { s.Payload = nil }, invalid},
	{"scheme", func(_ *client, s *protocol.Spec) { s.Scheme, s.Payload = protocol.ECDSA, digest(1) }, invalid},
	{"unknown scheme", func(_ *client, s *protocol.Spec) { s.Scheme = "rsa" }, invalid},
	{"threshold 1", func(_ *client, s *protocol.Spec) { s.Threshold, s.Roster = 1, s.Roster[:1] }, invalid},
	{"threshold 3", func(cl *client, s *protocol.Spec) { s.Threshold, s.Roster = 3, members(cl.c.peers()) }, invalid},
	{"roster in another order", func(_ *client, s *protocol.Spec) { slices.Reverse(s.Roster) }, invalid},
	{"the coordinator as a member", func(cl *client, s *protocol.Spec) { s.Roster[1].Peer = cl.c.coord.host.ID() }, invalid},
	{"the coordinator as a member too many", func(cl *client, s *protocol.Spec) {
		s.Roster = append(s.Roster, protocol.Member{Peer: cl.c.coord.host.ID(), Role: protocol.Persistent})
	}, invalid},
	{"one member twice", func(_ *client, s *protocol.Spec) { s.Roster[1] = s.Roster[0] }, invalid},
	{"a delegate's role", func(_ *client, s *protocol.Spec) { s.Roster[1].Role = protocol.Delegate }, ""},
	{"an external role", func(_ *client, s *protocol.Spec) { s.Roster[1].Role = protocol.External }, ""},
	{"an unknown role", func(_ *client, s *protocol.Spec) { s.Roster[1].Role = "admin" }, invalid},
	{"owner", func(_ *client, s *protocol.Spec) { s.Owner = "mallory" }, invalid},
	{"expired", func(_ *client, s *protocol.Spec) { s.Expires = time.Now().Add(-time.Minute).Unix() }, protocol.CodeExpired},
	{"never expires", func(_ *client, s *protocol.Spec) { s.Expires = time.Now().Add(24 * time.Hour).Unix() }, invalid},
	{"no expiry", func(_ *client, s *protocol.Spec) { s.Expires = 0 }, invalid},
	{"one approver is enough", func(_ *client, s *protocol.Spec) { s.Approvers.M = 1 }, invalid},
	{"no approvers", func(_ *client, s *protocol.Spec) { s.Approvers = protocol.Approvers{} }, invalid},
	{"approvers in another order", func(_ *client, s *protocol.Spec) { slices.Reverse(s.Approvers.Keys) }, invalid},
	{"approvers of its own", func(cl *client, s *protocol.Spec) {
		s.Approvers = cl.c.coord.approvers()
		cl.c.coord.authorise(s)
	}, invalid},
	{"a recipient", func(_ *client, s *protocol.Spec) { s.Recipient = bytes.Repeat([]byte{9}, 32) }, invalid},
	{"another coordinator's name", func(cl *client, s *protocol.Spec) { s.Coordinator = cl.c.peers(2)[0] }, invalid},
}

// approvalAttacks leave the spec as it is and alter what authorises it.
var approvalAttacks = []attack{
	{"no approval", func(_ *client, s *protocol.Spec) { s.Authorisation = nil }, unauthorised},
	{"too few", func(_ *client, s *protocol.Spec) { s.Authorisation = s.Authorisation[:1] }, unauthorised},
	{"one of them twice", func(_ *client, s *protocol.Spec) { s.Authorisation[1] = s.Authorisation[0] }, unauthorised},
	{"two tokens of one approver", func(cl *client, s *protocol.Spec) {
		s.Authorisation[1] = cl.approve(s, 0, func(a *protocol.Approval) { a.Expires++ })
	}, unauthorised},
	{"one by the network's approver, whose key the coordinator has", func(cl *client, s *protocol.Spec) {
		kept := s.Authorisation[0]
		cl.c.coord.authorise(s)
		s.Authorisation = append(s.Authorisation, kept)
	}, unauthorised},
	{"all three and one more", func(cl *client, s *protocol.Spec) {
		s.Authorisation = append(s.Authorisation, cl.approve(s, 1, nil), cl.approve(s, 1, nil))
	}, unauthorised},
	{"one of another request", func(cl *client, s *protocol.Spec) { s.Authorisation[0] = cl.request(s.Payload).Authorisation[0] }, unauthorised},
	{"all of another request", func(cl *client, s *protocol.Spec) { s.Authorisation = cl.request([]byte("yesterday's")).Authorisation }, unauthorised},
	{"of another key", forged(func(cl *client, a *protocol.Approval) { a.Key = cl.other.Key }), unauthorised},
	{"of another account", forged(func(cl *client, a *protocol.Approval) { a.Account = cl.other.Account }), unauthorised},
	{"of another epoch", forged(func(_ *client, a *protocol.Approval) { a.Epoch++ }), unauthorised},
	{"of another network", forged(func(_ *client, a *protocol.Approval) { a.Network += "x" }), unauthorised},
	{"of another operation", forged(func(_ *client, a *protocol.Approval) { a.Operation = protocol.KindKeygen }), unauthorised},
	{"of another path", forged(func(_ *client, a *protocol.Approval) { a.Path = []uint32{0} }), unauthorised},
	{"of another digest", forged(func(_ *client, a *protocol.Approval) { a.Digest = strings.Repeat("0", 64) }), unauthorised},
	{"expired", forged(func(_ *client, a *protocol.Approval) {
		a.NotBefore, a.Expires = a.NotBefore-300, a.NotBefore-60
	}), unauthorised},
	{"not yet valid", forged(func(_ *client, a *protocol.Approval) { a.NotBefore, a.Expires = a.NotBefore+60, a.Expires+60 }), unauthorised},
	{"for a year", forged(func(_ *client, a *protocol.Approval) { a.Expires += 365 * 24 * 3600 }), unauthorised},
	{"without a signature", func(_ *client, s *protocol.Spec) {
		s.Authorisation[0] = s.Authorisation[0][:strings.LastIndexByte(s.Authorisation[0], '.')+1]
	}, unauthorised},
	{"signatures swapped", func(_ *client, s *protocol.Spec) {
		a, b := strings.Split(s.Authorisation[0], "."), strings.Split(s.Authorisation[1], ".")
		a[2], b[2] = b[2], a[2]
		s.Authorisation = []string{strings.Join(a, "."), strings.Join(b, ".")}
	}, unauthorised},
	{"alg none", header(`"alg":"EdDSA"`, `"alg":"none"`), unauthorised},
	{"alg HS256", header(`"alg":"EdDSA"`, `"alg":"HS256"`), unauthorised},
	{"typ of another token", header(protocol.ApprovalType, "mpc-pass+jwt"), unauthorised},
	{"no typ", header(`,"typ":"`+protocol.ApprovalType+`"`, ""), unauthorised},
	{"claims altered", func(_ *client, s *protocol.Spec) {
		parts := strings.Split(s.Authorisation[0], ".")
		parts[1] = "e30"
		s.Authorisation[0] = strings.Join(parts, ".")
	}, unauthorised},
	{"no token at all", func(_ *client, s *protocol.Spec) { s.Authorisation[0] = "" }, unauthorised},
}

// forged has both approvers sign something else.
func forged(change func(*client, *protocol.Approval)) func(*client, *protocol.Spec) {
	return func(cl *client, s *protocol.Spec) {
		for i, by := range []int{0, 2} {
			s.Authorisation[i] = cl.approve(s, by, func(a *protocol.Approval) { change(cl, a) })
		}
	}
}

// header replaces something in the first token's header; its approver signs even
// that, because the key is used for other tokens as well.
func header(old, with string) func(*client, *protocol.Spec) {
	return func(cl *client, s *protocol.Spec) {
		parts := strings.Split(s.Authorisation[0], ".")
		raw, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil || !strings.Contains(string(raw), old) {
			cl.c.tb.Fatalf("header %s has no %s: %v", raw, old, err)
		}
		parts[0] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), old, with, 1)))
		sig := ed25519.Sign(cl.keys[0].(ed25519.PrivateKey), []byte(parts[0]+"."+parts[1]))
		parts[2] = base64.RawURLEncoding.EncodeToString(sig)
		s.Authorisation[0] = strings.Join(parts, ".")
	}
}

// clone copies what an attack may alter in place.
func clone(s *protocol.Spec) *protocol.Spec {
	c := *s
	c.Roster, c.Authorisation = slices.Clone(s.Roster), slices.Clone(s.Authorisation)
	c.Approvers.Keys = slices.Clone(s.Approvers.Keys)
	return &c
}

// refusedByAll proposes a spec to every party, member or not. An empty code means
// that the members need not agree on the reason.
func (cl *client) refusedByAll(t *testing.T, s *protocol.Spec, code protocol.Code) {
	t.Helper()
	for _, peer := range cl.c.peers() {
		a := cl.c.coord.answer(peer, s)
		member := roleIn(s, peer) != ""
		if a.Code == "" || member && code != "" && a.Code != code {
			t.Errorf("party %s, member %v: got %q, %q, want %q", peer, member, a.Code, a.Detail, code)
		}
	}
}

// signatures counts the records of signings that any party has delivered.
func (s *scripted) signatures(sid protocol.SID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, o := range s.outcomes[sid] {
		if o.Record != nil && o.Record.Body.Spec.Kind == protocol.KindSign {
			n++
		}
	}
	return n
}

// A coordinator that has everything a coordinator can have gets no signature but
// the ones that the approvers have approved. The unaltered request, in the same
// network and after each attack, is the control.
func TestAMaliciousCoordinatorGetsNoSignature(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
	cl := newClient(c)
	var altered []protocol.SID
	for group, attacks := range map[string][]attack{"spec": specAttacks, "approvals": approvalAttacks} {
		for i, a := range attacks {
			t.Run(group+"/"+a.name, func(t *testing.T) {
				honest := cl.request(digest(i))
				evil := clone(honest)
				a.alter(cl, evil)
				if evil.SID() == honest.SID() {
					t.Fatal("the attack changes nothing")
				}
				cl.refusedByAll(t, evil, a.code)
				altered = append(altered, evil.SID())
				checkSignatures(t, honest, cl.cert, c.coord.run(honest))
			})
		}
	}
	for _, sid := range altered {
		if n := c.coord.signatures(sid); n != 0 {
			t.Errorf("%d signatures for altered session %s", n, sid)
		}
	}
}

func TestAMaliciousCoordinatorReplaysInVain(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
	cl := newClient(c)
	done := cl.request(digest(0))
	done.Expires = time.Now().Add(10 * time.Minute).Unix() // a machine may be slow, and what has expired is no replay
	long := func(a *protocol.Approval) { a.Expires = done.Expires }
	done.Authorisation = []string{cl.approve(done, 0, long), cl.approve(done, 2, long)}
	checkSignatures(t, done, cl.cert, c.coord.run(done))
	replays := []attack{
		{"the same attempt, another deadline", func(_ *client, s *protocol.Spec) { s.Expires++ }, protocol.CodeReplay},
		{"the same id, another payload", func(_ *client, s *protocol.Spec) { s.Payload, s.Attempt = digest(7), 2 }, unauthorised},
		{"the same id, another payload, approved", func(cl *client, s *protocol.Spec) {
			s.Payload, s.Attempt = digest(8), 2
			s.Authorisation = []string{cl.approve(s, 0, nil), cl.approve(s, 1, nil)}
		}, protocol.CodeReplay},
		{"a new id, the old approvals", func(cl *client, s *protocol.Spec) { s.Session = newID(cl.c.tb) }, unauthorised},
		{"the id of a keygen", func(cl *client, s *protocol.Spec) {
			s.Session = cl.key.Key
			s.Authorisation = []string{cl.approve(s, 0, nil), cl.approve(s, 1, nil)}
		}, protocol.CodeReplay},
	}
	try := func(t *testing.T, when string) {
		for _, a := range replays {
			t.Run(when+"/"+a.name, func(t *testing.T) {
				evil := clone(done)
				a.alter(cl, evil)
				for _, peer := range evil.Peers() {
					if got := c.coord.answer(peer, evil); got.Code != a.code {
						t.Errorf("got %q, %q, want %q", got.Code, got.Detail, a.code)
					}
				}
				if n := c.coord.signatures(evil.SID()); n != 0 {
					t.Errorf("%d signatures", n)
				}
			})
		}
	}
	try(t, "at once")
	// The same attempt with another member who has not heard of it yet: the one who
	// has does not take part.
	others := clone(done)
	others.Roster = members(c.peers(0, 2))
	if a := c.coord.answer(c.peers(0)[0], others); a.Code != protocol.CodeReplay {
		t.Errorf("the same attempt with other members: %+v", a)
	}
	eventually(t, "the result is acknowledged", func() bool {
		o := c.parties[0].node.outcomes
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.pending[done.SID()] == nil
	})
	offers := c.coord.offered(c.peers(0)[0])
	if a := c.coord.answer(c.peers(0)[0], done); a.Code != "" { // the copy of a proposal is answered, not run
		t.Errorf("a copy: %+v", a)
	}
	if again := c.coord.offered(c.peers(0)[0]); again != offers {
		t.Errorf("a copy was run: %d outcomes, then %d", offers, again)
	}
	for _, p := range c.parties {
		p.restart()
	}
	c.net.Mesh(c.hosts()...)
	c.awaitParties()
	try(t, "after a restart")
	if n := c.coord.signatures(done.SID()); n != 2 {
		t.Errorf("%d records of the request that was approved", n)
	}
	control := cl.request(digest(1))
	checkSignatures(t, control, cl.cert, c.coord.run(control))
}

// awaitParties waits until every party answers after a restart.
func (c *cluster) awaitParties() {
	c.tb.Helper()
	for _, peer := range c.peers() {
		spec := c.coord.keygen(protocol.EdDSA, 2, nil) // nobody can be a member of this
		eventually(c.tb, "the party answers", func() bool {
			c.coord.send(peer, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
			c.coord.mu.Lock()
			defer c.coord.mu.Unlock()
			return c.coord.answers[spec.SID()][peer].Code != ""
		})
	}
}

// A request is forgotten when its approvals have expired, and not earlier: then
// they are of no use.
func TestAForgottenRequestCannotBeReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		cl := newClient(c)
		spec := cl.request(digest(1))
		checkSignatures(t, spec, cl.cert, c.coord.run(spec))
		replay := func(want protocol.Code) {
			t.Helper()
			again := clone(spec)
			again.Expires = time.Now().Add(time.Minute).Unix()
			for _, peer := range again.Peers() {
				if a := c.coord.answer(peer, again); a.Code != want {
					t.Errorf("got %+v, want %q", a, want)
				}
			}
		}
		forget := func() (left int) {
			t.Helper()
			for _, p := range c.parties[:2] {
				if err := p.node.forgetRequests(t.Context(), time.Now()); err != nil {
					t.Fatal(err)
				}
				if _, err := p.node.request(t.Context(), spec.Session); err == nil {
					left++
				}
			}
			return left
		}
		wait := func(d time.Duration) { <-time.After(d) }
		wait(2*time.Minute + protocol.MaxClockSkew - 2*time.Second)
		if left := forget(); left != 2 {
			t.Errorf("%d of 2 parties remember a request whose approvals are still good", left)
		}
		replay(protocol.CodeReplay)
		wait(4 * time.Second)
		if left := forget(); left != 0 {
			t.Errorf("%d parties remember a request for ever", left)
		}
		replay(unauthorised)
	})
}
