package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStop checks that a worker is told to stop, and that its end is waited for.
func TestStop(t *testing.T) {
	p := startProcess(t, "serve")
	p.want("serving")
	p.signal(syscall.SIGTERM)
	p.want("drained")
	p.want("ended: <nil>")
	p.wantGone()
}

// TestNoWorkerWithoutSupervisor kills supervisors: their workers end at once, also
// one that was told to drain and does not come to an end.
func TestNoWorkerWithoutSupervisor(t *testing.T) {
	p := startProcess(t, "serve")
	p.want("serving")
	p.signal(syscall.SIGKILL)
	p.wantGone()

	p = startProcess(t, "hang")
	p.want("serving")
	p.signal(syscall.SIGTERM)
	p.want("draining")
	p.signal(syscall.SIGTERM)
	p.wantGone()
}

// TestAWorkerIsOfTheSameProgram replaces the program's file while it runs: the next
// worker is what the supervisor is, whatever has the name now.
func TestAWorkerIsOfTheSameProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "mpcd")
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o700); err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, program, "upgrade")
	p.want("replaced: <nil>")
	p.want("ended: <nil>")
	p.wantGone()
}

// replaceProgram puts something that cannot run in the place of a program.
func replaceProgram(program string) error {
	other := program + ".new"
	if err := os.WriteFile(other, []byte("another version"), 0o700); err != nil {
		return err
	}
	return os.Rename(other, program)
}

// TestNobodysWorker checks that the mark of a worker is not believed blindly.
func TestNobodysWorker(t *testing.T) {
	for _, pid := range []string{"x", "1"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fakeWorkerVariable+"=exit 0", workerVariable+"="+pid)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "unset it") {
			t.Errorf("%s=%s: %v, %s", workerVariable, pid, err, out)
		}
	}
}

// process is a fake supervisor in a process of its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // what it and its worker print; closed when both are gone
}

func startProcess(t *testing.T, does string) *process {
	t.Helper()
	return startProgram(t, os.Args[0], does)
}

func startProgram(t *testing.T, program, does string) *process {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), fakeSupervisorVariable+"="+does, fakeFolderVariable+"="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, lines: make(chan string, 16)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
		_ = cmd.Wait() // a signal may have ended it
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, if all went well
		<-ended
	})
	return p
}

// want waits for a line.
func (p *process) want(line string) {
	p.t.Helper()
	if got, ok := p.next(); !ok || got != line {
		p.t.Fatalf("it printed %q, want %q", got, line)
	}
}

// wantGone waits until supervisor and worker are gone.
func (p *process) wantGone() {
	p.t.Helper()
	if line, ok := p.next(); ok {
		p.t.Fatalf("it printed %q, and should be gone", line)
	}
}

func (p *process) next() (line string, ok bool) {
	p.t.Helper()
	select {
	case line, ok = <-p.lines:
	case <-time.After(awaitLimit):
		p.t.Fatal("the supervisor or its worker hangs")
	}
	return line, ok
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}
