package client_test

import (
	"iter"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// collect returns everything of a list, and fails on an error.
func collect[T any](t *testing.T, list iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for v, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func TestLists(t *testing.T) {
	_, c := start(t)
	ctx := waiting(t)
	for _, user := range []string{"a", "b", "a", "a", "b"} {
		newAccount(t, c, rest.CreateAccount{UserID: user})
	}
	if all := collect(t, c.Accounts(ctx, "")); len(all) != 5 || all[0].UserID != "b" {
		t.Errorf("%d accounts, newest of %s", len(all), all[0].UserID)
	}
	if all := collect(t, c.Accounts(ctx, "a")); len(all) != 3 {
		t.Errorf("%d accounts of a, want 3", len(all))
	}
	n := 0
	for range c.Accounts(ctx, "") {
		if n++; n == 3 {
			break
		}
	}
	if all := collect(t, c.Sessions(ctx, client.SessionFilter{Kind: rest.KindKeygen})); len(all) != 5 {
		t.Errorf("%d keygens, want 5", len(all))
	}
	if all := collect(t, c.Sessions(ctx, client.SessionFilter{Status: "failed"})); len(all) != 0 {
		t.Errorf("%d failed sessions", len(all))
	}
	if all := collect(t, c.Audit(ctx, client.AuditFilter{})); len(all) != 5 {
		t.Errorf("%d audit entries, want 5", len(all))
	}
	if all := collect(t, c.Deliveries(ctx, "w")); len(all) != 3 {
		t.Errorf("%d deliveries, want 3", len(all))
	}
	for _, err := range newClientWithKey(t, c).Accounts(ctx, "") {
		if client.Code(err) != "unauthorized" {
			t.Errorf("a list without a key: %v", err)
		}
	}
}

// newClientWithKey returns a client of a server of its own, with a wrong key.
func newClientWithKey(t *testing.T, _ *client.Client) *client.Client {
	s, _ := start(t)
	return newClient(t, s, func(c *client.Config) { c.Key = "wrong" })
}

func TestPartiesThatSign(t *testing.T) {
	_, c := start(t)
	ctx, a := waiting(t), newAccount(t, c, rest.CreateAccount{})
	list, err := c.SetSigningParties(ctx, a.ID, "p1", "p3")
	if err != nil || !list.Fixed || len(list.Parties) != 2 || list.Parties[1].Name != "p3" {
		t.Errorf("fixed %+v, %v", list, err)
	}
	if list, err = c.SigningParties(ctx, a.ID); err != nil || !list.Fixed {
		t.Errorf("then %+v, %v", list, err)
	}
	if list, err = c.ClearSigningParties(ctx, a.ID); err != nil || list.Fixed || len(list.Parties) != 3 {
		t.Errorf("cleared %+v, %v", list, err)
	}
}

func TestPresignatures(t *testing.T) {
	_, c := start(t)
	ctx := waiting(t)
	a := newAccount(t, c, rest.CreateAccount{Presign: &rest.Presign{Target: 5}})
	if a.Presign == nil || !a.Presign.Set || a.Presign.Target != 5 || a.Presign.TTL != 3600 {
		t.Errorf("the account has %+v", a.Presign)
	}
	v, err := c.SetPresign(ctx, a.ID, rest.Presign{Target: 3, TTL: 60})
	if err != nil || !v.Set || v.Target != 3 || v.TTL != 60 {
		t.Errorf("set %+v, %v", v, err)
	}
	if v, err = c.Presigning(ctx, a.ID); err != nil || v.Stock != 3 {
		t.Errorf("then %+v, %v", v, err)
	}
	if v, err = c.ClearPresign(ctx, a.ID); err != nil || v.Set {
		t.Errorf("cleared %+v, %v", v, err)
	}
	eddsa := newAccount(t, c, rest.CreateAccount{Scheme: "eddsa-ed25519"})
	if _, err = c.SetPresign(ctx, eddsa.ID, rest.Presign{Target: 1}); client.Code(err) != "invalid_presign" {
		t.Errorf("with EdDSA: %v", err)
	}
}

func TestSessionsAndInvites(t *testing.T) {
	_, c := start(t)
	ctx := waiting(t)
	session, err := c.CreateSession(ctx, rest.CreateSession{Kind: rest.KindCoManagedKeygen, UserID: "u", ServerParties: 2, ExternalParties: 1})
	if err != nil || len(session.Invites) != 1 || session.Invites[0].Code == "" {
		t.Fatalf("session %+v, %v", session, err)
	}
	info, err := c.Invite(ctx, session.Invites[0].Code)
	if err != nil || info.SessionID != session.ID {
		t.Errorf("invite %+v, %v", info, err)
	}
	more, err := c.CreateInvites(ctx, session.ID, rest.CreateInvites{})
	if err != nil || len(more) != 1 {
		t.Errorf("another invite: %+v, %v", more, err)
	}
	if session, err = c.CancelSession(ctx, session.ID); err != nil || session.Status != "cancelled" {
		t.Errorf("cancelled: %+v, %v", session, err)
	}
	if _, err = c.CancelSession(ctx, session.ID); client.Code(err) != "session_finished" {
		t.Errorf("cancelled again: %v", err)
	}
}

func TestWebhookRoutes(t *testing.T) {
	_, c := start(t)
	ctx := waiting(t)
	hook, err := c.CreateWebhook(ctx, rest.CreateWebhook{URL: "https://example.com/hook"})
	if err != nil || hook.Secret == "" {
		t.Fatalf("webhook %+v, %v", hook, err)
	}
	if list, err := c.Webhooks(ctx); err != nil || len(list) != 1 || list[0].Secret != "" {
		t.Errorf("webhooks %+v, %v", list, err)
	}
	if err := c.DeleteWebhook(ctx, hook.ID); err != nil {
		t.Error(err)
	}
	if err := c.DeleteWebhook(ctx, hook.ID); client.Code(err) != "webhook_not_found" {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestOperation(t *testing.T) {
	s, _ := start(t)
	c := newClient(t, s, func(c *client.Config) { c.Key = "" })
	if h, err := c.Health(waiting(t)); err != nil || h.Status != "ok" {
		t.Errorf("health %+v, %v", h, err)
	}
	if r, err := c.Ready(waiting(t)); err != nil || r.Parties != 4 {
		t.Errorf("ready %+v, %v", r, err)
	}
	if list, err := newClient(t, s, nil).Parties(waiting(t)); err != nil || len(list) != 4 {
		t.Errorf("parties %+v, %v", list, err)
	}
}
