package metrics

import (
	"net/http"
	"strconv"
	"time"
)

// Unmatched is the route of requests that no route takes.
const Unmatched = "unmatched"

// Request counts an answered request. The route is a pattern such as
// /api/v1/accounts/{id}, never a path that a caller wrote: every value of a label is kept
// for good.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	method, code := known(method), strconv.Itoa(status)
	m.requests.WithLabelValues(route, method, code).Inc()
	m.latency.WithLabelValues(route, method, code).Observe(took.Seconds())
}

// known keeps callers from making up methods.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// FailedAuth counts a failed authentication.
func (m *Metrics) FailedAuth(reason string) {
	if m != nil {
		m.failures.WithLabelValues(reason).Inc()
	}
}

// RateLimited counts a request that came too soon; limit names what it exceeded.
func (m *Metrics) RateLimited(limit string) {
	if m != nil {
		m.limited.WithLabelValues(limit).Inc()
	}
}

// Blame counts that a party blamed another one; the reason is one of a few words.
func (m *Metrics) Blame(reason string, proven bool) {
	if m != nil {
		m.blames.WithLabelValues(reason, strconv.FormatBool(proven)).Inc()
	}
}

// Session counts a session that has ended: its kind (keygen, co_managed_keygen,
// sign, …), how (completed, failed, cancelled, expired), and how long after its creation.
func (m *Metrics) Session(kind, outcome string, d time.Duration) {
	if m == nil {
		return
	}
	m.sessions.WithLabelValues(kind, outcome).Inc()
	m.durations.WithLabelValues(kind, outcome).Observe(d.Seconds())
	if outcome != Completed {
		return
	}
	switch kind {
	case kindKeygen, kindCoKeygen:
		m.keygens.Inc()
	case kindSign:
		m.signatures.Inc()
	}
}
