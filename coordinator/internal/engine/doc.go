// Package engine runs sessions: it chooses parties, proposes attempts to them
// over direct streams, collects their signed outcomes and writes what happens
// into the registry. It knows no HTTP and never joins a session's topic.
//
// # A session
//
//  1. Keygen or Sign check the request, give it an id and append
//     session.created; they return when that is durable. Candidates are pinged
//     at the same time.
//  2. The chosen parties get the spec, again every 500 ms until they answer.
//     attempt.started goes to disk meanwhile.
//  3. A refusal, a party that answers no pings, a failure that a party reports, a
//     wrong result or the deadline ends the attempt: the others are told to stop,
//     and one fresh attempt follows, without the parties at fault, if that
//     leaves enough of them.
//  4. A sign session is complete with the first signature that verifies under
//     the account's public key; a keygen when every member has delivered a
//     record with one and the same key certificate.
//  5. A party's outcome is acknowledged once it is in the log, not before;
//     outcomes of sessions that have ended or are unknown are logged and
//     acknowledged too, so that nobody delivers for ever.
//
// Every session has a deadline. When the coordinator stops, sessions that still
// run stay open in the registry, and Resume takes them up again: it proposes the
// same spec to those that have not answered and waits for what is missing.
//
// # Duties of the caller
//
// Resume before the first Receive; Run while the engine is used; Drain, then end
// Run's context, to stop.
package engine
