package device

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// patience is for what comes within seconds, unless the machine has other things to do.
const patience = 2 * time.Minute

func keygenInvite() rest.InviteInfo {
	return rest.InviteInfo{
		SessionID: "session-1", Kind: rest.KindCoManagedKeygen, UserID: "alice", AccountID: "account-1", KeygenSessionID: "session-1",
		Scheme: "eddsa-ed25519", ThresholdT: 2, ThresholdN: 3, Network: "test", SessionStatus: "created", Status: "open", ExpiresAt: time.Now().Add(time.Hour),
	}
}

func signInvite(key madeKey, message string) rest.InviteInfo {
	r := &key.records[1]
	text := hex.EncodeToString([]byte(message))
	return rest.InviteInfo{
		SessionID: "signing", Kind: rest.KindSign, UserID: "alice", AccountID: r.Spec.Account, KeygenSessionID: r.Spec.Key,
		PublicKey: hex.EncodeToString(r.PublicKey), Scheme: "eddsa-ed25519", ThresholdT: 2, ThresholdN: 3,
		Message: text, Hash: "none", Digest: text, Network: "test", SessionStatus: "created", Status: "open", ExpiresAt: time.Now().Add(time.Hour),
	}
}

func joinWith(ctx context.Context, f *Folder, a *fakeAPI, user User) (*Result, error) {
	return f.Join(ctx, JoinConfig{Code: "code", User: user, Connect: a.connect, Software: "test"})
}

// An invite that is not what this device's own record says is refused before the
// device joins.
func TestInvitesThatDoNotFit(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	f := holder(t, key)
	defer closeFolder(t, f)
	for name, c := range map[string]struct {
		change func(*rest.InviteInfo)
		want   error
	}{
		"another key":        {func(v *rest.InviteInfo) { v.KeygenSessionID = "other" }, ErrNoShare},
		"another account":    {func(v *rest.InviteInfo) { v.AccountID = "other" }, ErrMismatch},
		"another public key": {func(v *rest.InviteInfo) { v.PublicKey = "00" }, ErrMismatch},
		"another network":    {func(v *rest.InviteInfo) { v.Network = "other" }, ErrMismatch},
		"another digest":     {func(v *rest.InviteInfo) { v.Digest = "00" }, ErrMismatch},
		"another hash":       {func(v *rest.InviteInfo) { v.Hash = "sha256" }, ErrMismatch},
		"unknown hash":       {func(v *rest.InviteInfo) { v.Hash = "rot13" }, ErrMismatch},
		"no hexadecimal":     {func(v *rest.InviteInfo) { v.Message = "x" }, ErrMismatch},
	} {
		invite := signInvite(key, "pay bob")
		c.change(&invite)
		a := newAPI(t, invite, false)
		if _, err := joinWith(t.Context(), f, a, &person{}); !errors.Is(err, c.want) || a.joined() != 0 {
			t.Errorf("%s: %v after %d joins, want %v", name, err, a.joined(), c.want)
		}
	}
}

func TestInvitesThatAreSpent(t *testing.T) {
	f := openWith(t, testFolder(t), newKey(t))
	defer closeFolder(t, f)
	for _, status := range []string{"expired", "revoked"} {
		invite := keygenInvite()
		invite.Status = status
		a := newAPI(t, invite, false)
		if _, err := joinWith(t.Context(), f, a, &person{}); err == nil || !strings.Contains(err.Error(), status) || a.joined() != 0 {
			t.Errorf("%s: %v", status, err)
		}
	}
	a := newAPI(t, keygenInvite(), false)
	a.refuse = &rest.Problem{Status: http.StatusGone, Code: "invite_spent", Detail: "another device has used it"}
	if _, err := joinWith(t.Context(), f, a, &person{}); client.Code(err) != "invite_spent" {
		t.Errorf("used: %v", err)
	}
}

