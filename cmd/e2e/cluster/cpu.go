package cluster

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, 100 on every Linux that
// Go runs on.
const clockTick = 10 * time.Millisecond

// CPU returns the CPU time, user and system, that the running processes have
// used since their start, in steps of 10 ms (proc(5), /proc/PID/stat).
func (c *Cluster) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, p := range c.Processes {
		if !p.Running() {
			continue
		}
		run, err := p.RunFile()
		if err != nil {
			return 0, err
		}
		for _, pid := range []int{run.PID, run.WorkerPID} {
			if pid == 0 {
				continue // it has no worker
			}
			used, err := processCPU(pid)
			if err != nil {
				return 0, fmt.Errorf("CPU of %s: %w", p.Name, err)
			}
			sum += used
		}
	}
	return sum, nil
}

func processCPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name may hold spaces; fields are counted from behind it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("unexpected form: %q", stat)
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}
