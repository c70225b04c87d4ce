package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/meshmpc/mpcd/p2p"
)

// runFile is DATA_DIR/run.json: what scripts need to know of a running daemon,
// for ports may be chosen by the system.
type runFile struct {
	PID           int        `json:"pid"`                  // to be signalled: a party's supervisor
	WorkerPID     int        `json:"worker_pid,omitempty"` // parties only: another one after each restart
	Restarts      int        `json:"restarts,omitempty"`   // how often the worker has crashed
	Role          p2p.Role   `json:"role"`
	Name          string     `json:"name"`
	Network       string     `json:"network"`
	PeerID        p2p.PeerID `json:"peer_id"`
	Addresses     []string   `json:"addresses"`                // multiaddrs, with the peer id
	HTTPAddresses []string   `json:"http_addresses,omitempty"` // host:port, coordinators only
	PprofAddress  string     `json:"pprof_address,omitempty"`  // host:port, of a party's worker
	Started       time.Time  `json:"started"`
	Version       string     `json:"version"`
}

// announce says, in the log and in run.json, that the daemon listens. The
// returned function removes the file.
func (d *dataDir) announce(addresses, http []string) (withdraw func(), err error) {
	run := runFile{
		PID: os.Getpid(), Role: d.self.Role, Name: d.self.Name, Network: d.network.Name, PeerID: d.self.Peer,
		Addresses: addresses, HTTPAddresses: http, PprofAddress: d.pprof, Started: time.Now().UTC(), Version: version,
	}
	if w := d.worker; w != nil {
		run.PID, run.WorkerPID, run.Restarts = w.supervisor, os.Getpid(), w.Restarts
	}
	data, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", fileRun, err)
	}
	file := d.file(fileRun)
	if err := replaceFile(file, append(data, '\n'), 0o600); err != nil {
		return nil, err
	}
	fields := []any{"role", run.Role, "name", run.Name, "network", run.Network, "peer", run.PeerID, "addresses", addresses, "version", version}
	if len(http) > 0 {
		fields = append(fields, "http", http)
	}
	log.Infow("ready", fields...)
	return func() {
		if err := os.Remove(file); err != nil {
			log.Warnw("run file stays behind", "error", err)
		}
	}, nil
}
