package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// crash kills the worker of a data folder's party, and waits for the next one.
func crash(ts *testscript.TestScript, _ bool, args []string) {
	before := runOf(ts, args[0])
	ts.Check(syscall.Kill(before.WorkerPID, syscall.SIGKILL))
	after := awaitRun(ts, args[0], func(r runFile) bool { return r.WorkerPID != before.WorkerPID })
	slices.Sort(before.Addresses)
	slices.Sort(after.Addresses) // they come in no order
	if after.PID != before.PID || !slices.Equal(after.Addresses, before.Addresses) || len(after.Addresses) != 2 {
		ts.Fatalf("after a crash run.json says %+v, before it was %+v", after, before)
	}
}

// interrupt sends SIGTERM to the worker of a data folder's party.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Kill(runOf(ts, args[0]).WorkerPID, syscall.SIGTERM))
}

// serving waits until run.json is of a process that runs.
func serving(ts *testscript.TestScript, _ bool, args []string) {
	awaitRun(ts, args[0], func(r runFile) bool { return syscall.Kill(r.PID, 0) == nil })
}

func runOf(ts *testscript.TestScript, dir string) runFile {
	var run runFile
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(dir, fileRun))), &run))
	return run
}

// awaitRun waits until run.json is as wanted.
func awaitRun(ts *testscript.TestScript, dir string, holds func(runFile) bool) runFile {
	deadline := time.NewTimer(awaitLimit)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if run := runOf(ts, dir); holds(run) {
			return run
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("run.json of %s is not as wanted after %v: %+v", dir, awaitLimit, runOf(ts, dir))
		}
	}
}
