package node

import (
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestKeygenAndSigningOverSockets(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			c := newCluster(t, p2ptest.Config{Transport: transport}, 3, nil)
			for _, scheme := range []protocol.Scheme{protocol.EdDSA, protocol.ECDSA} {
				key, cert := c.key(scheme, 2)
				for i, signers := range [][]int{{0, 1}, {0, 2}, {1, 2}} {
					spec := c.coord.sign(key, digest(i), c.peers(signers...))
					checkSignatures(t, spec, cert, c.coord.run(spec))
				}
			}
		})
	}
}

func TestKeygenAndSigningOverASlowNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 5, nil)
		key, cert := c.key(protocol.EdDSA, 3)
		spec := c.coord.sign(key, []byte("\x00a message"), c.peers(0, 2, 4))
		checkSignatures(t, spec, cert, c.coord.run(spec))
	})
}
