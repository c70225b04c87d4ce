package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Floor runs ceremonies with all parties in one process, see cmd/internal/floor: what
// they cost without a network, disks and HTTP.
type Floor struct {
	cmd    *exec.Cmd
	orders *json.Encoder
	lines  *bufio.Scanner
	end    func() error
}

// floorOrder and floorAnswer are the program's lines.
type floorOrder struct {
	Op      string  `json:"op"`
	Scheme  string  `json:"scheme"`
	Count   int     `json:"count,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

type floorAnswer struct {
	Took  []float64 `json:"ms"`
	Rate  float64   `json:"rate"`
	Error string    `json:"error"`
}

// StartFloor builds the program in dir and starts it. It computes only when asked.
func StartFloor(ctx context.Context, dir string) (*Floor, error) {
	file, err := build(ctx, "internal/floor", filepath.Join(dir, "floor"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(file)
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, childAttributes()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := spawn(cmd); err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	f := &Floor{cmd: cmd, orders: json.NewEncoder(in), lines: bufio.NewScanner(out), end: in.Close}
	f.lines.Buffer(nil, 1<<20)
	return f, nil
}

// Close ends the program.
func (f *Floor) Close() error { return errors.Join(f.end(), f.cmd.Wait()) }

// Sign makes 2-of-3 signatures one after the other and tells how long each took. The
// first one of a scheme makes the key before that.
func (f *Floor) Sign(scheme string, count int) ([]time.Duration, error) {
	a, err := f.ask(floorOrder{Op: "sign", Scheme: scheme, Count: count})
	return a.durations(), err
}

// Keygen makes 2-of-3 keys one after the other; pre-parameters are in stock.
func (f *Floor) Keygen(scheme string, count int) ([]time.Duration, error) {
	a, err := f.ask(floorOrder{Op: "keygen", Scheme: scheme, Count: count})
	return a.durations(), err
}

// Rate signs on all cores for a while and returns the signatures a second.
func (f *Floor) Rate(scheme string, length time.Duration) (float64, error) {
	a, err := f.ask(floorOrder{Op: "rate", Scheme: scheme, Seconds: length.Seconds()})
	return a.Rate, err
}

func (f *Floor) ask(o floorOrder) (floorAnswer, error) {
	var a floorAnswer
	if err := f.orders.Encode(o); err != nil {
		return a, fmt.Errorf("floor: %w", err)
	}
	if !f.lines.Scan() {
		return a, fmt.Errorf("the floor has ended: %w", errors.Join(f.lines.Err(), os.ErrClosed))
	}
	if err := json.Unmarshal(f.lines.Bytes(), &a); err != nil {
		return a, fmt.Errorf("floor: %w in %q", err, f.lines.Bytes())
	}
	if a.Error != "" {
		return a, fmt.Errorf("floor: %s", a.Error)
	}
	return a, nil
}

func (a *floorAnswer) durations() []time.Duration {
	took := make([]time.Duration, len(a.Took))
	for i, ms := range a.Took {
		took[i] = time.Duration(ms * float64(time.Millisecond))
	}
	return took
}
