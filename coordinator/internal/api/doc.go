// Package api is the coordinator's HTTP API: JSON over net/http, described by an
// OpenAPI 3.1 document that is generated from this code and served at
// /openapi.yaml. It knows the engine's requests, the registry's state and the
// pool; it knows nothing of frames, specs or peers' connections.
//
// # Order of the checks
//
//  1. the request gets an id (X-Request-Id of the caller, or a new one) and its
//     answer the headers of security; it is counted by route, never by path;
//  2. a panic anywhere below becomes a problem with status 500;
//  3. /health and /ready are answered to anybody;
//  4. the client's address must be allowed, else 403. It is that of the
//     connection; X-Forwarded-For counts only when the connection comes from a
//     trusted proxy, and then its rightmost entry that is no trusted proxy. Calls
//     with an invite code or a join token have a list of their own;
//  5. a client with too many failures in this minute is refused (429);
//  6. X-API-Key must be right, else 401. In place of a key, an invite's routes take its
//     code, and one session's the join token for it; /openapi.yaml takes nothing;
//  7. the key's rate must not be exceeded, or that of the address where there is no
//     key (429);
//  8. the key must have the route's scope, else 403;
//  9. the route must exist (404) and have the method (405);
//  10. the body is read: at most 192 KiB (413), within 10 seconds (408);
//  11. media type (415), JSON syntax (400), schema (422), then what the engine
//     says.
//
// A route says in its entry (type route) who may call it, and New refuses one
// that does not. Handlers find the caller with access.From.
//
// # Streams
//
// A session's events are a list and, for callers who ask for text/event-stream, a
// stream (WHATWG HTML §9.2): what they have not seen, then what happens, until the
// session has ended. At most 1,000 callers listen at a time. A caller that takes longer
// than 10 seconds for a write is dropped; listeners of one session share what is read
// and encoded for it. When the coordinator stops, streams end without the event
// end, and callers come back with Last-Event-ID.
//
// # Errors
//
// Every error is an RFC 9457 problem document with a stable code; see Problem
// and the table in problem.go.
package api
