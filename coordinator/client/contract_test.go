package client_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// everyCall makes each of the client's calls once, with ids that are the names of
// the parameters in the API's document.
func everyCall(ctx context.Context, c *client.Client) {
	_, _ = c.Health(ctx)
	_, _ = c.Ready(ctx)
	_, _ = c.Parties(ctx)
	_, _ = c.CreateAccount(ctx, rest.CreateAccount{})
	_, _ = c.AccountPage(ctx, "", client.Page{})
	_, _ = c.Account(ctx, "{id}")
	_, _ = c.StartSign(ctx, client.SignRequest{Account: "{id}"})
	_, _ = c.SigningParties(ctx, "{id}")
	_, _ = c.SetSigningParties(ctx, "{id}")
	_, _ = c.ClearSigningParties(ctx, "{id}")
	_, _ = c.Presigning(ctx, "{id}")
	_, _ = c.SetPresign(ctx, "{id}", rest.Presign{})
	_, _ = c.ClearPresign(ctx, "{id}")
	_, _ = c.CreateSession(ctx, rest.CreateSession{})
	_, _ = c.SessionPage(ctx, client.SessionFilter{}, client.Page{})
	_, _ = c.Session(ctx, "{id}")
	_, _ = c.EventPage(ctx, "{id}", 0, 0)
	_, _ = c.CancelSession(ctx, "{id}")
	_, _ = c.AddApprovals(ctx, "{id}")
	_, _ = c.ApprovalPage(ctx, client.Page{})
	_, _ = c.CreateInvites(ctx, "{id}", rest.CreateInvites{})
	_, _ = c.Invite(ctx, "{code}")
	_, _ = c.Join(ctx, "{code}", rest.Join{})
	_, _ = c.GenerateShare(ctx, rest.GenerateShare{})
	_, _ = c.AckShare(ctx, "{id}")
	_, _ = c.CreateWebhook(ctx, rest.CreateWebhook{})
	_, _ = c.Webhooks(ctx)
	_, _ = c.Webhook(ctx, "{id}")
	_ = c.DeleteWebhook(ctx, "{id}")
	_, _ = c.DeliveryPage(ctx, "{id}", client.Page{})
	_, _ = c.AuditPage(ctx, client.AuditFilter{}, client.Page{})
}

// TestEveryRouteHasAMethod compares the client's calls with the API's document.
func TestEveryRouteHasAMethod(t *testing.T) {
	data, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var want []string
	for path, operations := range doc.Paths {
		for method := range operations {
			if path != "/openapi.yaml" {
				want = append(want, strings.ToUpper(method)+" "+path)
			}
		}
	}
	var called []string
	c := mustNew(t, client.Config{URL: "http://coordinator", Tries: 1, HTTPClient: &http.Client{
		Transport: handlerTransport(func(r *http.Request) (*http.Response, error) {
			called = append(called, r.Method+" "+r.URL.Path)
			return nil, errors.New("no answer")
		}),
	}})
	everyCall(t.Context(), c)
	for _, w := range want {
		if !slices.Contains(called, w) {
			t.Errorf("the client has no method for %s", w)
		}
	}
	for _, w := range called {
		if !slices.Contains(want, w) {
			t.Errorf("the client calls %s, which the API's document lacks", w)
		}
	}
}
