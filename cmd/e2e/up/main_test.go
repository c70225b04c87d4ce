package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestUp runs a small cluster until it is told to stop, and reads what scripts
// would read.
func TestUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	waiting, enough := context.WithTimeout(t.Context(), 5*time.Minute)
	defer enough()
	ctx, stop := context.WithCancel(waiting)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, cluster.Config{Dir: dir, Parties: 2, PreParams: -1})
	}()
	info := awaitInfo(t, waiting, dir, ended)
	api := cluster.API{URL: info.API.URL, Key: info.API.Key}
	live := 0
	err := cluster.Poll(waiting, func() (bool, error) { // a heartbeat may be late just now
		var err error
		live, err = api.Parties(waiting)
		return live == 2, err
	})
	if err != nil {
		t.Errorf("%d live parties, want 2: %v", live, err)
	}
	if err := clear(dir); err == nil || !strings.Contains(err.Error(), "runs in") {
		t.Errorf("the folder of a running cluster must not be removed: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("up: %v", err)
	}
	if len(info.Processes) != 4 {
		t.Errorf("%d processes, want 4", len(info.Processes))
	}
	for _, p := range info.Processes {
		if p.Name == "" || p.Role == "" || p.PeerID == "" || p.DataDir == "" || p.LogFile == "" {
			t.Errorf("a process is not described: %+v", p)
		}
		if err := syscall.Kill(p.PID, 0); err == nil {
			t.Errorf("%s still runs", p.Name)
		}
	}
	if err := clear(dir); err != nil {
		t.Errorf("the folder of an ended cluster: %v", err)
	}
}

// awaitInfo waits for cluster.json.
func awaitInfo(t *testing.T, ctx context.Context, dir string, ended <-chan error) cluster.Info {
	t.Helper()
	var info cluster.Info
	err := cluster.Poll(ctx, func() (bool, error) {
		select {
		case err := <-ended:
			t.Fatalf("up ended at its start: %v", err)
		default:
		}
		data, err := os.ReadFile(filepath.Join(dir, "env"))
		if err != nil || !strings.HasSuffix(string(data), "\n") {
			return false, nil // written last
		}
		if data, err = os.ReadFile(filepath.Join(dir, "cluster.json")); err != nil {
			return false, err
		}
		return true, json.Unmarshal(data, &info)
	})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestClearRefuses keeps up from removing what is not a cluster.
func TestClearRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clear(dir); err == nil {
		t.Error("a folder with something else in it must be refused")
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}
