package cluster

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// childAttributes keeps a terminal's Ctrl-C from the children, for Close ends
// them in order, and has the kernel end them when this process dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

type spawning struct {
	cmd  *exec.Cmd
	done chan error
}

// spawner starts children on one thread that never ends: the kernel's "parent
// died" signal goes by the thread that forked, not by the process (prctl(2)).
var spawner = sync.OnceValue(func() chan<- spawning {
	requests := make(chan spawning)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.done <- r.cmd.Start()
		}
	}()
	return requests
})

func spawn(cmd *exec.Cmd) error {
	r := spawning{cmd, make(chan error, 1)}
	spawner() <- r
	return <-r.done
}
