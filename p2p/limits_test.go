package p2p

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// A hundred nodes behind one address come in at once, over both transports.
func TestManyNodesShareAnAddress(t *testing.T) {
	resources, err := resourceManager()
	if err != nil {
		t.Fatal(err)
	}
	defer resources.Close() //nolint:errcheck // the test is over
	for _, addr := range []string{"/ip4/198.51.100.7/udp/4001/quic-v1", "/ip4/198.51.100.7/tcp/4001", "/ip6/2001:db8::7/tcp/4001"} {
		a, err := ma.NewMultiaddr(addr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			scope, err := resources.OpenConnection(network.DirInbound, false, a)
			if err != nil {
				t.Fatalf("%s: connection %d: %v", addr, i, err)
			}
			defer scope.Done()
		}
	}
}
