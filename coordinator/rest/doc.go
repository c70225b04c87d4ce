// Package rest holds the bodies of the coordinator's HTTP API, as the server
// writes them and the Go SDK (coordinator/client) reads them. It has no code but
// the types: the tags json are the wire's names; doc, enum, example and the
// bounds are what the OpenAPI document says of them and what the server enforces.
//
// Bytes are lower-case hexadecimal without 0x unless a field says base64 (RFC
// 4648 §4, with padding). Times are RFC 3339 in UTC. A threshold is written
// t-of-n, t being the number of signers needed.
package rest
