package hooks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Request asks for a webhook.
type Request struct {
	URL    string
	Events []string // types or "<prefix>.*"; none: the defaults
	Secret string   // empty: one is derived
	Meta   registry.Meta
}

// Create makes a webhook and returns its id. An error is a *registry.Problem.
func (h *Hooks) Create(req Request) (string, error) {
	if err := h.check(&req); err != nil {
		return "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", &registry.Problem{Code: registry.CodeInternal, Detail: "no random bytes: " + err.Error()}
	}
	secret := req.Secret
	if secret == "" {
		if secret, err = h.secrets.derive(id.String()); err != nil {
			return "", keyProblem(err)
		}
	}
	sealed, err := h.secrets.seal(id.String(), secret)
	if err != nil {
		return "", keyProblem(err)
	}
	h.making.Lock()
	defer h.making.Unlock()
	if n := len(h.cfg.Registry.Webhooks()); n >= MaxWebhooks {
		return "", &registry.Problem{Code: registry.CodeTooManyWebhooks, Detail: fmt.Sprintf("there are %d webhooks, and no more can be made: delete one first", n)}
	}
	idem := req.Meta.Idem
	if idem != nil && idem.Ref == "" {
		own := *idem
		own.Ref = id.String()
		idem = &own
	}
	return id.String(), h.append(registry.Event{
		Stream: registry.WebhookStream(id.String()), Type: registry.WebhookCreated, Actor: req.Meta.Actor, Idem: idem,
		Webhook: &registry.Webhook{URL: req.URL, Events: req.Events, Secret: sealed},
	})
}

// check checks a request and fills its defaults.
func (h *Hooks) check(req *Request) error {
	if err := h.cfg.checkURL(req.URL); err != nil {
		return &registry.Problem{Code: registry.CodeInvalidWebhook, Detail: "the webhook's url cannot be called: " + err.Error()}
	}
	if len(req.Events) == 0 {
		req.Events = slices.Clone(defaults)
	}
	if len(req.Events) > maxEvents {
		return &registry.Problem{Code: registry.CodeInvalidWebhook, Detail: fmt.Sprintf("a webhook names at most %d types of events: use session.* and the like", maxEvents)}
	}
	for _, p := range req.Events {
		if !known(p) {
			return &registry.Problem{Code: registry.CodeInvalidWebhook, Detail: fmt.Sprintf("webhooks do not hear of %q: name a type of event of sessions or accounts, such as session.completed, or session.*", p)}
		}
	}
	return nil
}

func keyProblem(err error) error {
	log.Errorw("a secret of webhooks cannot be handled", "error", err)
	return &registry.Problem{Code: registry.CodeStorage, Detail: "the coordinator's key of webhook secrets cannot be used: its log tells why"}
}

func (h *Hooks) append(e registry.Event) error {
	if err := h.cfg.Registry.Append(e); err != nil {
		log.Errorw("a webhook could not be recorded", "event", e.Type, "error", err)
		return &registry.Problem{Code: registry.CodeStorage, Detail: "the coordinator could not record the webhook: its disk may be full"}
	}
	return nil
}

// Secret returns a webhook's secret, for the answer that makes it. An error is a
// *registry.Problem.
func (h *Hooks) Secret(id string) (string, error) {
	w, err := h.webhook(id)
	if err != nil {
		return "", err
	}
	secret, err := h.secrets.open(id, w.Secret)
	if err != nil {
		return "", keyProblem(err)
	}
	return secret, nil
}

func (h *Hooks) webhook(id string) (*registry.WebhookState, error) {
	if w := h.cfg.Registry.Webhook(id); w != nil {
		return w, nil
	}
	return nil, &registry.Problem{Code: registry.CodeWebhookNotFound, Detail: fmt.Sprintf("there is no webhook %q", id)}
}

// Delete ends a webhook: no call begins any more, what is under way is broken
// off, and its deliveries are forgotten. An error is a *registry.Problem.
func (h *Hooks) Delete(id string, meta registry.Meta) error {
	if _, err := h.webhook(id); err != nil {
		return err
	}
	return h.append(registry.Event{Stream: registry.WebhookStream(id), Type: registry.WebhookDeleted, Actor: meta.Actor, Idem: meta.Idem})
}

// Deliveries lists a webhook's deliveries, newest first. next is the Before of the
// page that follows, 0 if there is none. An error is a *registry.Problem, or of
// the disk.
func (h *Hooks) Deliveries(id string, p registry.Page) (list []*Delivery, next uint64, err error) {
	if _, err := h.webhook(id); err != nil {
		return nil, 0, err
	}
	return h.store.list(id, p)
}

// reason is an error in words for whoever made the webhook.
func reason(err error) string {
	if errors.Is(err, ErrKey) {
		return "the webhook's secret cannot be opened: delete the webhook and make it anew"
	}
	const most = 300
	text := err.Error()
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
