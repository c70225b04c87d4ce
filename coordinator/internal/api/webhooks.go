package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/hooks"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Webhooks tells other systems of events. *hooks.Hooks does.
type Webhooks interface {
	Create(hooks.Request) (id string, err error)
	Delete(id string, meta registry.Meta) error
	Secret(id string) (string, error)
	Deliveries(id string, p registry.Page) (list []*hooks.Delivery, next uint64, err error)
	// Render says how events are shown.
	Render(body func(delivery string, e *registry.Event) ([]byte, error))
}

func (s *server) webhookRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "create-webhook", method: http.MethodPost, path: prefix + "/webhooks", tag: "webhooks", scope: access.Webhooks,
		summary: "Have a URL called when something happens. The answer is the only one that shows the secret.",
		answers: map[int]any{http.StatusCreated: rest.Webhook{}},
		errors:  []string{registry.CodeInvalidWebhook, registry.CodeTooManyWebhooks, registry.CodeWebhookNotFound, registry.CodeStorage, codeIdempotency},
	}), s.createWebhook)
	huma.Register(api, s.operation(api, route{
		id: "list-webhooks", method: http.MethodGet, path: prefix + "/webhooks", tag: "webhooks", scope: access.Read,
		summary: "List webhooks, oldest first: there are at most 32.",
	}), s.listWebhooks)
	huma.Register(api, s.operation(api, route{
		id: "get-webhook", method: http.MethodGet, path: prefix + "/webhooks/{id}", tag: "webhooks", scope: access.Read,
		summary: "Show a webhook, without its secret.", errors: []string{registry.CodeWebhookNotFound},
	}), s.getWebhook)
	huma.Register(api, s.operation(api, route{
		id: "delete-webhook", method: http.MethodDelete, path: prefix + "/webhooks/{id}", tag: "webhooks", scope: access.Webhooks,
		summary: "Delete a webhook and its deliveries. It is not called any more.",
		errors:  []string{registry.CodeWebhookNotFound, registry.CodeStorage},
	}), s.deleteWebhook)
	huma.Register(api, s.operation(api, route{
		id: "list-deliveries", method: http.MethodGet, path: prefix + "/webhooks/{id}/deliveries", tag: "webhooks", scope: access.Read,
		summary: "List what a webhook was called with in the last 30 days, newest first.",
		errors:  []string{registry.CodeWebhookNotFound, codeInvalid, codeCursor},
	}), s.listDeliveries)
}

func (s *server) createWebhook(ctx context.Context, in *struct {
	Idempotency
	Body rest.CreateWebhook
}) (*outcome, error) {
	b := &in.Body
	id, err := s.once(ctx, asked{route: "create-webhook", body: b, key: in.Idempotency}, func(m registry.Meta) (string, error) {
		return s.cfg.Webhooks.Create(hooks.Request{URL: b.URL, Events: b.Events, Secret: b.Secret, Meta: m})
	})
	if err != nil {
		return nil, problemOf(err)
	}
	secret, err := s.cfg.Webhooks.Secret(id)
	if err != nil {
		return nil, problemOf(err)
	}
	v, err := s.webhook(ctx, id)
	if err != nil {
		return nil, err
	}
	v.Secret = secret
	return &outcome{Status: http.StatusCreated, Location: prefix + "/webhooks/" + id, Body: v}, nil
}

func (s *server) webhook(ctx context.Context, id string) (rest.Webhook, error) {
	w := s.cfg.Registry.Webhook(id)
	if w == nil {
		return rest.Webhook{}, newProblem(registry.CodeWebhookNotFound, fmt.Sprintf("there is no webhook %q", id))
	}
	return webhookView(ctx, w), nil
}

func (s *server) getWebhook(ctx context.Context, in *ByID) (*body[rest.Webhook], error) {
	v, err := s.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[rest.Webhook]{v}, nil
}

func (s *server) listWebhooks(ctx context.Context, _ *none) (*body[rest.WebhookList], error) {
	list := rest.WebhookList{Webhooks: []rest.Webhook{}}
	for _, w := range s.cfg.Registry.Webhooks() {
		list.Webhooks = append(list.Webhooks, webhookView(ctx, w))
	}
	return &body[rest.WebhookList]{list}, nil
}

func (s *server) deleteWebhook(ctx context.Context, in *ByID) (*none, error) {
	if err := s.cfg.Webhooks.Delete(in.ID, registry.Meta{Actor: actor(ctx)}); err != nil {
		return nil, problemOf(err)
	}
	return nil, nil
}

func (s *server) listDeliveries(_ context.Context, in *struct {
	ByID
	Paging
}) (*body[rest.DeliveryList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	deliveries, next, err := s.cfg.Webhooks.Deliveries(in.ID, page)
	if err != nil {
		return nil, problemOf(err)
	}
	list := rest.DeliveryList{Deliveries: make([]rest.Delivery, 0, len(deliveries)), NextCursor: cursor(next)}
	for _, d := range deliveries {
		list.Deliveries = append(list.Deliveries, deliveryView(d))
	}
	return &body[rest.DeliveryList]{list}, nil
}

// webhookView shows a webhook, its whole URL only to those who may make one.
func webhookView(ctx context.Context, w *registry.WebhookState) rest.Webhook {
	shown := w.URL
	if !access.From(ctx).May(access.Webhooks) {
		shown = hostOf(w.URL)
	}
	return rest.Webhook{ID: w.ID, URL: shown, Events: slices.Clone(w.Events), CreatedAt: w.Created}
}

// hostOf returns the scheme and the host of a URL: the rest may hold a token.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

func deliveryView(d *hooks.Delivery) rest.Delivery {
	v := rest.Delivery{
		ID: d.ID(), WebhookID: d.Webhook, EventSeq: d.Seq, EventType: string(d.Type), SessionID: d.Session, AccountID: d.Account,
		Status: string(d.Status), Tries: d.Tries, HTTP: d.HTTP, Error: d.Error,
	}
	if !d.LastTry.IsZero() {
		v.LastTry = &d.LastTry
	}
	if !d.NextTry.IsZero() {
		v.NextTry = &d.NextTry
	}
	return v
}

// webhookBody is what a webhook gets: the event, and the session or account that
// it is about as lists have them. Neither view has a share or a code.
func (s *server) webhookBody(delivery string, e *registry.Event) ([]byte, error) {
	v := rest.WebhookEvent{ID: delivery}
	accountID, sessionID := s.cfg.Registry.Concerns(e)
	session := s.cfg.Registry.Session(sessionID)
	if session == nil {
		session = &registry.Session{} // none, or pruned: there are no names in it
	} else {
		view := s.listedView(session)
		v.Session = &view
	}
	v.Event = s.eventView(e, session, make(map[string]string))
	if a := s.cfg.Registry.Account(accountID); a != nil && e.Stream == registry.AccountStream(accountID) {
		view, err := s.accountView(a)
		if err != nil {
			return nil, err
		}
		v.Account = &view
	}
	return json.Marshal(v)
}
