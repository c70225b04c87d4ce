//go:build long

package e2e

import (
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestManyECDSAAtOnce needs half a minute of processor time.
func TestManyECDSAAtOnce(t *testing.T) {
	signAtOnce(t, shared(t, cluster.QUIC), cluster.ECDSA, 64, 1)
}
