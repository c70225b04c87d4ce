//go:build long

package node

import (
	"context"
	"testing"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestAStrangerHearsNothingOfECDSA(t *testing.T) { strangerHearsNothing(t, protocol.ECDSA) }

// With real sockets and as fast as the machine can.
func TestAStrangerFloodsAtFullSpeed(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			strangerFloods(t, transport, func(context.Context) func() bool { return func() bool { return true } })
		})
	}
}
