// Package api is the coordinator's HTTP API: JSON over net/http, described by an
// OpenAPI 3.1 document that is generated from this code and served at
// /openapi.yaml. It knows the engine's requests, the registry's state and the
// pool; it knows nothing of frames, specs or peers' connections.
//
// # Order of the checks
//
//  1. a panic anywhere below becomes a problem with status 500;
//  2. the request gets an id: X-Request-Id of the caller, or a new one;
//  3. /health and /ready are answered to anybody;
//  4. the client's address must be allowed, else 403. It is that of the
//     connection; X-Forwarded-For counts only when the connection comes from a
//     trusted proxy, and then its rightmost entry that is no trusted proxy;
//  5. X-API-Key must be right, else 401 (/openapi.yaml needs none);
//  6. the route must exist (404) and have the method (405);
//  7. the body is read: at most 64 KiB (413), within 10 seconds (408);
//  8. media type (415), JSON syntax (400), schema (422), then what the engine
//     says.
//
// # Errors
//
// Every error is an RFC 9457 problem document with a stable code; see Problem
// and the table in problem.go.
package api
