package access

import (
	"context"
	"net/netip"
	"slices"
)

// Caller is who makes a request.
type Caller struct {
	KeyID   string   // the API key's; empty: no key was needed
	KeyName string   // the API key's, for people
	Scopes  []string // the API key's; not to be changed
	// Session is the one session that a join token admits to, and Peer the device
	// that it was given to; such a caller has no key.
	Session   string
	Peer      string
	Client    netip.Addr // without zone, IPv4 in its own form; invalid: unknown
	RequestID string     // as in X-Request-Id
}

// May reports whether the caller's key has a scope. A route without a scope
// needs none.
func (c Caller) May(scope string) bool {
	return scope == "" || slices.Contains(c.Scopes, scope) || slices.Contains(c.Scopes, Admin)
}

type callerKey struct{}

// With returns a context that says who calls.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns who makes the request that ctx belongs to; the zero Caller
// outside of one.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
