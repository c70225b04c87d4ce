package client_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// approverKeys makes an Ed25519 approver and its public key as the API takes it.
func approverKeys(t testing.TB) (crypto.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, spki(t, key)
}

func spki(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// pending starts a signing that waits for two of two approvers.
func pending(t *testing.T, c *client.Client, scheme string) (req client.SignRequest, p rest.PendingApproval, approvers []crypto.Signer) {
	t.Helper()
	first, firstKey := approverKeys(t)
	second, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := newAccount(t, c, rest.CreateAccount{Scheme: scheme, Approvers: &rest.Approvers{M: 2, Keys: []string{firstKey, spki(t, second)}}})
	req = client.SignRequest{Account: a.ID, Message: []byte("pay 1"), Hash: "sha256"}
	_, err = c.Sign(waiting(t), req)
	var waits *client.PendingError
	if !errors.As(err, &waits) || waits.Session.WaitingFor != "approvals" {
		t.Fatalf("without approvals: %v", err)
	}
	for p, err := range c.Approvals(waiting(t)) {
		if err != nil {
			t.Fatal(err)
		}
		if p.SessionID == waits.Session.ID {
			return req, p, []crypto.Signer{first, second}
		}
	}
	t.Fatal("the session is not in the list of what waits")
	return
}

func TestApprove(t *testing.T) {
	_, c := start(t)
	for _, scheme := range schemes {
		req, p, approvers := pending(t, c, scheme)
		if err := c.CheckPending(waiting(t), &p); err != nil {
			t.Fatal(err)
		}
		for i, key := range approvers {
			token, err := client.Approve(key, &p, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			session, err := c.AddApprovals(waiting(t), p.SessionID, token)
			if err != nil {
				t.Fatal(err)
			}
			if done := session.Status == "completed"; done != (i == 1) {
				t.Errorf("after %d approvals: %s", i+1, session.Status)
			}
		}
		if _, err := c.AwaitSignature(waiting(t), p.SessionID, req); err != nil {
			t.Error(err)
		}
		req.Message = []byte("pay 2")
		_, err := c.AwaitSignature(waiting(t), p.SessionID, req)
		wantError(t, err, client.ErrVerification, "another message")
	}
}

// TestApproverIsShownTheTruth alters what a coordinator shows to an approver.
func TestApproverIsShownTheTruth(t *testing.T) {
	_, c := start(t)
	_, good, approvers := pending(t, c, "ecdsa-secp256k1")
	for name, tt := range map[string]struct {
		change func(*rest.PendingApproval)
		claims bool // only CheckPending can know
	}{
		"message":   {func(p *rest.PendingApproval) { p.Message = flip(p.Message) }, false},
		"no hex":    {func(p *rest.PendingApproval) { p.Message = "x" }, false},
		"hash":      {func(p *rest.PendingApproval) { p.Hash = "keccak256" }, false},
		"no hash":   {func(p *rest.PendingApproval) { p.Hash = "md5" }, false},
		"digest":    {func(p *rest.PendingApproval) { p.Claims.Digest = flip(p.Claims.Digest) }, false},
		"operation": {func(p *rest.PendingApproval) { p.Claims.Operation = "export" }, false},
		"path":      {func(p *rest.PendingApproval) { p.Claims.Path = []uint32{1} }, false},
		"account":   {func(p *rest.PendingApproval) { p.Claims.Subject += "x" }, false},
		"session":   {func(p *rest.PendingApproval) { p.Claims.JTI += "x" }, false},
		"scheme":    {func(p *rest.PendingApproval) { p.Scheme = "eddsa-ed25519" }, false},
		"network":   {func(p *rest.PendingApproval) { p.Claims.Audience = "mainnet" }, true},
		"key":       {func(p *rest.PendingApproval) { p.Claims.Key += "x" }, true},
		"epoch":     {func(p *rest.PendingApproval) { p.Claims.Epoch++ }, true},
	} {
		p := good
		tt.change(&p)
		if err := c.CheckPending(waiting(t), &p); !errors.Is(err, client.ErrVerification) {
			t.Errorf("%s: checked: %v", name, err)
		}
		if token, err := client.Approve(approvers[0], &p, time.Hour); !tt.claims && (!errors.Is(err, client.ErrVerification) || token != "") {
			t.Errorf("%s: approved: %v", name, err)
		}
	}
}

func TestApproveRefuses(t *testing.T) {
	_, c := start(t)
	_, p, approvers := pending(t, c, "eddsa-ed25519")
	stranger, _ := approverKeys(t)
	_, err := client.Approve(stranger, &p, time.Hour)
	wantError(t, err, client.ErrNotApprover, "its id is")
	for _, life := range []time.Duration{0, -time.Hour, 25 * time.Hour} {
		if _, err := client.Approve(approvers[0], &p, life); err == nil {
			t.Errorf("an approval of %v was made", life)
		}
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Approve(p384, &p, time.Hour); err == nil {
		t.Error("a key on P-384 approved")
	}
}
