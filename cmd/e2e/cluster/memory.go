package cluster

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Memory is what a process has in memory, in bytes (proc(5), /proc/PID/smaps_rollup).
type Memory struct {
	Resident     int64 // its pages, also those that others have mapped too
	Proportional int64 // the same, a page that n processes have mapped counted as the n-th part of one
	Private      int64 // pages that it alone has: they would be free without it
}

// Memory returns that of a process and, of a party, of its worker. They share the
// program's pages: together they take worker.Resident + self.Private, which is also the
// sum of the Proportional ones if nobody else runs the same file (see OwnBinary).
func (p *Process) Memory() (self, worker Memory, err error) {
	run, err := p.RunFile()
	if err != nil {
		return self, worker, err
	}
	if self, err = memoryOf(run.PID); err != nil || run.WorkerPID == 0 {
		return self, worker, err
	}
	worker, err = memoryOf(run.WorkerPID)
	return self, worker, err
}

func memoryOf(pid int) (m Memory, err error) {
	name := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	data, err := os.ReadFile(name)
	if err != nil {
		return m, err
	}
	of := map[string]*int64{"Rss:": &m.Resident, "Pss:": &m.Proportional, "Private_Clean:": &m.Private, "Private_Dirty:": &m.Private}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 3 || of[string(fields[0])] == nil {
			continue
		}
		kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		*of[string(fields[0])] += kilobytes << 10
	}
	if m.Resident == 0 || m.Proportional == 0 {
		return m, fmt.Errorf("%s says nothing: %q", name, data)
	}
	return m, nil
}

// OwnBinary has the next start of a process run a copy of the program, in a folder:
// its pages are then nobody else's, as on a host of its own.
func (p *Process) OwnBinary(dir string) error {
	data, err := os.ReadFile(p.binary)
	if err != nil {
		return err
	}
	p.binary = filepath.Join(dir, p.Name+"-mpcd")
	return os.WriteFile(p.binary, data, 0o700)
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
