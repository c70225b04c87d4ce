package cluster

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
)

// RSS returns the resident memory of a process and, of a party, of its worker, in
// bytes (proc(5), VmRSS). Both have the program's pages, which memory holds once.
func (p *Process) RSS() (self, worker int64, err error) {
	run, err := p.RunFile()
	if err != nil {
		return 0, 0, err
	}
	if self, err = rss(run.PID); err != nil || run.WorkerPID == 0 {
		return self, 0, err
	}
	worker, err = rss(run.WorkerPID)
	return self, worker, err
}

func rss(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, found := bytes.Cut(data, []byte("\nVmRSS:"))
	fields := bytes.Fields(after)
	if !found || len(fields) < 2 {
		return 0, fmt.Errorf("process %d has no VmRSS", pid)
	}
	kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kilobytes << 10, err
}

// Heap collects the garbage of a process, of a party's worker, and returns the bytes
// that are in use afterwards (runtime.MemStats.HeapAlloc). The cluster must have been started with
// Config.Profiles.
func (p *Process) Heap(ctx context.Context) (int64, error) {
	conn, err := p.askProfile(ctx, "heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // it was read to its end
	data, err := readAnswer(conn)
	if err != nil {
		return 0, fmt.Errorf("heap of %s: %w", p.Name, err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if value, ok := bytes.CutPrefix(lines.Bytes(), []byte("# HeapAlloc = ")); ok {
			return strconv.ParseInt(string(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("heap of %s: the profile does not say what is in use", p.Name)
}
