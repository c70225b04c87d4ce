// Package coordinator keeps the registry of accounts and sessions, follows the
// pool of parties, and serves the HTTP API. It holds no share and is not
// trusted: parties check every proposal themselves, and results are verified
// here before anybody sees them.
//
// Its parts are packages of their own below internal, and know each other in one
// direction only:
//
//	api       HTTP; knows access, engine, hooks, metrics, pool, registry
//	access    API keys with scopes, failed authentications, rates
//	engine    sessions and the conversation with parties; knows pool, registry
//	hooks     webhooks: deliveries of the registry's events; knows registry
//	metrics   Prometheus
//	pool      which parties are alive, by their heartbeats
//	registry  the event log in Badger, and its fold
//
// # Use
//
// New opens the registry and binds the HTTP addresses; Run serves until its
// context ends. The mesh must run before Run and longer than it.
//
// API keys and the TLS certificate are files that may change at any time: they are
// noticed within seconds, or at once with Reload. Keys are made and revoked with KeyFile,
// by whichever process.
//
// What ended longer ago than the retention is dropped, at the start and then every
// hour. Webhooks are called until the last session has ended; what they were not
// told is delivered after the next start.
//
// # Stopping
//
// When Run's context ends, new sessions are refused (503 shutting_down), and
// what runs gets DrainTimeout to end. Then calls that still wait are answered
// with 503, the listeners close, and the registry is written and closed.
// Sessions that have not ended are taken up at the next start.
package coordinator

//go:generate go test -run TestCommittedDocuments -update .
