package protocol

import (
	"bytes"
	"slices"
	"testing"
)

// A confirmation is given to nobody before the caller has said that the share is
// on disk: a member without a share may later say that it never signed.
func TestAConfirmationIsKeptBackUntilTheShareIs(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	net.run()
	confirms := func(p *player, asker PeerID) (n int) {
		for _, data := range p.session.Answer(asker, &Pull{}) {
			if headerOf(t, data).Type == TypeConfirm {
				n++
			}
		}
		return n
	}
	asker := net.players[1]
	for _, kept := range []bool{true, false} {
		net.players[0].session.kept = kept
		if n := confirms(net.players[0], asker.id); (n == 1) != kept {
			t.Errorf("saved %v: %d confirmations", kept, n)
		}
	}
}

// What is known of the certificate are the members' own signatures, and no others.
func TestConfirmedNamesWhoHasSigned(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	p := net.players[0]
	if p.session.Confirmed() != nil {
		t.Error("a certificate before the key")
	}
	net.run()
	c := p.session.Confirmed()
	if c == nil || !bytes.Equal(c.Body.Signed(), p.session.cert.Body.Signed()) {
		t.Fatalf("certificate %+v", c)
	}
	for i, m := range c.Body.Roster {
		if known := len(c.Signatures[i]) > 0; known != slices.Contains(p.session.others, m.Peer) || known && !verify(m.Peer, c.Body.Signed(), c.Signatures[i]) {
			t.Errorf("member %d has signed: %v", i, known)
		}
	}
}
