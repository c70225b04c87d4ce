package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to drain before it counts as
// hanging: three times the default bound of a drain.
const stopTimeout = 90 * time.Second

// Roles of processes, as mpcd's commands name them.
const (
	RoleBootstrap   = "bootstrap"
	RoleParty       = "party"
	RoleCoordinator = "coordinator"
)

// Process is one daemon of a cluster.
type Process struct {
	Name    string
	Role    string
	PeerID  string
	DataDir string
	LogFile string
	Config  string   // file with its settings
	Env     []string // further variables, NAME=VALUE, for its next start

	binary   string
	exec     []string       // put before it
	settings map[string]any // what Config holds
	cmd      *exec.Cmd
	exited   chan struct{} // closed when cmd has ended
	run      RunInfo
}

// RunInfo is what a daemon says of itself in DATA_DIR/run.json.
type RunInfo struct {
	PID           int      `json:"pid"`
	WorkerPID     int      `json:"worker_pid"` // of a party: the process that holds the shares
	Restarts      int      `json:"restarts"`   // how often that has crashed
	PeerID        string   `json:"peer_id"`
	Addresses     []string `json:"addresses"`
	HTTPAddresses []string `json:"http_addresses"`
	PprofAddress  string   `json:"pprof_address"` // host:port, with Config.Profiles
}

// Running says whether the process was started and has not ended.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// PID returns the process id of the latest start, 0 before it.
func (p *Process) PID() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Run returns what the process said of itself when it last started.
func (p *Process) Run() RunInfo { return p.run }

// ExitCode returns how the process ended, -1 while it runs or when a signal
// ended it.
func (p *Process) ExitCode() int {
	if p.cmd == nil || p.Running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// Start starts the process and returns when it listens.
func (p *Process) Start(ctx context.Context) error {
	if p.Running() {
		return fmt.Errorf("%s runs already", p.Name)
	}
	if err := p.writeConfig(); err != nil {
		return err
	}
	out, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	line := append(slices.Clone(p.exec), p.binary, p.Role, "--config", p.Config)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = out, out, append(cleanEnvironment(), p.Env...), childAttributes()
	if err := spawn(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	return p.waitListening(ctx)
}

// cleanEnvironment is ours without the settings of other nodes.
func cleanEnvironment() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "MPC_") && !strings.HasPrefix(name, "CRYPTO_") && !strings.HasPrefix(name, "JWT_") && name != "ALLOWED_IPS" && name != "ENVIRONMENT" {
			env = append(env, kv)
		}
	}
	return env
}

// waitListening waits for a run.json of this very process, then keeps its
// addresses for later starts.
func (p *Process) waitListening(ctx context.Context) error {
	err := Poll(ctx, func() (bool, error) {
		select {
		case <-p.exited:
			return false, fmt.Errorf("%s ended at its start: %s", p.Name, p.lastLines())
		default:
		}
		run, err := p.RunFile()
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		p.run = run
		return run.PID == p.PID(), err
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", p.Name, err)
	}
	p.keepAddresses()
	return nil
}

// RunFile reads what the process says of itself now.
func (p *Process) RunFile() (RunInfo, error) {
	var run RunInfo
	data, err := os.ReadFile(filepath.Join(p.DataDir, "run.json"))
	if err != nil {
		return run, err
	}
	if err := json.Unmarshal(data, &run); err != nil {
		return run, fmt.Errorf("%s: run.json: %w", p.Name, err)
	}
	return run, nil
}

// keepAddresses makes the ports that the system chose the process's own.
func (p *Process) keepAddresses() {
	var listen []string
	for _, addr := range p.run.Addresses {
		listen = append(listen, strings.TrimSuffix(addr, "/p2p/"+p.PeerID))
	}
	if p.Role == RoleCoordinator {
		p.settings["p2p-listen"], p.settings["listen"] = listen, p.run.HTTPAddresses
		return
	}
	p.settings["listen"] = listen
}

// Stop asks the process to drain and end (SIGTERM), and waits for it.
func (p *Process) Stop(ctx context.Context) error {
	if !p.Running() {
		return nil
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// Wait waits for the process to end; one that takes longer than stopTimeout is
// killed and reported.
func (p *Process) Wait(ctx context.Context) error {
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return errors.Join(fmt.Errorf("%s did not end within %v: %s", p.Name, stopTimeout, p.lastLines()), p.Kill())
	}
}

// Kill ends the process at once (SIGKILL), a party's supervisor and worker alike:
// both are in the group that the process leads. It returns when both are gone.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil
	}
	if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.exited
	return p.awaitWorkerEnd()
}

// awaitWorkerEnd waits until the worker of a party that was killed has ended: the data folder is
// locked until then, and on a busy machine for longer than the next party would wait for that.
func (p *Process) awaitWorkerEnd() error {
	run, err := p.RunFile()
	if err != nil || run.PID != p.PID() || run.WorkerPID == 0 {
		return nil // it has no worker, or none that was ready
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err = Poll(ctx, func() (bool, error) { return ended(run.WorkerPID), nil })
	if err != nil {
		return fmt.Errorf("the worker of %s, process %d, was killed: %w", p.Name, run.WorkerPID, err)
	}
	return nil
}

// ended tells whether nothing of a process is left but, if its parent has not asked yet, how it
// ended. Threads end one after the other, and the last one closes the files, see proc_pid_stat(5).
func ended(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // fails on malformed patterns only
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		if at := bytes.LastIndex(stat, []byte(") ")); err == nil && at >= 0 && stat[at+2] != 'Z' && stat[at+2] != 'X' {
			return false
		}
	}
	return true
}

// lastLines returns the end of the log, for errors.
func (p *Process) lastLines() string {
	data, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}

// Forget makes a copy of a Process one that was never started, with settings of
// its own.
func (p *Process) Forget() {
	p.cmd, p.exited, p.run = nil, nil, RunInfo{}
	p.settings = maps.Clone(p.settings)
}
