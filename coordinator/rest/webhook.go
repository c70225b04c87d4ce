package rest

import "time"

// CreateWebhook is the body of POST /api/v1/webhooks.
type CreateWebhook struct {
	URL    string   `json:"url" format:"uri" maxLength:"2048" doc:"https; http to a loopback address where the operator allows that (--webhook-loopback). It is called with POST."`
	Events []string `json:"events,omitempty" maxItems:"32" doc:"Types of events, or session.*; default: session.completed, session.failed, session.cancelled, session.expired, account.activated, account.failed."`
	Secret string   `json:"secret,omitempty" minLength:"32" maxLength:"128" doc:"Key of the HMAC; default: a random one, shown once in the answer."`
}

// Webhook is a webhook as the API shows it.
type Webhook struct {
	ID        string    `json:"id"`
	URL       string    `json:"url" doc:"Scheme and host alone for keys without the scope webhooks: the rest may hold a secret."`
	Events    []string  `json:"events"`
	Secret    string    `json:"secret,omitempty" doc:"Only in the answer that made the webhook."`
	CreatedAt time.Time `json:"created_at"`
}

// WebhookList is the answer of GET /api/v1/webhooks.
type WebhookList struct {
	Webhooks []Webhook `json:"webhooks"`
}

// Delivery is one event on its way to one webhook.
type Delivery struct {
	ID        string     `json:"id" doc:"The header Mpc-Delivery of each try."`
	WebhookID string     `json:"webhook_id"`
	EventSeq  uint64     `json:"event_seq"`
	EventType string     `json:"event_type"`
	SessionID string     `json:"session_id,omitempty"`
	AccountID string     `json:"account_id,omitempty"`
	Status    string     `json:"status" enum:"pending,delivered,failed"`
	Tries     int        `json:"tries"`
	LastTry   *time.Time `json:"last_try,omitempty"`
	NextTry   *time.Time `json:"next_try,omitempty"`
	HTTP      int        `json:"http_status,omitempty" doc:"Of the last try."`
	Error     string     `json:"error,omitempty" doc:"Of the last try."`
}

// DeliveryList is a page of a webhook's deliveries, newest first.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"For the next page; none: this is the last."`
}

// WebhookEvent is the body that a webhook receives. The header Mpc-Signature is
// "t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" under the secret>".
type WebhookEvent struct {
	ID      string   `json:"id" doc:"The delivery: the same in every try."`
	Event   Event    `json:"event"`
	Session *Session `json:"session,omitempty"`
	Account *Account `json:"account,omitempty"`
}
