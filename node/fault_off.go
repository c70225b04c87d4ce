//go:build !faults

package node

import "github.com/meshmpc/mpcd/protocol"

// injected injects nothing. Builds with the tag faults, which are for tests of whole
// processes, can end the process at a save.
func injected() func(*protocol.Save, bool) error { return nil }
