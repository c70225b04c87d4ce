package p2p_test

import (
	"testing"

	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
