package p2p_test

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// TestPeerIDsWithoutLibp2p holds protocol's own reading of peer ids to what
// libp2p does: clients verify certificates with it.
func TestPeerIDsWithoutLibp2p(t *testing.T) {
	for range 64 {
		pub, key := newKey(t)
		id := p2p.PeerOf(pub)
		if got := protocol.PeerIDOf(pub); got != id {
			t.Fatalf("the peer id of %x is %s, and %s to libp2p", pub, got, id)
		}
		read, err := protocol.PeerKey(id)
		if err != nil || !bytes.Equal(read, pub) {
			t.Fatalf("the key in %s: %x, %v", id, read, err)
		}
		data := []byte("statement")
		sig := ed25519.Sign(key, data)
		for _, s := range [][]byte{sig, sig[1:], append([]byte{1}, sig[1:]...), nil} {
			if ours, theirs := protocol.VerifyPeer(id, data, s), p2p.Verify(id, data, s); ours != theirs {
				t.Fatalf("signature %x by %s: %v, and %v to libp2p", s, id, ours, theirs)
			}
		}
	}
}

func TestMalformedPeerIDsWithoutLibp2p(t *testing.T) {
	pub, _ := newKey(t)
	id := p2p.PeerOf(pub)
	for _, bad := range []p2p.PeerID{
		"", "12D3", id[1:], id + "1", "1" + id, strings.ToLower(id), id + " ", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
	} {
		_, ours := protocol.PeerKey(bad)
		if theirs := p2p.ParsePeer(bad); (ours == nil) != (theirs == nil) {
			t.Errorf("%q: %v, and %v to libp2p", bad, ours, theirs)
		}
	}
}
