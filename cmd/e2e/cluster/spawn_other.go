//go:build !linux

package cluster

import (
	"os/exec"
	"syscall"
)

// childAttributes keeps a terminal's Ctrl-C from the children, for Close ends
// them in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func spawn(cmd *exec.Cmd) error { return cmd.Start() }
