package registry

import "time"

// WebhookState is the state of one webhook.
type WebhookState struct {
	Webhook
	ID      string
	Seq     uint64 // of its first event
	Created time.Time
	Deleted time.Time // zero while it is used
}

func (w *WebhookState) fold(e *Event) {
	switch e.Type { // only these are in a webhook's stream
	case WebhookCreated:
		if w.Seq != 0 {
			return // it was made before
		}
		w.Seq, w.Created, w.Webhook = e.Seq, e.Time, *e.Webhook
	case WebhookDeleted:
		w.Deleted = e.Time
	}
}

// Webhooks returns the webhooks that are not deleted, oldest first.
func (r *Registry) Webhooks() []*WebhookState {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []*WebhookState
	for _, e := range r.view.webhookIDs {
		if w := r.view.webhooks[e.id]; w != nil && w.Deleted.IsZero() {
			all = append(all, w)
		}
	}
	return all
}

// Webhook returns a webhook, nil if there is none or it is deleted.
func (r *Registry) Webhook(id string) *WebhookState {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if w := r.view.webhooks[id]; w != nil && w.Deleted.IsZero() {
		return w
	}
	return nil
}
