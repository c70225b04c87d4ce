//go:build netns

package e2e

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/p2p/natns"
)

// TestBehindNAT has the network in public and two users' devices in two homes,
// each behind its own address translation: neither can dial the other, and nobody
// can dial them. They make a key and sign through the relay of the bootstrap node.
func TestBehindNAT(t *testing.T) {
	n, err := natns.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, transport := range []cluster.Transport{cluster.QUIC, cluster.TCP} {
		t.Run(string(transport), func(t *testing.T) { behindNAT(t, n, transport) })
	}
}

func behindNAT(t *testing.T, n *natns.Net, transport cluster.Transport) {
	c, err := cluster.Start(waiting(t), cluster.Config{
		Dir: filepath.Join(clusters.dir, "nat-"+string(transport)), Transport: transport, PreParams: -1, Log: "debug",
		Exec: inside(n.Public), Host: n.Public.IP, Client: clientIn(n.Public), Guests: []string{n.NATA.IP, n.NATB.IP},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	alice, bob := newDevice(t, c, "alice"), newDevice(t, c, "bob")
	alice.Prefix, bob.Prefix = inside(n.HomeA), inside(n.HomeB)
	key := makeCoManaged(t, c, cluster.EdDSA, alice, bob)
	t.Run("both sign", func(t *testing.T) { key.sign(t, c, alice, bob) })
	t.Run("one signs with a party", func(t *testing.T) { key.sign(t, c, bob) })
}

func inside(ns natns.Namespace) []string { return []string{"ip", "netns", "exec", ns.Name} }

// clientIn returns a client whose connections begin in a namespace.
func clientIn(ns natns.Namespace) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		type dialled struct {
			conn net.Conn
			err  error
		}
		done := make(chan dialled, 1)
		go func() {
			// The thread is not given back: it ends with the goroutine, and with it its
			// being in another namespace. A socket stays in the one that it was made in.
			runtime.LockOSThread()
			conn, err := dialIn(ctx, ns, addr)
			done <- dialled{conn, err}
		}()
		d := <-done
		return d.conn, d.err
	}}}
}

// dialIn moves this thread into a namespace and dials an IP address from there.
// The dial stays on the thread as there is but one address to try.
func dialIn(ctx context.Context, ns natns.Namespace, addr string) (net.Conn, error) {
	f, err := os.Open(filepath.Join("/run/netns", ns.Name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 30 * time.Second}
	return d.DialContext(ctx, "tcp4", addr)
}
