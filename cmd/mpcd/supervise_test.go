package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// Variables that make this test binary a worker, or a supervisor with such a
// worker, which does the named thing.
const (
	fakeWorkerVariable     = "FAKE_WORKER"
	fakeSupervisorVariable = "FAKE_SUPERVISOR"
	fakeFolderVariable     = "FAKE_FOLDER" // where each worker writes its first order, as N.json
)

// runFake does what a fake process is to do.
func runFake() (code int, fake bool) {
	switch {
	case os.Getenv(fakeWorkerVariable) != "":
		return fakeWorker(os.Getenv(fakeWorkerVariable)), true
	case os.Getenv(fakeSupervisorVariable) != "":
		return fakeSupervisor(os.Getenv(fakeSupervisorVariable)), true
	}
	return 0, false
}

func fakeSupervisor(does string) int {
	ctx, stop := untilSignal()
	defer stop()
	if does == "upgrade" { // the real one
		if err := os.Setenv(fakeWorkerVariable, does); err != nil {
			fmt.Println(err)
			return 99
		}
		fmt.Println("ended:", supervise(ctx))
		return exitOK
	}
	fmt.Println("ended:", newSupervisor(fakeCommand(does, os.Getenv(fakeFolderVariable))).run(ctx))
	return exitOK
}

// fakeCommand starts this binary as a worker. What it prints goes where this
// process prints.
func fakeCommand(does, folder string) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fakeSupervisorVariable+"=", fakeWorkerVariable+"="+does, fakeFolderVariable+"="+folder)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd, nil
	}
}

// ref makes a reference to a session.
func ref(n byte) node.SessionRef {
	return node.SessionRef{SID: protocol.SID{n}, Coordinator: "coordinator", Kind: protocol.KindSign, Key: "key", Epoch: uint32(n)}
}

// fakeWorker is a worker that does one of several things.
func fakeWorker(does string) int {
	w, err := inheritedWorker()
	if err != nil {
		fmt.Println(err)
		return 99
	}
	first, err := json.Marshal(w.workerStart)
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Getenv(fakeFolderVariable), strconv.Itoa(w.Restarts)+".json"), first, 0o600)
	}
	if err != nil {
		fmt.Println(err)
		return 99
	}
	what, number, _ := strings.Cut(does, " ")
	n, _ := strconv.Atoi(number)
	ctx := w.obey(context.Background(), func() { os.Exit(98) })
	switch what {
	case "refuse": // before it is ready
		return exitCode(w.end(refusef("no")))
	case "fall": // before it is ready
		die()
	case "stumble": // once; then n cannot start, of which the first one has no port
		switch {
		case w.Restarts == 0:
			w.ready([]string{"here"})
			die()
		case w.Restarts == 1:
			w.noListen()
			fallthrough
		case w.Restarts <= n:
			return exitCode(w.end(refusef("no")))
		}
		w.ready([]string{"there"})
	case "exit": // in order, with a code
		w.ready([]string{"here"})
		return exitCode(w.end(map[int]error{exitFailed: errors.New("failed")}[n]))
	case "crash": // n times, with a session that has ended and one that has not
		w.ready([]string{"here"})
		if w.Restarts < n {
			w.Began(ref(byte(2 * w.Restarts)))
			w.Began(ref(byte(2*w.Restarts + 1)))
			w.Ended(ref(byte(2 * w.Restarts)))
			die()
		}
	case "upgrade": // once, after another program has taken the file's name
		w.ready(nil)
		if w.Restarts == 0 {
			fmt.Println("replaced:", replaceProgram(os.Args[0]))
			die()
		}
	case "vanish": // once, without a word and as if all were well
		w.ready(nil)
		if w.Restarts == 0 {
			return exitOK
		}
	case "serve": // until it is told to stop
		w.ready(nil)
		fmt.Println("serving")
		<-ctx.Done()
		fmt.Println("drained")
	case "hang": // whatever it is told
		w.ready(nil)
		fmt.Println("serving")
		<-ctx.Done()
		fmt.Println("draining")
		select {}
	}
	return exitCode(w.end(nil))
}

// die panics where nobody can recover.
func die() {
	go panic("injected")
	select {}
}

// supervised returns a supervisor of fake workers, and the pauses that it makes. Its
// clock stands: workers live for no time.
func supervised(t *testing.T, does string) (s *supervisor, folder string, pauses *[]time.Duration) {
	t.Helper()
	folder, pauses = t.TempDir(), new([]time.Duration)
	s = newSupervisor(fakeCommand(does, folder))
	began := time.Now()
	s.now = func() time.Time { return began }
	s.after = func(d time.Duration) <-chan time.Time {
		*pauses = append(*pauses, d)
		return time.After(0)
	}
	return s, folder, pauses
}

