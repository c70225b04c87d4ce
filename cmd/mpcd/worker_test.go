package main

import (
	"encoding/json"
	"net"
	"path/filepath"
	"slices"
	"strings"
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

// crashoccupied kills the worker of a data folder's party and takes one of its
// ports before there is another one, which finds one elsewhere.
func crashoccupied(ts *testscript.TestScript, _ bool, args []string) {
	before := runOf(ts, args[0])
	i := slices.IndexFunc(before.Addresses, func(a string) bool { return strings.Contains(a, "/tcp/") })
	ts.Check(syscall.Kill(before.PID, syscall.SIGSTOP))
	ts.Check(syscall.Kill(before.WorkerPID, syscall.SIGKILL))
	taken := listenAt(ts, "127.0.0.1:"+strings.Split(before.Addresses[i], "/")[4])
	ts.Check(syscall.Kill(before.PID, syscall.SIGCONT))
	after := awaitRun(ts, args[0], func(r runFile) bool { return r.WorkerPID != before.WorkerPID })
	ts.Check(taken.Close())
	if after.PID != before.PID || len(after.Addresses) != 2 || slices.Contains(after.Addresses, before.Addresses[i]) {
		ts.Fatalf("after a crash run.json says %+v, before it was %+v", after, before)
	}
}

// listenAt listens at an address as soon as nobody else does.
func listenAt(ts *testscript.TestScript, address string) net.Listener {
	deadline := time.NewTimer(awaitLimit)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("%v", err)
		}
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
