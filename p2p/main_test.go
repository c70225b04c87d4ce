package p2p_test

import (
	"testing"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

func TestMain(m *testing.M) { p2ptest.VerifyMain(m) }
