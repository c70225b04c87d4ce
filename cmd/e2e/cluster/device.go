package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// clientVariable names a built mpcctl.
const clientVariable = "MPCCTL"

// findClient returns the mpcctl to run, built once.
var findClient = sync.OnceValues(func() (string, error) {
	if file := os.Getenv(clientVariable); file != "" {
		return filepath.Abs(file)
	}
	dir, err := os.MkdirTemp("", "mpcctl-")
	if err != nil {
		return "", err
	}
	return build(context.Background(), "mpcctl", filepath.Join(dir, "mpcctl"))
})

// Device is a user's own device: a data folder that mpcctl works with.
type Device struct {
	Dir    string   // its data folder
	URL    string   // of the coordinator
	Prefix []string // put before mpcctl, such as "ip netns exec NAME"

	Passphrase       string
	BackupPassphrase string
}

// Device returns a device with a data folder, which mpcctl makes.
func (c *Cluster) Device(dir string) *Device {
	return &Device{Dir: dir, URL: c.API.URL, Passphrase: "a passphrase of " + filepath.Base(dir)}
}

// Exited is how a run of mpcctl ended.
type Exited struct {
	Code   int
	Stdout []byte
	Stderr string
}

func (d *Device) command(args ...string) (*exec.Cmd, error) {
	client, err := findClient()
	if err != nil {
		return nil, err
	}
	line := append(append(slices.Clone(d.Prefix), client), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(cleanEnvironment(),
		"MPCCTL_DATA_DIR="+d.Dir, "MPC_URL="+d.URL, "MPC_PASSPHRASE="+d.Passphrase, "MPC_BACKUP_PASSPHRASE="+d.BackupPassphrase,
		"MPCCTL_CONFIG="+os.DevNull)
	cmd.SysProcAttr = childAttributes()
	return cmd, nil
}

// Run runs mpcctl to its end.
func (d *Device) Run(ctx context.Context, args ...string) (Exited, error) {
	cmd, err := d.command(args...)
	if err != nil {
		return Exited{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := spawn(cmd); err != nil {
		return Exited{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return Exited{}, err
	}
	return Exited{cmd.ProcessState.ExitCode(), stdout.Bytes(), stderr.String()}, ctx.Err()
}

// JoinEvent is a line that mpcctl join --json prints.
type JoinEvent struct {
	Event    string `json:"event"`
	PeerID   string `json:"peer_id"`
	Detail   string `json:"detail"`
	Question *struct {
		Fingerprint string `json:"fingerprint"`
		Digest      string `json:"digest"`
		Members     []struct {
			PeerID string `json:"peer_id"`
			Role   string `json:"role"`
			Self   bool   `json:"self"`
		} `json:"members"`
	} `json:"question"`
	Result *struct {
		AccountID   string     `json:"account_id"`
		PublicKey   string     `json:"public_key"`
		Fingerprint string     `json:"fingerprint"`
		Addresses   Addresses  `json:"addresses"`
		Signature   *Signature `json:"signature"`
	} `json:"result"`
	Session *struct {
		Type  string `json:"type"`
		Round int    `json:"round"`
	} `json:"session"`
}

// Joining is a run of mpcctl join.
type Joining struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	events chan JoinEvent
	done   chan struct{}
	stderr bytes.Buffer
}

// Join starts mpcctl join.
func (d *Device) Join(code string, args ...string) (*Joining, error) {
	cmd, err := d.command(append([]string{"join", "--json", code}, args...)...)
	if err != nil {
		return nil, err
	}
	j := &Joining{cmd: cmd, events: make(chan JoinEvent, 4096), done: make(chan struct{})}
	cmd.Stderr = &j.stderr
	if j.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := spawn(cmd); err != nil {
		return nil, err
	}
	go func() {
		defer close(j.done)
		j.read(out)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	return j, nil
}

// read decodes what mpcctl prints, to the end.
func (j *Joining) read(out io.Reader) {
	defer close(j.events)
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e JoinEvent
		if err := json.Unmarshal(line, &e); err != nil {
			e = JoinEvent{Event: "malformed", Detail: string(line)}
		}
		j.events <- e
	}
}

// Event waits for an event of a type.
func (j *Joining) Event(ctx context.Context, kind string) (JoinEvent, error) {
	for {
		select {
		case <-ctx.Done():
			return JoinEvent{}, fmt.Errorf("wait for the event %q of mpcctl join: %w", kind, context.Cause(ctx))
		case e, ok := <-j.events:
			switch {
			case !ok:
				<-j.done
				return JoinEvent{}, fmt.Errorf("mpcctl join ended with exit code %d before the event %q: %s", j.cmd.ProcessState.ExitCode(), kind, j.stderr.String())
			case e.Event == kind:
				return e, nil
			case e.Event == "malformed":
				return e, fmt.Errorf("mpcctl join printed %q", e.Detail)
			}
		}
	}
}

// Answer types a line.
func (j *Joining) Answer(line string) error {
	_, err := io.WriteString(j.in, line+"\n")
	return err
}

// Signal sends a signal to the process.
func (j *Joining) Signal(s syscall.Signal) error { return j.cmd.Process.Signal(s) }

// Wait waits for the end of the process; when ctx ends first it is killed.
func (j *Joining) Wait(ctx context.Context) (Exited, error) {
	defer context.AfterFunc(ctx, func() { _ = j.cmd.Process.Kill() })()
	<-j.done
	return Exited{Code: j.cmd.ProcessState.ExitCode(), Stderr: j.stderr.String()}, ctx.Err()
}
