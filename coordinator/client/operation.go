package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Health tells whether the coordinator answers. It is tried once.
func (c *Client) Health(ctx context.Context) (*rest.Health, error) {
	return fetch[rest.Health](ctx, c, &call{method: http.MethodGet, path: "/health", once: true})
}

// Ready tells whether sessions can run; if not, the error is a *rest.Problem
// with the reasons. It is tried once.
func (c *Client) Ready(ctx context.Context) (*rest.Ready, error) {
	return fetch[rest.Ready](ctx, c, &call{method: http.MethodGet, path: "/ready", once: true})
}

// Parties shows the pool.
func (c *Client) Parties(ctx context.Context) ([]rest.Party, error) {
	list, err := get[rest.PartyList](ctx, c, prefix+"/parties", nil)
	if err != nil {
		return nil, err
	}
	return list.Parties, nil
}

// AuditFilter limits the audit log; empty fields do not.
type AuditFilter struct {
	Actor     string // id of an API key
	AccountID string
	Type      string // of the event
}

// AuditPage returns a page of the audit log.
func (c *Client) AuditPage(ctx context.Context, f AuditFilter, page Page) (*rest.AuditList, error) {
	q := page.query(url.Values{})
	with(q, "actor", f.Actor)
	with(q, "account_id", f.AccountID)
	with(q, "type", f.Type)
	return get[rest.AuditList](ctx, c, prefix+"/audit", q)
}

// Audit ranges over the audit log, newest entry first.
func (c *Client) Audit(ctx context.Context, f AuditFilter) iter.Seq2[rest.AuditEntry, error] {
	return everything(ctx, func(ctx context.Context, page Page) ([]rest.AuditEntry, string, error) {
		list, err := c.AuditPage(ctx, f, page)
		if err != nil {
			return nil, "", err
		}
		return list.Entries, list.NextCursor, nil
	})
}
