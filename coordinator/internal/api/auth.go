package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Access says who may call, and how often.
type Access struct {
	Keys     *access.Keys
	Failures *access.Failures
	Limiter  *access.Limiter
	// Allow lists who may call; empty: loopback only. JoinAllow lists who may
	// call with an invite code or a join token; empty: the same. Proxies lists
	// whose X-Forwarded-For is believed.
	Allow, JoinAllow, Proxies []netip.Prefix
	// JoinToken returns the session that a request's join token admits to, and the
	// device that it was given to; nil: there are no join tokens.
	JoinToken func(r *http.Request) (session, peer string, ok bool)
}

func (a *Access) validate() error {
	if a.Keys == nil || a.Failures == nil || a.Limiter == nil {
		return errors.New("api: keys, failures and limiter are required")
	}
	return nil
}

// guard lets callers through who may use the route, and says in the request's
// context who they are.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _ := s.clients.addr(r) // invalid: nobody's, and in no list
		caller := access.Caller{Client: client, RequestID: requestID(r.Context())}
		if p := s.admit(w, r, &caller); p != nil {
			writeProblem(w, r, p)
			return
		}
		next.ServeHTTP(w, r.WithContext(access.With(r.Context(), caller)))
	})
}

// admit checks address, block, key or token, rate and scope, in this order, and
// completes the caller. What does not need a key is limited by address.
func (s *server) admit(w http.ResponseWriter, r *http.Request, caller *access.Caller) *rest.Problem {
	rt := routeOf(r)
	if rt.open {
		return nil
	}
	token := rt.join == joinByToken && hasToken(r)
	allowed, variable := s.clients.allow, "ALLOWED_IPS"
	if token || rt.join == joinByCode {
		allowed, variable = s.clients.join, "MPC_JOIN_ALLOWED_IPS"
	}
	if !within(allowed, caller.Client) {
		s.failed(caller, access.BadAddress, "route", rt.label())
		return newProblem(codeForbidden, "this address may not call here: the operator lists the ones that may in "+variable)
	}
	if wait := s.cfg.Access.Failures.Blocked(caller.Client); wait > 0 {
		s.failed(caller, access.Blocked)
		s.cfg.Metrics.RateLimited("failures")
		return tooSoon(codeBlocked, "too many calls from this address had no right key: it may call again in %d s", wait)
	}
	switch {
	case token:
		if p := s.admitToken(w, r, caller); p != nil {
			return p
		}
		return s.limit(w, s.cfg.Access.Limiter.TakeClient(caller.Client))
	case rt.keyless || rt.join == joinByCode:
		return s.limit(w, s.cfg.Access.Limiter.TakeClient(caller.Client))
	}
	return s.admitKey(w, r, caller)
}

func (s *server) admitKey(w http.ResponseWriter, r *http.Request, caller *access.Caller) *rest.Problem {
	key, err := s.cfg.Access.Keys.Check(r.Header.Get("X-API-Key"))
	if err != nil {
		reason, detail := explainKey(key, err)
		s.failed(caller, reason, "key", key.ID, "route", routeOf(r).label())
		w.Header().Set("WWW-Authenticate", `ApiKey realm="mpc"`)
		return newProblem(codeUnauthorized, detail)
	}
	caller.KeyID, caller.KeyName, caller.Scopes = key.ID, key.Name, key.Scopes
	class := access.Writes
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		class = access.Reads
	}
	if p := s.limit(w, s.cfg.Access.Limiter.TakeKey(class, key.ID)); p != nil {
		return p
	}
	rt := routeOf(r)
	if caller.May(rt.scope) || rt.orScope != "" && caller.May(rt.orScope) {
		return nil
	}
	s.failed(caller, access.WrongScope, "key", key.ID, "scope", rt.scope)
	return lacksScope(rt.scope)
}

// needScope is for handlers that can tell only by the body what a call needs.
func needScope(ctx context.Context, scope string) error {
	if access.From(ctx).May(scope) {
		return nil
	}
	return lacksScope(scope)
}

func lacksScope(scope string) *rest.Problem {
	return newProblem(codeScope, fmt.Sprintf("this API key lacks the scope %q: the operator makes keys with mpcd coordinator keys create", scope))
}

// explainKey says why a key does not do. Whoever does not know a secret of ours
// learns nothing from it.
func explainKey(key access.Key, err error) (reason, detail string) {
	switch {
	case errors.Is(err, access.ErrExpired):
		return access.ExpiredKey, "this API key expired at " + key.Expires.Format(time.RFC3339) + ": ask the operator for another"
	case errors.Is(err, access.ErrRevoked):
		return access.RevokedKey, "this API key was revoked at " + key.Revoked.Format(time.RFC3339) + ": ask the operator for another"
	case errors.Is(err, access.ErrMissing):
		reason = access.MissingKey
	default:
		reason = access.UnknownKey
	}
	return reason, "the header X-API-Key is missing or wrong"
}

// hasToken reports whether a caller shows a token and no key.
func hasToken(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && r.Header.Get("X-API-Key") == ""
}

func (s *server) admitToken(w http.ResponseWriter, r *http.Request, caller *access.Caller) *rest.Problem {
	if read := s.cfg.Access.JoinToken; read != nil {
		if session, peer, ok := read(r); ok && session != "" && session == pathID(routeOf(r).path, r.URL) {
			caller.Session, caller.Peer = session, peer
			return nil
		}
	}
	s.failed(caller, access.InvalidToken, "route", routeOf(r).label())
	w.Header().Set("WWW-Authenticate", `Bearer realm="mpc", error="invalid_token"`)
	return newProblem(codeUnauthorized, "the join token is wrong, has expired, or is for another session")
}

// still reports whether a caller that was let in would be now: its key may have
// been revoked since.
func (s *server) still(r *http.Request) bool {
	caller := access.From(r.Context())
	if caller.Session != "" {
		session, peer, ok := s.cfg.Access.JoinToken(r)
		return ok && session == caller.Session && peer == caller.Peer
	}
	key, err := s.cfg.Access.Keys.Check(r.Header.Get("X-API-Key"))
	return err == nil && key.ID == caller.KeyID && access.Caller{Scopes: key.Scopes}.May(routeOf(r).scope)
}

// pathID returns the part of a path where its pattern has {id}, as the mux reads
// it: divided first, and only then unescaped.
func pathID(pattern string, u *url.URL) string {
	parts := strings.Split(u.EscapedPath(), "/")
	i := slices.Index(strings.Split(pattern, "/"), "{id}")
	if i < 0 || i >= len(parts) {
		return ""
	}
	id, err := url.PathUnescape(parts[i])
	if err != nil {
		return ""
	}
	return id
}

func (s *server) failed(caller *access.Caller, reason string, details ...any) {
	s.cfg.Metrics.FailedAuth(reason)
	s.cfg.Access.Failures.Record(caller.Client, reason, append(details, "request", caller.RequestID)...)
}