// Who has the key already is told so: the invite's session is over.
func TestJoinAgainAfterTheKeygen(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	f := holder(t, key)
	defer closeFolder(t, f)
	invite := keygenInvite()
	invite.Status, invite.SessionStatus = "used", "completed"
	r, err := joinWith(t.Context(), f, newAPI(t, invite, false), &person{})
	if err != nil || r.PublicKey != hex.EncodeToString(key.records[1].PublicKey) || r.Addresses.Solana == "" {
		t.Errorf("join again: %+v, %v", r, err)
	}
}

// A session that ends without a result says so.
func TestTheSessionEnds(t *testing.T) {
	f := openWith(t, testFolder(t), newKey(t))
	defer closeFolder(t, f)
	a := newAPI(t, keygenInvite(), true)
	user := &person{}
	done := make(chan error, 1)
	go func() {
		_, err := joinWith(t.Context(), f, a, user)
		done <- err
	}()
	p2ptest.Eventually(t, patience, "the device to join", func() bool { return user.count(EventJoined) == 1 })
	a.end("cancelled", &rest.Problem{Code: "cancelled", Detail: "the session was cancelled on request"})
	var ended *SessionError
	if err := <-done; !errors.As(err, &ended) || !strings.Contains(err.Error(), "cancelled on request") {
		t.Errorf("the session was cancelled: %v", err)
	}
}

// A coordinator that says "completed" makes no key.
func TestACompletedSessionWithoutAShare(t *testing.T) {
	f := openWith(t, testFolder(t), newKey(t))
	defer closeFolder(t, f)
	a := newAPI(t, keygenInvite(), true)
	a.end("completed", nil)
	if _, err := joinWith(t.Context(), f, a, &person{}); !errors.Is(err, ErrMismatch) {
		t.Errorf("completed: %v", err)
	}
}

// The pass ends while the session waits: the device joins again, and is admitted
// again.
func TestThePassIsRenewed(t *testing.T) {
	f := openWith(t, testFolder(t), newKey(t))
	defer closeFolder(t, f)
	a := newAPI(t, keygenInvite(), true)
	a.passLife = func(join int) time.Duration {
		if join < 3 {
			return 4 * time.Second // enough for a slow machine to come into the network before its end
		}
		return time.Hour // with the last one the device stays
	}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := joinWith(ctx, f, a, &person{})
		done <- err
	}()
	p2ptest.Eventually(t, patience, "a third join", func() bool { return a.joined() == 3 })
	p2ptest.Eventually(t, patience, "the device to be admitted with the third pass", func() bool {
		m, in := a.coord.Member(f.Peer())
		return in && time.Until(m.Expires) > time.Minute
	})
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("left: %v", err)
	}
}

func TestAnUnreachableCoordinator(t *testing.T) {
	f := openWith(t, testFolder(t), newKey(t))
	defer closeFolder(t, f)
	_, err := f.Join(t.Context(), JoinConfig{Code: "code", User: &person{}, Connect: func(string) (*client.Client, error) {
		return client.New(client.Config{URL: "http://127.0.0.1:1", Tries: 1})
	}})
	if !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// A device that has its share already, and is asked to join again, shows the key
// only if the session has made it: otherwise its part may be known to nobody yet,
// or the key must not be used.
func TestJoiningAgainWithAShare(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	f := holder(t, key)
	defer closeFolder(t, f)
	for status, want := range map[string]struct {
		result bool
		err    error
	}{
		"completed": {true, nil}, "failed": {false, ErrEnded}, "cancelled": {false, ErrEnded}, "expired": {false, ErrEnded},
		"running": {false, nil}, "created": {false, nil}, // it goes online again
	} {
		invite := keygenInvite()
		invite.SessionStatus, invite.Status = status, "used"
		j := &joiner{JoinConfig: JoinConfig{User: &person{}}, invite: &invite, folder: f}
		got, err := j.resume(&key.records[1])
		if (got != nil) != want.result || !errors.Is(err, want.err) {
			t.Errorf("%s: %v, %v", status, got, err)
		}
	}
}
