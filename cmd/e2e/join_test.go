package e2e

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// coManagedSession makes a keygen session of one party and two devices.
func coManagedSession(t testing.TB, c *cluster.Cluster) session {
	t.Helper()
	return createSession(t, c, map[string]any{
		"kind": "co_managed_keygen", "user_id": t.Name(), "scheme": cluster.EdDSA, "server_parties": 1, "external_parties": 2,
	})
}

// joined waits until a device is in the network.
func joined(t testing.TB, j *cluster.Joining) {
	t.Helper()
	if _, err := j.Event(waiting(t), "joined"); err != nil {
		t.Fatal(err)
	}
}

func cancelSession(t testing.TB, c *cluster.Cluster, id string) {
	t.Helper()
	if err := c.API.Call(waiting(t), http.MethodPost, "/api/v1/sessions/"+id+"/cancel", nil, nil); err != nil {
		t.Fatal(err)
	}
}

// says wants exit code and words of a join that cannot come about.
func says(t testing.TB, d *cluster.Device, code string, exit int, words string, args ...string) {
	t.Helper()
	end, err := d.Run(waiting(t), append([]string{"join", code}, args...)...)
	if err != nil || end.Code != exit || !strings.Contains(end.Stderr, words) {
		t.Errorf("mpcctl join ended with exit code %d (%v) and said %q; want %d and %q", end.Code, err, end.Stderr, exit, words)
	}
}

// TestJoinRefused goes through what keeps a device out, each with words of its
// own.
func TestJoinRefused(t *testing.T) {
	c := shared(t, cluster.QUIC)
	s := coManagedSession(t, c)
	code := s.Invites[0].Code
	d := newDevice(t, c, "d")
	says(t, d, "mpci_nothing", 4, "no such invite")
	says(t, d, code, 2, "contradict", "--yes", "--fingerprint", "X")
	j := join(t, d, code)
	joined(t, j)
	says(t, d, code, 2, "in use")
	wrong := *d
	wrong.Passphrase = "not the passphrase"
	other := newDevice(t, c, "other")
	says(t, other, code, 4, "another device has used it")
	far := newDevice(t, c, "far")
	far.URL = "http://127.0.0.1:1"
	says(t, far, code, 3, "cannot be reached")
	cancelSession(t, c, s.ID)
	if text := exits(t, j, 1); !strings.Contains(text, "cancelled") {
		t.Errorf("the session was cancelled, and mpcctl join said %q", text)
	}
	says(t, &wrong, s.Invites[1].Code, 2, "wrong passphrase")
	says(t, other, s.Invites[1].Code, 1, "expired")
}

// TestJoinComesBack ends a device in every way while it is waited for; it comes
// back with the same code, and so does the coordinator.
func TestJoinComesBack(t *testing.T) {
	c := shared(t, cluster.QUIC)
	s := coManagedSession(t, c)
	alice, bob := newDevice(t, c, "alice"), newDevice(t, c, "bob")
	first := join(t, alice, s.Invites[0].Code)
	joined(t, first)
	if err := first.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if text := exits(t, first, 1); !strings.Contains(text, "interrupted") {
		t.Errorf("interrupted, mpcctl join said %q", text)
	}
	again := join(t, alice, s.Invites[0].Code)
	joined(t, again)
	kill(t, c, "coordinator")
	start(t, c, "coordinator")
	if err := c.WaitLive(waiting(t), 3); err != nil {
		t.Fatal(err)
	}
	second := join(t, bob, s.Invites[1].Code, "--yes")
	asked := question(t, again)
	if err := again.Signal(syscall.SIGKILL); err != nil { // in the middle of the question
		t.Fatal(err)
	}
	exits(t, again, -1)
	err := cluster.Poll(waiting(t), func() (bool, error) { return hasEvent(t, c, s.ID, "party.lost", ""), nil })
	if err != nil {
		t.Fatalf("the coordinator does not miss the device: %v", err)
	}
	began := time.Now()
	last := join(t, alice, s.Invites[0].Code, "--yes")
	completed(t, last)
	completed(t, second)
	t.Logf("%v from the return to the key; the first fingerprint was %s", time.Since(began), asked.Question.Fingerprint)
}

// TestFingerprintDiffers has a user who expects other members than those that
// have come.
func TestFingerprintDiffers(t *testing.T) {
	c := shared(t, cluster.QUIC)
	s := coManagedSession(t, c)
	careful := join(t, newDevice(t, c, "careful"), s.Invites[0].Code, "--fingerprint", "AAAA BBBB CCCC DDDD EEEE FFFF")
	other := join(t, newDevice(t, c, "other"), s.Invites[1].Code, "--yes")
	if text := exits(t, careful, 5); !strings.Contains(text, "fingerprint is not the expected one") {
		t.Errorf("mpcctl join said %q", text)
	}
	if text := exits(t, other, 1); !strings.Contains(text, "refused") {
		t.Errorf("the other's mpcctl join said %q", text)
	}
	if !hasEvent(t, c, s.ID, "party.refused", "declined") {
		t.Error("no event says that a device declined")
	}
	key := newAccount(t, c, cluster.EdDSA)
	sign := createSession(t, c, map[string]any{"kind": "sign", "account_id": key.ID, "message": hexOf(randomMessage())})
	if got := ended(t, c, sign.ID); got.Status != "completed" {
		t.Errorf("afterwards the network does not sign: %+v", got)
	}
}

// TestStrangerCannotSign joins a signing with a device that has no share.
func TestStrangerCannotSign(t *testing.T) {
	c := shared(t, cluster.QUIC)
	key := newCoManaged(t, c, cluster.EdDSA)
	s, _ := key.startSign(t, c, 1)
	says(t, newDevice(t, c, "stranger"), s.Invites[0].Code, 2, "holds no share")
	cancelSession(t, c, s.ID)
	if got := ended(t, c, s.ID); got.Status != "cancelled" {
		t.Errorf("the session is %+v", got)
	}
}
