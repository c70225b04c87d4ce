package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// CreateSession makes a session: a keygen, a co-managed keygen, whose answer has
// the codes of the invites, or a signing.
func (c *Client) CreateSession(ctx context.Context, req rest.CreateSession) (*rest.Session, error) {
	return post[rest.Session](ctx, c, prefix+"/sessions", req)
}

// Session shows a session. A signature in it was not verified: see
// VerifySession and AwaitSignature.
func (c *Client) Session(ctx context.Context, id string) (*rest.Session, error) {
	path, err := route("sessions", id)
	if err != nil {
		return nil, err
	}
	return get[rest.Session](ctx, c, path, nil)
}

// SessionFilter limits a list of sessions; empty fields do not.
type SessionFilter struct {
	Kind      string // rest.KindKeygen and so on
	Status    string // created, running, completed, failed, cancelled, expired
	AccountID string
}

// SessionPage returns a page of sessions.
func (c *Client) SessionPage(ctx context.Context, f SessionFilter, page Page) (*rest.SessionList, error) {
	q := page.query(url.Values{})
	with(q, "kind", f.Kind)
	with(q, "status", f.Status)
	with(q, "account_id", f.AccountID)
	return get[rest.SessionList](ctx, c, prefix+"/sessions", q)
}

// Sessions ranges over all sessions that f allows.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) iter.Seq2[rest.Session, error] {
	return everything(ctx, func(ctx context.Context, page Page) ([]rest.Session, string, error) {
		list, err := c.SessionPage(ctx, f, page)
		if err != nil {
			return nil, "", err
		}
		return list.Sessions, list.NextCursor, nil
	})
}

// CancelSession ends a session that has not ended.
func (c *Client) CancelSession(ctx context.Context, id string) (*rest.Session, error) {
	path, err := route("sessions", id, "cancel")
	if err != nil {
		return nil, err
	}
	return post[rest.Session](ctx, c, path, nil)
}

// EventPage returns at most limit (0: 200) of a session's events, oldest first,
// that come after a sequence number.
func (c *Client) EventPage(ctx context.Context, session string, after uint64, limit int) (*rest.EventList, error) {
	path, err := route("sessions", session, "events")
	if err != nil {
		return nil, err
	}
	q := url.Values{}
	if after > 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return get[rest.EventList](ctx, c, path, q)
}
