// Package node is the party daemon: it takes proposals from coordinators, checks
// them against its own rules, runs ceremonies with the other members, keeps its
// shares in the keystore and reports outcomes until they are acknowledged.
//
// One ceremony is one job with one goroutine that drives a protocol.Session
// (ceremony.go). Everything the daemon does for long is a named job with a
// deadline (jobs.go): a panic in it becomes an error event, never the end of the
// daemon.
//
// # Order of start and stop
//
// New opens nothing and starts nothing. Run registers the channels, then sends
// heartbeats. When its context ends it (1) announces that it is draining and
// refuses proposals, (2) waits for running sessions, at most DrainTimeout,
// (3) offers unacknowledged outcomes once more, (4) cancels all jobs and waits
// for them. The host and the store belong to the caller and must outlive Run.
//
// # Records in the keystore
//
//	kind       id            payload
//	share      KEY.EPOCH     protocol.KeyRecord; states pending, active
//	preparams  random        one set of pre-parameters; states fresh, used
//	request    session id    what was accepted under a request id, see replay.go
//	outcome    sid           protocol.Outcome; kept until the coordinator acknowledges it
package node
