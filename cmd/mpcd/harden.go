package main

import (
	"os"
	"runtime"
	"syscall"
)

// forbidCoreDumps keeps shares and keys out of files that a crash would write.
func forbidCoreDumps() {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		log.Warnw("core dumps could not be switched off", "error", err)
	}
}

// overcommitCores lets the runtime run four threads a core, unless the operator
// has chosen: the long exponentiations of a ceremony, and of the making of
// pre-parameters, would otherwise hold up the short steps of other sessions. It returns how many
// cores there are for this process: a container's limit counts.
func overcommitCores() (cores int) {
	cores = runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(4 * cores)
	}
	return cores
}