// started reads what the n-th worker was told.
func started(t *testing.T, folder string, n int) workerStart {
	t.Helper()
	var w workerStart
	data, err := os.ReadFile(filepath.Join(folder, strconv.Itoa(n)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestAnEndInOrderIsTheSupervisors checks that the exit code of a worker that ends
// in order is the daemon's.
func TestAnEndInOrderIsTheSupervisors(t *testing.T) {
	for does, want := range map[string]int{"refuse": exitRefused, "exit 0": exitOK, "exit 1": exitFailed} {
		s, _, pauses := supervised(t, does)
		err := s.run(t.Context())
		var status exitStatus
		if err != nil && !errors.As(err, &status) || int(status) != want {
			t.Errorf("%s: got %v, want exit code %d", does, err, want)
		}
		if len(*pauses) != 0 {
			t.Errorf("%s: it was started again", does)
		}
	}
}

// TestACrashAtTheStartIsFinal checks that a daemon that cannot start is not tried
// for ever.
func TestACrashAtTheStartIsFinal(t *testing.T) {
	s, _, pauses := supervised(t, "fall")
	if err := s.run(t.Context()); err == nil || exitCode(err) != exitFailed || !strings.Contains(err.Error(), "exit status 2") {
		t.Errorf("got %v", err)
	}
	if len(*pauses) != 0 {
		t.Error("it was started again")
	}
	s = newSupervisor(func() (*exec.Cmd, error) { return exec.Command("/nonexistent/mpcd"), nil })
	if err := s.run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

// TestCrashesFollowedByAnother checks the pauses between crashes, and what later
// workers are told.
func TestCrashesFollowedByAnother(t *testing.T) {
	s, folder, pauses := supervised(t, "crash 8")
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := slices.Repeat([]time.Duration{apart}, 8); !slices.Equal(*pauses, want) {
		t.Errorf("pauses %v, want %v", *pauses, want)
	}
	if first := started(t, folder, 0); len(first.Listen)+len(first.Interrupted) != 0 {
		t.Errorf("the first worker was told %+v", first)
	}
	third := started(t, folder, 2)
	slices.SortFunc(third.Interrupted, func(a, b node.SessionRef) int { return int(a.SID[0]) - int(b.SID[0]) })
	if want := []node.SessionRef{ref(1), ref(3)}; !slices.Equal(third.Interrupted, want) {
		t.Errorf("the third worker was told of %v, want %v", third.Interrupted, want)
	}
	if third.Restarts != 2 || !slices.Equal(third.Listen, []string{"here"}) {
		t.Errorf("the third worker was told %+v", third)
	}
}

// TestAWorkerThatCannotStartAfterACrash checks that a daemon that has served is
// started again until it serves, in its old place or where its settings say.
func TestAWorkerThatCannotStartAfterACrash(t *testing.T) {
	s, folder, pauses := supervised(t, "stumble 3")
	if err := s.run(t.Context()); err != nil || s.crashes != 4 {
		t.Fatalf("%v, after %d crashes", err, s.crashes)
	}
	if want := []time.Duration{apart, restartFirst, 2 * restartFirst, 4 * restartFirst}; !slices.Equal(*pauses, want) {
		t.Errorf("pauses %v, want %v", *pauses, want)
	}
	for n, want := range [][]string{nil, {"here"}, nil, nil, nil} {
		if got := started(t, folder, n); !slices.Equal(got.Listen, want) {
			t.Errorf("worker %d was told to listen at %v, want %v", n, got.Listen, want)
		}
	}
	if !slices.Equal(s.listen, []string{"there"}) {
		t.Errorf("the last one listened at %v", s.listen)
	}
}

// TestReportsToASupervisorThatWasStopped fills the pipe: nothing of what did not fit
// is lost, the worker's end least of all.
func TestReportsToASupervisorThatWasStopped(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()                                               //nolint:errcheck // it was read
	w, long := &worker{reports: write}, strings.Repeat("x", 100<<10) // more than the pipe takes
	w.ready([]string{long})
	w.Began(ref(1))
	w.Began(ref(2))
	w.Ended(ref(1))
	if !w.late() || len(w.unsent) == 0 {
		t.Fatal("it was all written: nothing is tested")
	}
	go func() {
		defer write.Close() //nolint:errcheck // the reader sees it
		_ = w.end(refusef("no"))
	}()
	said := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return strings.Contains(string(w.unsent), `"exit":2`)
	}
	for start := time.Now(); !said(); <-time.After(time.Millisecond) {
		if time.Since(start) > awaitLimit {
			t.Fatal("the worker does not say that it ends")
		}
	}
	s := newSupervisor(nil)
	code, ready := s.follow(read)
	if code == nil || *code != exitRefused || !ready || !slices.Equal(s.listen, []string{long}) {
		t.Errorf("exit code %v, ready %v, %d addresses", code, ready, len(s.listen))
	}
	if got := s.interrupted(); !slices.Equal(got, []node.SessionRef{ref(2)}) {
		t.Errorf("interrupted %v", got)
	}
}

// TestAReportThatHasNoRoomIsDroppedWhole bounds what is kept for a supervisor.
func TestAReportThatHasNoRoomIsDroppedWhole(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close() //nolint:errcheck // it was read
	w := &worker{reports: write}
	w.ready([]string{strings.Repeat("x", maxUnsent-100)})
	w.Began(ref(1)) // too much
	if len(w.unsent) == 0 || len(w.unsent) > maxUnsent {
		t.Errorf("%d bytes are kept", len(w.unsent))
	}
	go func() {
		defer write.Close() //nolint:errcheck // the reader sees it
		_ = w.end(nil)
	}()
	s := newSupervisor(nil)
	if code, _ := s.follow(read); code == nil || *code != exitOK || len(s.listen) != 1 {
		t.Errorf("exit code %v, %d addresses", code, len(s.listen))
	}
}

// TestPauses checks that whoever can crash workers that serve, as often as wanted,
// keeps a party away for no longer than a start takes and a quarter of a second, that
// workers do not follow each other faster than that, and that only those that are not
// ready make the pauses grow.
func TestPauses(t *testing.T) {
	const ms = time.Millisecond
	crashed := func(lived time.Duration) workerEnd { return workerEnd{ready: true, lived: lived} }
	unready := workerEnd{lived: 100 * ms}
	for name, c := range map[string]struct {
		ends []workerEnd
		want []time.Duration
	}{
		"at once when it has lived": {
			[]workerEnd{crashed(time.Hour), crashed(time.Second), crashed(apart), crashed(apart), crashed(apart), crashed(apart)},
			[]time.Duration{0, 0, 0, 0, 0, 0},
		},
		"right after each start": {
			[]workerEnd{crashed(100 * ms), crashed(100 * ms), crashed(100 * ms), crashed(0), crashed(249 * ms)},
			[]time.Duration{150 * ms, 150 * ms, 150 * ms, 250 * ms, ms},
		},
		"not ready any more": {
			[]workerEnd{crashed(time.Hour), unready, unready, unready, unready, unready, unready, unready, crashed(apart), unready},
			[]time.Duration{0, 250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 5000 * ms, 5000 * ms, 0, 250 * ms},
		},
	} {
		s := newSupervisor(nil)
		var got []time.Duration
		for _, end := range c.ends {
			got = append(got, s.nextPause(end))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: pauses %v, want %v", name, got, c.want)
		}
	}
}

// TestAWorkerThatHasLivedIsReplacedAtOnce lets time pass while workers run.
func TestAWorkerThatHasLivedIsReplacedAtOnce(t *testing.T) {
	s, _, pauses := supervised(t, "crash 3")
	now := time.Now()
	s.now = func() time.Time {
		now = now.Add(apart / 2 * time.Duration(s.crashes+1)) // asked before and after each
		return now
	}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{apart / 2, 0, 0}; !slices.Equal(*pauses, want) {
		t.Errorf("pauses %v, want %v", *pauses, want)
	}
}

// TestSilentExit checks that a worker that ends without having said so has crashed,
// whatever its exit code.
func TestSilentExit(t *testing.T) {
	s, folder, _ := supervised(t, "vanish")
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := started(t, folder, 1); again.Restarts != 1 {
		t.Errorf("the second worker was told %+v", again)
	}
}

// TestStopInAPause checks that a supervisor that waits ends when it is told to, and
// that all is not well then if a session's coordinator was not told of its end.
func TestStopInAPause(t *testing.T) {
	for does, want := range map[string]int{"vanish": exitOK, "crash 1": exitFailed} {
		s, _, _ := supervised(t, does)
		ctx, stop := context.WithCancel(t.Context())
		s.after = func(time.Duration) <-chan time.Time {
			stop()
			return nil
		}
		if err := s.run(ctx); exitCode(err) != want || err != nil && !strings.Contains(err.Error(), "sessions (1)") {
			t.Errorf("%s: got %v, want exit code %d", does, err, want)
		}
	}
}
