package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scopes say what a key may do. A route names the one that it needs.
const (
	Read     = "read"     // every GET below /api/v1 but the audit log
	Accounts = "accounts" // make accounts, fix their signing parties and presignatures
	Sign     = "sign"     // start signing sessions, hand in approvals
	Sessions = "sessions" // start other sessions, invite to them, cancel any
	Shares   = "shares"   // fetch and acknowledge users' shares
	Webhooks = "webhooks" // make, change and remove webhooks
	Admin    = "admin"    // everything, and the audit log
)

// ErrScope reports a scope that does not exist.
var ErrScope = errors.New("no such scope")

var scopes = []string{Read, Accounts, Sign, Sessions, Shares, Webhooks, Admin}

// AllScopes lists every scope.
func AllScopes() []string { return slices.Clone(scopes) }

// CheckScopes returns the named scopes, each once and in the order of AllScopes.
// It refuses an empty list with ErrScope, too: such a key could do nothing.
func CheckScopes(names []string) ([]string, error) {
	var list []string
	for _, s := range scopes {
		if slices.Contains(names, s) {
			list = append(list, s)
		}
	}
	for _, n := range names {
		if !slices.Contains(scopes, n) {
			return nil, fmt.Errorf("%w as %q: the scopes are %s", ErrScope, n, strings.Join(scopes, ", "))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: name at least one of %s", ErrScope, strings.Join(scopes, ", "))
	}
	return list, nil
}
