package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Info is cluster.json: what a script needs to know of a running cluster.
type Info struct {
	Network   string        `json:"network"`
	API       APIInfo       `json:"api"`
	Processes []ProcessInfo `json:"processes"`
}

// APIInfo says how to call the coordinator.
type APIInfo struct {
	URL string `json:"url"`
	Key string `json:"key"`
}

// ProcessInfo describes one process.
type ProcessInfo struct {
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	PeerID    string   `json:"peer_id"`
	PID       int      `json:"pid"`
	DataDir   string   `json:"data_dir"`
	LogFile   string   `json:"log_file"`
	Config    string   `json:"config_file"`
	Addresses []string `json:"addresses"`
}

// Info describes the cluster as it runs.
func (c *Cluster) Info() Info {
	info := Info{Network: Network, API: APIInfo{URL: c.API.URL, Key: c.API.Key}}
	for _, p := range c.Processes {
		info.Processes = append(info.Processes, ProcessInfo{
			Name: p.Name, Role: p.Role, PeerID: p.PeerID, PID: p.PID(), DataDir: p.DataDir,
			LogFile: p.LogFile, Config: p.Config, Addresses: p.run.Addresses,
		})
	}
	return info
}

// WriteInfo writes the description to a file that only its owner can read, for
// it holds the API key.
func (c *Cluster) WriteInfo(file string) error {
	data, err := json.MarshalIndent(c.Info(), "", "  ")
	if err != nil {
		return fmt.Errorf("describe cluster: %w", err)
	}
	return os.WriteFile(file, append(data, '\n'), 0o600)
}

// RunsIn says whether a process of the cluster that a folder describes still
// runs, and names one.
func RunsIn(dir string) (pid int, runs bool) {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "run.json")) // fails on malformed patterns only
	for _, file := range files {
		var run RunInfo
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &run) != nil || run.PID <= 0 {
			continue
		}
		if syscall.Kill(run.PID, 0) == nil {
			return run.PID, true
		}
	}
	return 0, false
}

// CurlLines are commands to try on a cluster that runs in dir, see package up.
func CurlLines(dir string) string {
	return "  . " + filepath.Join(dir, "env") + "\n" + curlLines
}

const curlLines = `  curl -s -H "X-API-Key: $MPC_KEY" $MPC_URL/api/v1/parties
  curl -s -H "X-API-Key: $MPC_KEY" $MPC_URL/api/v1/accounts \
       -H 'Content-Type: application/json' -d '{"user_id": "alice"}'
  curl -s -H "X-API-Key: $MPC_KEY" $MPC_URL/api/v1/accounts/ID/sign \
       -H 'Content-Type: application/json' -d '{"message": "'$(openssl rand -hex 32)'"}'
`
