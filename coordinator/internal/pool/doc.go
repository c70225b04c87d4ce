// Package pool is the coordinator's view of which parties are alive, built from
// the signed heartbeats that parties publish.
//
// A party is live when its last heartbeat is at most three intervals old and the
// network admits it now, with the role of a party. A heartbeat counts only if it
// is newer than the last one of its party: a higher boot, or the same boot and a
// higher sequence number; a replayed one changes nothing. The party's clock is
// recorded and trusted for nothing.
package pool
