package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// Pauses before a crashed worker is started again. One that was ready left a daemon
// that others count on, and somebody may know how to crash it: its successor follows at
// once or, so that crashes right after the start do not eat a core, when apart has passed
// since its own start. The next one is ready a tenth of a second later. What ends workers
// before they are ready is hardly ever something that others can do: those pauses grow.
const (
	apart        = 250 * time.Millisecond // from start to start; a start takes 30 ms of CPU
	restartFirst = 250 * time.Millisecond
	restartMost  = 5 * time.Second
)

// supervisor runs a daemon in a process of its own, the worker, and starts it
// again when it crashes: in a goroutine of a library nothing can recover from a
// panic. It opens no files of the data folder and never sees a share. The master key
// may be in its environment, for the workers, and it does nothing with it.
type supervisor struct {
	command func() (*exec.Cmd, error) // a worker to be started

	served   bool                                 // a worker was ready
	listen   []string                             // where it listened; nil: where its settings say
	sessions map[protocol.SID]node.SessionRef     // that run, or whose coordinators must be told
	crashes  int                                  // of all workers
	pause    *backoff.ExponentialBackOff          // of workers that were not ready, one after the other
	after    func(time.Duration) <-chan time.Time // time.After
	now      func() time.Time                     // time.Now
}

func newSupervisor(command func() (*exec.Cmd, error)) *supervisor {
	return &supervisor{
		command: command, sessions: map[protocol.SID]node.SessionRef{}, after: time.After, now: time.Now,
		pause: &backoff.ExponentialBackOff{InitialInterval: restartFirst, Multiplier: 2, MaxInterval: restartMost},
	}
}

// supervise runs this very program, with the same arguments, as a worker, until
// it ends in order.
func supervise(ctx context.Context) error {
	forbidCoreDumps() // the environment may hold the master key
	return newSupervisor(func() (*exec.Cmd, error) {
		program, err := ownProgram() // each time: an upgrade may replace the file meanwhile
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(program, os.Args[1:]...)
		cmd.Args[0] = os.Args[0]
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd, nil
	}).run(ctx)
}

// ownProgram is the program that runs, also after the file with its name has been
// replaced.
func ownProgram() (string, error) {
	const running = "/proc/self/exe"
	name, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("the program's own file is not known: %w", err)
	}
	now, gone := os.Stat(name)
	mine, unknown := os.Stat(running) // Linux
	if unknown == nil && (gone != nil || !os.SameFile(now, mine)) {
		return running, nil
	}
	return name, nil
}

// run returns when a worker has ended in order, or before one was ready for the
// first time; its exit code is in an exitStatus. A later one that ends before it is
// ready is started again, whatever it says: what it lacks, a port or room on the
// disk, may be back soon. When ctx ends it has the worker drain.
func (s *supervisor) run(ctx context.Context) error {
	for {
		ended, err := s.runWorker(ctx)
		if err == nil && s.served && !ended.ready && ctx.Err() == nil {
			err = fmt.Errorf("%w, before it was ready: %w", errCrash, exitStatus(ended.code))
		}
		switch {
		case err == nil:
			return exitStatus(ended.code).orNil()
		case ctx.Err() != nil:
			return fmt.Errorf("the worker crashed while it stopped: %w", err)
		case !s.served:
			return fmt.Errorf("the worker crashed at its start: %w", err)
		}
		s.crashes++
		pause := s.nextPause(ended)
		log.Errorw("the worker crashed and is started again",
			"reason", err, "restarts", s.crashes, "sessions", len(s.sessions), "pause", pause)
		select {
		case <-ctx.Done():
			return s.stoppedBetween()
		case <-s.after(pause):
		}
	}
}

// stoppedBetween is the end of a supervisor that was told to stop while there was no
// worker: nothing drains then, and coordinators may not know yet what has ended.
func (s *supervisor) stoppedBetween() error {
	if len(s.sessions) == 0 {
		return nil
	}
	return fmt.Errorf("stopped while no worker ran: a crash has ended sessions (%d) whose coordinators were not told and wait until their deadlines", len(s.sessions))
}

// nextPause is short after a worker that was ready, and grows as long as others end
// before they are.
func (s *supervisor) nextPause(ended workerEnd) time.Duration {
	if !ended.ready {
		return s.pause.NextBackOff()
	}
	s.pause.Reset()
	return max(0, apart-ended.lived)
}

// workerEnd is how a worker ended.
type workerEnd struct {
	code  int           // what it said its exit code is
	ready bool          // it was
	lived time.Duration // since it was started
}

// errCrash is why a worker is started again.
var errCrash = errors.New("it ended unexpectedly")

// runWorker runs one worker to its end; the error is nil if it ended in order.
func (s *supervisor) runWorker(ctx context.Context) (workerEnd, error) {
	cmd, err := s.command()
	if err != nil {
		return workerEnd{}, err
	}
	began := s.now()
	orders, reports, err := start(cmd)
	if err != nil {
		return workerEnd{}, fmt.Errorf("start the worker: %w", err)
	}
	defer orders.Close()  //nolint:errcheck // nobody reads it any more
	defer reports.Close() //nolint:errcheck // it was read to its end
	say := json.NewEncoder(orders)
	// What a worker that has just died was not told does not matter.
	_ = say.Encode(order{Start: &workerStart{Restarts: s.crashes, Listen: s.listen, Interrupted: s.interrupted()}})
	stop := context.AfterFunc(ctx, func() { _ = say.Encode(order{Stop: true}) })
	defer stop()
	code, ready := s.follow(reports)
	failed := cmd.Wait()
	end := workerEnd{ready: ready, lived: s.now().Sub(began)}
	switch {
	case code != nil:
		end.code = *code
		return end, nil
	case failed != nil:
		return end, failed
	}
	return end, errCrash
}

// start starts a worker with the two pipes.
func start(cmd *exec.Cmd) (orders, reports *os.File, err error) {
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirOrders.Close() //nolint:errcheck // the worker has it
	reports, theirReports, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, orders.Close())
	}
	defer theirReports.Close()                             //nolint:errcheck // the worker has it
	cmd.ExtraFiles = []*os.File{theirOrders, theirReports} // ordersFD, reportsFD
	cmd.Env = append(cmd.Environ(), workerVariable+"="+strconv.Itoa(os.Getpid()))
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, orders.Close(), reports.Close())
	}
	return orders, reports, nil
}

// follow reads a worker's reports until it has ended. It returns the exit code
// that the worker announced, if it did, and whether it was ready.
func (s *supervisor) follow(reports io.Reader) (code *int, ready bool) {
	lines := bufio.NewScanner(reports)
	lines.Buffer(nil, maxOrder)
	for lines.Scan() {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			continue // it died while it wrote
		}
		switch {
		case r.Ready != nil:
			s.served, s.listen, ready = true, r.Ready.Listen, true
		case r.NoListen:
			s.listen = nil
		case r.Began != nil:
			s.sessions[r.Began.SID] = *r.Began
		case r.Ended != nil:
			delete(s.sessions, r.Ended.SID)
		case r.Exit != nil:
			code = r.Exit
		}
	}
	return code, ready
}

// interrupted are the sessions of workers that have crashed.
func (s *supervisor) interrupted() []node.SessionRef {
	return slices.Collect(maps.Values(s.sessions))
}
