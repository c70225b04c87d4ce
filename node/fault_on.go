//go:build faults

package node

import (
	"fmt"
	"os"
	"strings"

	"github.com/meshmpc/mpcd/protocol"
)

// faultVariable names a file. When it exists, this process ends as by kill -9 at the
// save of a share that the file names, once: "before pending", "after pending",
// "before active" or "after active". The file is removed first.
const faultVariable = "MPCD_FAULT_SAVE"

// injected ends the process where a test of whole processes wants it.
func injected() func(*protocol.Save, bool) error {
	file := os.Getenv(faultVariable)
	return func(save *protocol.Save, done bool) error {
		at := fmt.Sprintf("%s %s", map[bool]string{false: "before", true: "after"}[done], stateOf(save))
		named, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(named)) != at || os.Remove(file) != nil {
			return nil
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		if err := self.Kill(); err != nil {
			return err
		}
		select {} // it comes at once
	}
}
