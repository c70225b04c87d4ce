// Package engine runs sessions: it chooses parties, proposes attempts to them
// over direct streams, collects their signed outcomes and writes what happens
// into the registry. It knows no HTTP and never joins a session's topic.
//
// # A session
//
//  1. Keygen or Sign check the request, give it an id and append
//     session.created; they return when that is durable. The session waits for its
//     turn (see below).
//  2. Parties are chosen: those that answer a ping or, for the first attempt at a
//     signature, that have shown themselves within 1.5 s by a heartbeat, a frame or a pong. Among
//     equals those that signed last for the account are chosen again, for their topic is open.
//  3. They get the spec, again every 500 ms until they answer, which to accept a signature they do
//     only if that takes longer than 100 ms. attempt.started goes to disk
//     meanwhile; of a signature that need not wait, session.created with it (Engine.begin says why
//     that may be), and the end if it comes within 10 ms. One that was not pinged and has said nothing for 250 ms is pinged then; if it is
//     gone the attempt is not counted, and every later one begins with pings.
//  4. A refusal, a party that answers no pings (two in a row; four in a keygen, whose search for
//     primes leaves a small host little time for them), a failure that a party reports, a
//     wrong result or the deadline ends the attempt: the others are told to stop,
//     and one fresh attempt follows, without the parties at fault, if that
//     leaves enough of them. Attempts that have shown whom to leave out do not
//     count, nor signings that failed without a fault, up to as many as the key has
//     members, in signings twice as many. From the third attempt on no parties
//     are asked that have failed together before. A party that has no room (busy) is not
//     at fault: after 50 ms, later up to 10 s, another attempt follows, which does not count, up to 20 times.
//  5. A sign session is complete with the first signature that verifies under
//     the account's public key, which has the part of each signer in it: no member's state is
//     logged beside it; a keygen when every member has delivered a
//     record with one and the same key certificate.
//  6. A party's outcome is acknowledged once it is in the log, not before;
//     outcomes of sessions that have ended or are unknown are logged and
//     acknowledged too, so that nobody delivers for ever.
//
// # Turns
//
// At most MaxSessions (48) are at work at a time, beside them 24 with users' devices; a party is in
// 56 attempts at most, since it takes 64 sessions of a coordinator. Others wait: each account has a queue of its own, and the
// queues have their turns one after the other (turns.go). A keygen is in the queue of its account's
// owner. An account that asks for all it can gets half of the queue, so there is room for the next one.
//
//	work                        places            when there is none
//	signatures, EdDSA keygens   MaxSessions       waits
//	ECDSA keygens               a sixth of these  waits
//	with users' devices         half as many, of their own: people take minutes
//	of each that wait           MaxQueue (1024)   too_many_sessions, with the time to stay away
//	that wait for people, or
//	for their turn after that   10000             too_many_sessions, with a minute to stay away
//
// The time of a session begins with its turn, and nobody waits longer than five minutes for it. Whose turn would
// come later than in four, by the pace of the last turns and the queue of its account, is not taken in; before as
// many turns have come as there are places, or two and a minute, nobody can tell. A session that has
// waited for people is never sent away: it waits for its turn for up to an hour, as long as its approvals are good, in its
// account's queue but in none of the MaxQueue places, so that no number of them has others refused. A
// session that waits holds a goroutine and what it was asked with. It can be cancelled. When the
// coordinator stops, nobody gets a turn any more: callers are told, and Resume queues the sessions again,
// all but those that need the user's share: these fail. Approvals that run out in the queue end the session, too.
//
// # Blame
//
// A party that reports a failure of the protocol may name culprits and bring
// evidence. It may be lying, so evidence is verified here (protocol.Evidence), and
// must be of this attempt and about another of its members:
//
//   - who is proven to have broken the protocol takes no further part in the session;
//   - without a proof it is one party's word against another's: the two are not chosen
//     together again, if there are others. So one malicious party of three that
//     accuses everybody is left alone by the third attempt, and shuts nobody out;
//   - a refusal because of a member in quarantine counts as such a word, too;
//   - a fault that a party reports of itself, such as a full disk, excludes that party
//     alone, whomever it names.
//
// Less than an accusation are doubts. They exclude nobody, are forgotten when the
// coordinator stops, and only tell whom to choose if there is a choice; in this order:
//
//   - who gave up, as others say (Failure.GaveUp), and has told no reason for that in time
//     is left out first, and who crashed;
//   - parties that waited for each other (Progress.Missing) are kept apart: either may be
//     silent, or be told nothing. Who is gone is known by pings;
//   - who was in fewer failed attempts is preferred, and those that have not all failed together.
//     So a party that spoils each attempt without a trace is left out sooner or later,
//     in an n-1-of-n key in the n-th attempt at the latest.
//
// A signer that answers a proposal with party_crashed had accepted it before, and nothing is left of that: it has
// crashed, or what it told is lost. Nobody is at fault. If no other member tells the signature within 300 ms the
// next attempt follows, which the same members may be in.
//
// The other members of a failed attempt get 300 ms to say whom they blame; what
// comes later counts when the next choice is made. All of it is in the log: Blames of party.failed, party.refused and outcome.late.
//
// # Keygens that break off late
//
// When members of a keygen have begun to save their shares, nobody else can take
// another's place: they accept no other roster for the key. Most members must have come
// to the last round for that to be believed, and what somebody says who is out of the
// session holds up nobody. The attempt is then
// ended for them, a member that was lost gets 20 s to come back, and all get 3 s to
// find out among themselves whether everybody has a share. If so their records
// complete the session; if not the same members try once more.
//
// Every session has a deadline, which leaves time for two attempts, and for three at a
// signature that other signers could make. When the coordinator stops, sessions that still
// run stay open in the registry, and Resume takes them up again: it proposes the
// same spec to those that have not answered, of a signing to all, and waits for what is missing. A signer that had
// accepted, and is busy, stops or cannot reach its disk now, is asked again. When signers have nothing
// left, and others have not come back, these get ten seconds from the start instead of 300 ms: they may have the
// signature. An attempt in which somebody had given up before ends soon.
//
// # Presignatures
//
// Nearly all work of an ECDSA signature needs no message. While no session is at work, and none was for
// 250 ms, t holders of a key presign: for accounts that ask for it, and for those that were signed
// with in the last ten minutes, first of all for those that have none. Sessions with users' devices do not
// count; where others leave no such pause, one presigning in 5 s begins between two of them, for an account
// in use that has none. A presigning is a session of the parties and none of the API, at
// most one at a time and party. What all of its members hold is a presignature: the
// next signing of the account that may have these parties names it in its spec, pings
// nobody, and begins in round 4.
//
//   - It is taken off its shelf before it is named, so no two specs name one. The shelves are in memory
//     only: a new process knows none, and has each party forget what it holds (Forget) before
//     it asks it for more.
//   - It is dropped, and its parties told so, half a minute before they would
//     forget it, when one of them was not heard for 33 s or was restarted, when the key's epoch, its signing parties or the
//     account's target changes, and when an account without a setting was not used for ten minutes. A
//     party that cannot be reached for a moment is told when it can. A party that makes room for other
//     coordinators tells what it has dropped: that is nobody's fault, and what else it holds is used.
//   - An attempt with one gets 15 s. None is used when approvals, or the session, would end before a full
//     attempt could follow. If it fails, a full attempt follows, which no other presignature is used
//     for and which counts as the first. If it was cancelled, or the coordinator stops, nothing follows.
//     If a party was gone or busy, the presignature is lost and nothing else; with the third in a row that an
//     account has lost to the same party, others presign, if there are any. If a party does not have
//     it, or the attempt fails otherwise, all that the same parties have made is dropped,
//     and others presign for the account, as far as there are others.
//   - Who is too busy to presign, or has dropped something for others, is asked again after 0.5 s, then after twice as long each time, up to 30 s. If
//     it may be full (it holds 256 of ours, or was busy four times on end and is in no session), one account that keeps
//     some by default, and has signed least lately, gives up its own for one that has none. Who
//     was silent, has broken the protocol or has lost a presignature without a restart, after 10 s and
//     up to ten minutes. Others are asked meanwhile, if they are enough.
//
// # Duties of the caller
//
// Resume before the first Receive; Run while the engine is used; Drain, then end
// Run's context, to stop.
package engine
