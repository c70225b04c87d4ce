package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// crash kills the worker of a data folder's party, and waits for the next one, at the same
// addresses. Its ports are anybody's until that listens: if somebody has taken one, once more.
func crash(ts *testscript.TestScript, _ bool, args []string) {
	for range 10 {
		before := runOf(ts, args[0])
		ts.Check(syscall.Kill(before.WorkerPID, syscall.SIGKILL))
		after := awaitRun(ts, args[0], func(r runFile) bool { return r.WorkerPID != before.WorkerPID })
		slices.Sort(before.Addresses)
		slices.Sort(after.Addresses) // they come in no order
		same := slices.Equal(after.Addresses, before.Addresses)
		occupied := func(address string) bool { return !slices.Contains(after.Addresses, address) && taken(address) }
		switch {
		case after.PID != before.PID || len(after.Addresses) != 2 || !same && !slices.ContainsFunc(before.Addresses, occupied) || same && after.Restarts != before.Restarts+1:
			ts.Fatalf("after a crash run.json says %+v, before it was %+v", after, before)
		case same:
			return
		}
	}
	ts.Fatalf("each time somebody has taken a port of the worker")
}

// taken tells whether nobody can listen at a multiaddr because another one does.
func taken(address string) bool {
	var l io.Closer
	var err error
	switch part := strings.Split(address, "/"); part[3] { // /ip4/127.0.0.1/udp/1/quic-v1
	case "udp":
		l, err = net.ListenPacket("udp", net.JoinHostPort(part[2], part[4]))
	default:
		l, err = net.Listen("tcp", net.JoinHostPort(part[2], part[4]))
	}
	if err == nil {
		l.Close() //nolint:errcheck // nobody has used it
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// crashoccupied kills the worker of a data folder's party and takes one of its
// ports before there is another one, which finds one elsewhere.
func crashoccupied(ts *testscript.TestScript, _ bool, args []string) {
	before := runOf(ts, args[0])
	i := slices.IndexFunc(before.Addresses, func(a string) bool { return strings.Contains(a, "/tcp/") })
	ts.Check(syscall.Kill(before.PID, syscall.SIGSTOP))
	awaitUntil(ts, "the supervisor stops", func() bool { return stopped(ts, before.PID) })
	ts.Check(syscall.Kill(before.WorkerPID, syscall.SIGKILL))
	occupied := listenAt(ts, "127.0.0.1:"+strings.Split(before.Addresses[i], "/")[4])
	ts.Check(syscall.Kill(before.PID, syscall.SIGCONT))
	after := awaitRun(ts, args[0], func(r runFile) bool { return r.WorkerPID != before.WorkerPID })
	ts.Check(occupied.Close())
	if after.PID != before.PID || len(after.Addresses) != 2 || slices.Contains(after.Addresses, before.Addresses[i]) {
		ts.Fatalf("after a crash run.json says %+v, before it was %+v", after, before)
	}
}

// listenAt listens at an address as soon as nobody else does.
func listenAt(ts *testscript.TestScript, address string) (l net.Listener) {
	awaitUntil(ts, address+" is free", func() bool {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	return l
}

// stopped tells whether no thread of a process runs any more: they stop one after the
// other, and one that does not yet could start a worker, see proc_pid_stat(5).
func stopped(ts *testscript.TestScript, pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	ts.Check(err)
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		if at := bytes.LastIndex(stat, []byte(") ")); err != nil || at < 0 || stat[at+2] != 'T' {
			return false
		}
	}
	return len(threads) > 0
}

// awaitUntil waits until something holds.
func awaitUntil(ts *testscript.TestScript, what string, holds func() bool) {
	deadline := time.NewTimer(awaitLimit)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("wait until %s: %v are over", what, awaitLimit)
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
	var run runFile
	awaitUntil(ts, "run.json of "+dir+" is as wanted", func() bool {
		run = runOf(ts, dir)
		return holds(run)
	})
	return run
}
