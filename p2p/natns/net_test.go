//go:build netns

package natns_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p/natns"
)

func newNet(t *testing.T) *natns.Net {
	t.Helper()
	n, err := natns.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// reaches tells whether a TCP connection from one namespace to a listener in
// another comes about, to the address given, within a time.
func reaches(t *testing.T, n *natns.Net, from, to natns.Namespace, ip string, patience time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := start(t, n.Exec(ctx, to, self(t), "-test.run=^$"), config{Listener: "0.0.0.0:0"})
	defer server.end()
	addr := ip + ":" + server.next(t, ctx).Port
	client := start(t, n.Exec(ctx, from, self(t), "-test.run=^$"), config{Dial: addr, Patience: patience})
	defer client.end()
	return client.next(t, ctx).OK
}

// The namespaces are what the package says they are.
func TestTopology(t *testing.T) {
	n := newNet(t)
	for _, c := range []struct {
		from, to natns.Namespace
		ip       string
		want     bool
	}{
		{n.HomeA, n.Public, n.Public.IP, true},
		{n.HomeB, n.Public, n.Public.IP, true},
		{n.Public, n.HomeA, n.HomeA.IP, false},
		{n.Public, n.HomeA, n.NATA.IP, false},
		{n.HomeA, n.HomeB, n.HomeB.IP, false},
		{n.HomeA, n.HomeB, n.NATB.IP, false},
		{n.HomeB, n.HomeA, n.HomeA.IP, false},
	} {
		patience := time.Second
		if c.want {
			patience = 20 * time.Second // a first packet may be lost and comes again a second later
		}
		if got := reaches(t, n, c.from, c.to, c.ip, patience); got != c.want {
			t.Errorf("from %s to %s at %s: %v, want %v", c.from.Name, c.to.Name, c.ip, got, c.want)
		}
	}
}

// Close leaves nothing behind, and may come twice.
func TestClose(t *testing.T) {
	n := newNet(t)
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	left, err := exec.Command("ip", "netns", "list").Output()
	if err != nil || strings.Contains(string(left), n.Public.Name) || strings.Contains(string(left), n.HomeB.Name) {
		t.Errorf("left behind: %s (%v)", left, err)
	}
}
