//go:build netns

package natns_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// config is what a test tells a process that it starts, on its standard input.
// The process ends with that input.
type config struct {
	Listener, Dial string        // TCP addresses: nothing but a listener, or a dialler
	Patience       time.Duration // of the dialler
	Node           *node
}

// report is a line that a process says.
type report struct {
	Error  string
	Port   string            // of the listener
	OK     bool              // the dialler's
	Addrs  []string          // the node's
	Topic  []string          // peers heard on the topic
	Frames []string          // peers whose frames came
	Peers  map[string]string // how each admitted peer is connected: direct or relayed
}

// TestMain runs the tests or, in a process that a test has started, what its
// input says.
func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		say(report{Error: err.Error()})
		os.Exit(1)
	}
}

// child is the environment variable that tells such a process from a test run.
const child = "MPC_NATNS_CHILD"

func serve() error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var cfg config
	if err := json.Unmarshal(line, &cfg); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, in) //nolint:errcheck // its end is the news
		cancel()
	}()
	switch {
	case cfg.Listener != "":
		l, err := net.Listen("tcp", cfg.Listener)
		if err != nil {
			return err
		}
		defer l.Close() //nolint:errcheck // the process ends
		_, port, err := net.SplitHostPort(l.Addr().String())
		say(report{Port: port})
		<-ctx.Done()
		return err
	case cfg.Dial != "":
		c, err := net.DialTimeout("tcp", cfg.Dial, cfg.Patience)
		if err == nil {
			c.Close() //nolint:errcheck // it was only to be seen
		}
		say(report{OK: err == nil})
		return nil
	case cfg.Node != nil:
		return cfg.Node.run(ctx)
	}
	return errors.New("nothing to do")
}

func say(r report) {
	line, err := json.Marshal(r)
	if err == nil {
		fmt.Println(string(line))
	}
}

// process is one that a test has started.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan report // closed when the process has ended
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T, cmd *exec.Cmd, cfg config) *process {
	t.Helper()
	line, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env, cmd.Stderr = append(os.Environ(), child+"=1"), os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: in, lines: make(chan report, 1000)}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				p.lines <- r
			}
		}
	}()
	return p
}

// next is what the process says next; an error of it fails the test.
func (p *process) next(t *testing.T, ctx context.Context) report {
	t.Helper()
	select {
	case r, ok := <-p.lines:
		if !ok || r.Error != "" {
			t.Fatalf("the process failed: %s", r.Error)
		}
		return r
	case <-ctx.Done():
		t.Fatal("the process says nothing")
	}
	return report{}
}

// end lets the process end and waits for it. It may be called again.
func (p *process) end() {
	p.stdin.Close() //nolint:errcheck // it may have ended by itself
	for range p.lines {
	}
	p.cmd.Wait() //nolint:errcheck // what went wrong was said
}
