package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// patience is how long a test waits for what it does not time: an ECDSA key takes a slow machine
// minutes when safe primes have to be found for it.
const patience = 5 * time.Minute

// slack is by how much a machine under load may miss a time that the system
// promises.
const slack = 5

// clusters are the networks that tests share, one a transport: starting one
// takes seconds, and most tests leave it as they found it.
var clusters = struct {
	sync.Mutex
	dir string
	by  map[cluster.Transport]*cluster.Cluster
}{by: map[cluster.Transport]*cluster.Cluster{}}

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mpc-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	clusters.dir = dir
	code := m.Run()
	if theFloor != nil {
		err = theFloor.Close()
	}
	for _, c := range clusters.by {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clusters did not end well:", err)
		code = 1
	}
	if code != 0 {
		fmt.Fprintln(os.Stderr, "logs are in", dir)
		return code
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// shared returns the transport's cluster of three parties with everything
// running, starting what an earlier test has ended.
func shared(t testing.TB, transport cluster.Transport) *cluster.Cluster {
	t.Helper()
	ctx := waiting(t)
	clusters.Lock()
	defer clusters.Unlock()
	c := clusters.by[transport]
	if c == nil {
		var err error
		c, err = cluster.Start(ctx, cluster.Config{
			Dir: filepath.Join(clusters.dir, string(transport)), Transport: transport, PreParams: 1, Log: "debug",
			Plain: transport == cluster.TCP,
		})
		if err != nil {
			t.Fatalf("start the cluster: %v", err)
		}
		clusters.by[transport] = c
	}
	for _, p := range c.Processes {
		if !p.Running() {
			if err := p.Start(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.WaitLive(ctx, 3); err != nil {
		t.Fatalf("wait for three live parties: %v", err)
	}
	return c
}

// waiting returns a context that ends with the test, or when patience does.
func waiting(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, fmt.Errorf("no answer for %v", patience))
	t.Cleanup(cancel)
	return ctx
}
