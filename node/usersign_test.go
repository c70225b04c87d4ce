package node

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// wrongShare is what comes as the user's share with a proposal that is fine.
type wrongShare struct {
	name   string
	text   func() string
	code   protocol.Code
	detail string // part of it
}

func TestADelegateRefusesWrongUserShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		d := c.parties[2]
		key, cert := c.hybrid(protocol.EdDSA, nil)
		other, _ := c.hybrid(protocol.EdDSA, nil)
		data, foreign := c.coord.share(d.ID(), key, nil), c.coord.share(d.ID(), other, nil)
		own := c.parties[0].share(t, key).Payload // a persistent member's, with the same certificate
		changed := func(data []byte, delivered bool, change func(r *protocol.KeyRecord)) []byte {
			var r protocol.KeyRecord
			if err := protocol.Unmarshal(data, &r); err != nil {
				t.Fatal(err)
			}
			change(&r)
			if delivered { // which an honest delegate does not sign
				var err error
				if r, err = protocol.SignDelivery(d.Host, r); err != nil {
					t.Fatal(err)
				}
			}
			out, err := protocol.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		secret := func(r *protocol.KeyRecord) { r.Share = shareOf(t, c.parties[0].share(t, other)) }

		spec := c.coord.sign(key, digest(1), c.peers(1, 2))
		another := c.coord.sign(key, digest(2), c.peers(1, 2))
		altered := func(change func(r *protocol.KeyRecord)) func() string {
			return func() string { return d.sealed(spec, changed(data, true, change)) }
		}
		for _, w := range []wrongShare{
			{"none", func() string { return "" }, protocol.CodeUserShare, "missing"},
			{"no share at all", func() string { return "hello" }, protocol.CodeUserShare, "begins with"},
			{"damaged", func() string { return d.sealed(spec, data) + "!" }, protocol.CodeUserShare, "damaged"},
			{"in plain", func() string { return protocol.FormatShare(false, data) }, protocol.CodePlainShare, "sealed"},
			{"for another digest", func() string { return d.sealed(another, data) }, protocol.CodeUserShare, "another purpose"},
			{"sealed to another party", func() string { return c.parties[1].sealed(spec, data) }, protocol.CodeSealKey, "seal it to the current one"},
			{"sealed as for delivery", func() string { return d.sealed(key, data) }, protocol.CodeUserShare, "another purpose"},
			{"another key's", func() string { return d.sealed(spec, foreign) }, protocol.CodeInvalid, "not those of the share"},
			{"a persistent member's", func() string { return d.sealed(spec, own) }, protocol.CodeUserShare, "delegate has not signed"},
			{"a persistent member's, given out", func() string { return d.sealed(spec, changed(own, true, func(*protocol.KeyRecord) {})) }, protocol.CodeUserShare, "is of 12D3"},
			{"another secret, not given out", func() string { return d.sealed(spec, changed(data, false, secret)) }, protocol.CodeUserShare, "not what the delegate"},
			{"nothing inside", func() string { return d.sealed(spec, []byte{0}) }, protocol.CodeUserShare, "not a canonical encoding"},
			{"other approvers", altered(func(r *protocol.KeyRecord) { r.Spec.Approvers = c.stranger().approvers() }), protocol.CodeUserShare, "different keys"},
			{"other approvers, certified by nobody", altered(func(r *protocol.KeyRecord) {
				r.Spec.Approvers = c.stranger().approvers()
				r.Certificate.Body = protocol.NewCertificateBody(&r.Spec, &protocol.Result{PublicKey: r.PublicKey, PublicHash: r.PublicHash}, r.ChainCode)
			}), protocol.CodeUserShare, "signature does not verify"},
			{"no certificate", altered(func(r *protocol.KeyRecord) { r.Certificate = nil }), protocol.CodeUserShare, "no key certificate"},
			{"another secret", altered(secret), protocol.CodeUserShare, ""},
			{"a damaged secret", altered(func(r *protocol.KeyRecord) { r.Share[len(r.Share)-10] ^= 1 }), protocol.CodeUserShare, ""},
			{"another member's role", altered(func(r *protocol.KeyRecord) { r.Spec.Roster[0].Role = protocol.External }), protocol.CodeUserShare, "different keys"},
		} {
			spec.Expires++ // a session of its own, with the same approval
			a := c.coord.answerWith(d.ID(), protocol.Propose{Spec: *spec, UserShare: w.text()})
			if a.Code != w.code || !strings.Contains(a.Detail, w.detail) {
				t.Errorf("%s: got %q, %q, want %q and a detail with %q", w.name, a.Code, a.Detail, w.code, w.detail)
			}
		}

		// The copy of a refused proposal gets the same answer, whatever comes with it.
		if a := c.coord.answerWith(d.ID(), protocol.Propose{Spec: *spec, UserShare: d.sealed(spec, data)}); a.Code != protocol.CodeUserShare {
			t.Errorf("a copy with another share: %+v", a)
		}
		// Nothing of this has done any harm: the same request signs with the right share.
		spec.Attempt++
		c.coord.proposeWith(spec, d.sealed(spec, data))
		checkSignatures(t, spec, cert, c.coord.result(spec))
	})
}

func TestASealedShareDoesNotOutliveTheDelegatesProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		d := c.parties[2]
		key, cert := c.hybrid(protocol.EdDSA, nil)
		data := c.coord.share(d.ID(), key, nil)
		spec := c.coord.sign(key, digest(1), c.peers(1, 2))
		text := d.sealed(spec, data)
		d.restart()
		c.net.Mesh(c.hosts()...)
		if a := c.coord.answerWith(d.ID(), protocol.Propose{Spec: *spec, UserShare: text}); a.Code != protocol.CodeSealKey {
			t.Errorf("got %+v, want %q", a, protocol.CodeSealKey)
		}
		spec.Attempt++
		c.coord.proposeWith(spec, d.sealed(spec, data))
		checkSignatures(t, spec, cert, c.coord.result(spec))
	})
}

func TestPlainSharesSignWhereTheNetworkAllowsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, func(c *Config) { c.PlainUserShares = true })
		key, cert := c.hybrid(protocol.EdDSA, nil)
		data := c.coord.share(c.peers(2)[0], key, nil)
		spec := c.coord.sign(key, digest(1), c.peers(0, 2))
		c.coord.proposeWith(spec, protocol.FormatShare(false, data))
		checkSignatures(t, spec, cert, c.coord.result(spec))
		c.signWith(key, cert, digest(2), data)
	})
}

// A delegate needs approvals like everybody else, and remembers requests.
func TestADelegateChecksApprovals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		d := c.parties[2]
		key, cert := c.hybrid(protocol.EdDSA, nil)
		data := c.coord.share(d.ID(), key, nil)
		answer := func(spec *protocol.Spec) protocol.Code {
			return c.coord.answerWith(d.ID(), protocol.Propose{Spec: *spec, UserShare: d.sealed(spec, data)}).Code
		}
		spec := c.coord.sign(key, digest(1), c.peers(1, 2))
		none, stranger := *spec, *spec
		none.Authorisation = nil
		c.stranger().authorise(&stranger)
		for name, s := range map[string]*protocol.Spec{"none": &none, "a stranger's": &stranger} {
			if code := answer(s); code != protocol.CodeUnauthorised {
				t.Errorf("approval of %s: %q", name, code)
			}
		}
		c.coord.proposeWith(spec, d.sealed(spec, data))
		checkSignatures(t, spec, cert, c.coord.result(spec))
		again := *spec
		again.Expires++
		if code := answer(&again); code != protocol.CodeReplay {
			t.Errorf("a replay: %q", code)
		}
	})
}
