package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func newClient(t *testing.T, c *cluster.Cluster) *client.Client {
	t.Helper()
	trust := client.Trust{Network: cluster.Network}
	for _, p := range c.Parties() {
		trust.Parties = append(trust.Parties, p.PeerID)
	}
	sdk, err := client.New(client.Config{URL: c.API.URL, Key: c.API.Key, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sdk.Close)
	return sdk
}

// TestSDKOverARestart follows a session that waits for its approver over a
// restart of the coordinator, approves it, and gets its signature.
func TestSDKOverARestart(t *testing.T) {
	c := shared(t, cluster.TCP)
	sdk, ctx := newClient(t, c), waiting(t)
	public, approver, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	account, err := sdk.CreateAccount(ctx, rest.CreateAccount{
		UserID: "sdk", Scheme: cluster.EdDSA, Approvers: &rest.Approvers{M: 1, Keys: []string{base64.StdEncoding.EncodeToString(der)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	req := client.SignRequest{Account: account.ID, Message: []byte("over a restart")}
	_, err = sdk.Sign(ctx, req)
	waits := (*client.PendingError)(nil)
	if !errors.As(err, &waits) {
		t.Fatalf("without an approval: %v", err)
	}

	session, seen, restarted := waits.Session.ID, map[uint64]bool{}, false
	for e, err := range sdk.Events(ctx, session, 0) {
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		if seen[e.Seq] {
			t.Errorf("event %d came twice", e.Seq)
		}
		seen[e.Seq] = true
		if restarted {
			continue
		}
		restarted = true
		kill(t, c, "coordinator")
		start(t, c, "coordinator")
		if err := c.WaitLive(ctx, 3); err != nil {
			t.Fatal(err)
		}
		approveOne(t, sdk, session, approver)
	}
	result, err := sdk.AwaitSignature(ctx, session, req)
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.EdDSA(account.PublicKey, req.Message, result.Signature.Compact); err != nil {
		t.Error(err)
	}
}

// approveOne approves a session with one key, after the checks of an approver.
func approveOne(t *testing.T, sdk *client.Client, session string, key ed25519.PrivateKey) {
	t.Helper()
	for p, err := range sdk.Approvals(waiting(t)) {
		if err != nil {
			t.Fatal(err)
		}
		if p.SessionID != session {
			continue
		}
		if err := sdk.CheckPending(waiting(t), &p); err != nil {
			t.Fatal(err)
		}
		token, err := client.Approve(key, &p, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sdk.AddApprovals(waiting(t), session, token); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("session %s is not in the list of what waits for approval", session)
}

// TestSDKRepeatsOneCall makes the same POST twice under one key, as after a crash
// of the caller: one session.
func TestSDKRepeatsOneCall(t *testing.T) {
	c := shared(t, cluster.QUIC)
	sdk := newClient(t, c)
	account := newAccount(t, c, cluster.EdDSA)
	ctx := client.WithIdempotencyKey(waiting(t), "order-"+account.ID)
	req := client.SignRequest{Account: account.ID, Message: []byte("once")}
	first, err := sdk.Sign(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sdk.Sign(ctx, req)
	if err != nil || again.SessionID != first.SessionID || again.Signature.Compact != first.Signature.Compact {
		t.Errorf("the same call again: %+v, %v; want session %s", again, err, first.SessionID)
	}
	req.Message = []byte("twice")
	if _, err := sdk.Sign(ctx, req); client.Code(err) != "idempotency_key_reused" {
		t.Errorf("another call under the same key: %v", err)
	}
}
