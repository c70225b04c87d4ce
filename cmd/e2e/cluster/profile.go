package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// Profile takes a CPU profile of each process, from now until stop is called, and
// writes them to dir as NAME.pb.gz for go tool pprof. The cluster must have been
// started with Config.Profiles; of a party it is the worker that is seen.
func (c *Cluster) Profile(ctx context.Context, dir string) (stop func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var running []*cpuProfile
	stop = func() error {
		errs := make([]error, len(running))
		var wg sync.WaitGroup
		for i, p := range running {
			wg.Go(func() { errs[i] = p.save(dir) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
	for _, p := range c.Processes {
		if !p.Running() {
			continue
		}
		profile, err := p.beginProfile(ctx)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		running = append(running, profile)
	}
	return stop, nil
}

// maxProfile bounds a profile, in seconds.
const maxProfile = 3600

// cpuProfile is a profile that is being taken.
type cpuProfile struct {
	name string
	conn *net.TCPConn
}

// beginProfile asks a process for a profile.
func (p *Process) beginProfile(ctx context.Context) (*cpuProfile, error) {
	conn, err := p.askProfile(ctx, fmt.Sprintf("profile?seconds=%d", maxProfile))
	if err != nil {
		return nil, err
	}
	return &cpuProfile{p.Name, conn}, nil
}

// askProfile sends a request to the process's profiles and leaves its connection open.
func (p *Process) askProfile(ctx context.Context, path string) (*net.TCPConn, error) {
	run, err := p.RunFile()
	if err != nil {
		return nil, err
	}
	if run.PprofAddress == "" {
		return nil, fmt.Errorf("%s serves no profiles: start the cluster with them", p.Name)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", run.PprofAddress)
	if err != nil {
		return nil, fmt.Errorf("profile of %s: %w", p.Name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+run.PprofAddress+"/debug/pprof/"+path, nil)
	if err == nil {
		err = req.Write(conn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("profile of %s: %w", p.Name, err), conn.Close())
	}
	return conn.(*net.TCPConn), nil
}

// save ends the profile and writes it down. The server ends it when the caller
// says that it will say no more, and still answers.
func (p *cpuProfile) save(dir string) error {
	defer p.conn.Close() //nolint:errcheck // it was read to its end
	if err := p.conn.CloseWrite(); err != nil {
		return fmt.Errorf("profile of %s: %w", p.name, err)
	}
	data, err := readAnswer(p.conn)
	if err != nil {
		return fmt.Errorf("profile of %s: %w", p.name, err)
	}
	return os.WriteFile(filepath.Join(dir, p.name+".pb.gz"), data, 0o600)
}

func readAnswer(conn net.Conn) ([]byte, error) {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", resp.StatusCode, data)
	}
	return data, err
}
