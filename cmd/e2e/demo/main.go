// Command demo shows the system at work: it starts a network of processes on
// this machine, makes a key on each curve, signs an Ethereum transaction and a
// message, and has both signatures verified by code that is not ours.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// limit is how long the whole demo may take: seconds, or minutes on a machine that has other
// things to do.
const limit = 15 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run makes the demo in a temporary folder, which stays behind when it fails,
// for the sake of its logs.
func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "mpc-demo-")
	if err != nil {
		return err
	}
	start := time.Now()
	c, err := startCluster(ctx, dir)
	if err != nil {
		return fmt.Errorf("%w\nlogs are in %s", err, dir)
	}
	defer func() {
		err = errors.Join(err, c.Close())
		if err != nil {
			err = fmt.Errorf("%w\nlogs are in %s", err, dir)
			return
		}
		err = os.RemoveAll(dir)
		fmt.Printf("\nAll five processes have ended. The demo took %s.\n", seconds(time.Since(start)))
	}()
	if err := signTransaction(ctx, c.API); err != nil {
		return err
	}
	if err := signMessage(ctx, c.API); err != nil {
		return err
	}
	fmt.Printf("\nTo try it yourself, run `make up` and, in another terminal:\n\n%s", cluster.CurlLines(".run"))
	return nil
}

func startCluster(ctx context.Context, dir string) (*cluster.Cluster, error) {
	fmt.Println("Starting five processes: a bootstrap node, three parties and a coordinator")
	start := time.Now()
	c, err := cluster.Start(ctx, cluster.Config{
		Dir: dir, Parties: 3, PreParams: 1,
		OnStart: func(p *cluster.Process) {
			fmt.Printf("  %-12s pid %-8d peer %s\n", p.Name, p.PID(), p.PeerID)
		},
	})
	if err != nil {
		return nil, err
	}
	fmt.Printf("  ready in %s: the coordinator at %s sees all parties\n", seconds(time.Since(start)), c.API.URL)
	return c, nil
}

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
