// Command up runs a network of processes on this machine until Ctrl-C, and
// describes it in DIR/cluster.json and DIR/env for scripts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

func main() {
	dir := flag.String("dir", ".run", "folder for the cluster; what an earlier run left there is removed")
	parties := flag.Int("parties", 3, "how many parties")
	transport := flag.String("transport", string(cluster.QUIC), "quic or tcp, between nodes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg := cluster.Config{Dir: *dir, Parties: *parties, Transport: cluster.Transport(*transport)}
	if err := run(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg cluster.Config) (err error) {
	if err := clear(cfg.Dir); err != nil {
		return err
	}
	cfg.OnStart = func(p *cluster.Process) {
		fmt.Printf("  %-12s pid %-8d log %s\n", p.Name, p.PID(), p.LogFile)
	}
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := describe(c, cfg.Dir); err != nil {
		return err
	}
	fmt.Printf("\nThe API is at %s, its key in %s. In another terminal:\n\n%s\nCtrl-C ends the cluster.\n",
		c.API.URL, filepath.Join(cfg.Dir, "env"), cluster.CurlLines(cfg.Dir))
	<-ctx.Done()
	fmt.Println("\nending")
	return nil
}

func describe(c *cluster.Cluster, dir string) error {
	if err := c.WriteInfo(filepath.Join(dir, "cluster.json")); err != nil {
		return err
	}
	env := fmt.Sprintf("export MPC_URL=%s MPC_KEY=%s\n", c.API.URL, c.API.Key)
	return os.WriteFile(filepath.Join(dir, "env"), []byte(env), 0o600)
}

// clear removes an earlier cluster's folder, and refuses one that holds
// anything else, or a cluster that still runs.
func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "network", "network.yaml")); err != nil {
		return fmt.Errorf("%s holds something else than a cluster: remove it or name another -dir", dir)
	}
	if pid, runs := cluster.RunsIn(dir); runs {
		return fmt.Errorf("a cluster runs in %s already (pid %d): end it or name another -dir", dir, pid)
	}
	return os.RemoveAll(dir)
}
