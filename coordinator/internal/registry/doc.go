// Package registry is the coordinator's memory: an append-only log of events in
// Badger, and the sessions and accounts that are its fold. It knows no network
// and no HTTP.
//
// # Contract
//
//   - Events are in the log in the order of their sequence number, and never
//     change. State is a function of the log alone: Open replays it, and a commit
//     applies the same function, after the bytes are on disk.
//   - Prune drops what has ended long ago, whole streams at a time; see below.
//     Everything else stays for good.
//   - Append returns when its events are durable. They are written in one
//     transaction, after everything that was handed over before them.
//   - Note hands events over without waiting: they reach the disk with the next
//     Append or Flush. What a caller promises to anyone needs an Append.
//   - *Session and *Account values are snapshots that never change.
//   - What its stream says has begun does not begin again, and a session has no
//     attempt after its end: such events are kept, and change nothing.
//
// # Events
//
//	stream          type               carries                     changes
//	session/<id>    session.created    Session                     a session in status created
//	session/<id>    attempt.started    Attempt, SID, Start         status running, its parties invited
//	session/<id>    party.accepted     SID, Party                  the party's state
//	session/<id>    party.refused      SID, Party, Code, Detail    the party's state; Blames: because of whom
//	session/<id>    party.progress     SID, Party, Phase, Round    the party's state
//	session/<id>    party.finished     SID, Party, Outcome         of a keygen: the party's state; its record is kept
//	session/<id>    party.failed       SID, Party, Code, Detail    the party's state; Blames: whom it blames
//	session/<id>    party.lost         SID, Party, Detail          the party's state: it answers no pings
//	session/<id>    outcome.rejected   SID, Party, Code, Detail    the party's state: its result is wrong
//	session/<id>    outcome.late       SID, Party, Code, Outcome   the party's state, if the attempt is the last; Blames
//	session/<id>    attempt.failed     Attempt, SID, Problem       nothing: the next event tells
//	session/<id>    session.completed  SID, Signature, Party       status completed; of a signing: all members have finished
//	session/<id>    session.failed     Problem                     status failed
//	session/<id>    session.expired    Problem                     status expired
//	session/<id>    session.cancelled  Problem                     status cancelled
//	session/<id>    session.ready      Expires                     it waits for nothing any more
//	session/<id>    invite.created     Invite                      an open invite
//	session/<id>    invite.revoked     Invite                      the invite is spent
//	session/<id>    party.joined       Invite, Joined, Device      a device has used the invite
//	session/<id>    approval.added     Approval                    one more approval
//	account/<id>    account.created    Account                     an account in status creating
//	account/<id>    account.activated  Key                         status active, with its public key
//	account/<id>    account.failed     Problem                     status failed
//	account/<id>    account.signing_parties  Parties               who signs; none: chosen for each session
//	account/<id>    account.presign    Presign                     how many presignatures it asks for; none: the default holds
//	account/<id>    account.share_erased                           the delegate has erased the user's share
//	webhook/<id>    webhook.created    Webhook                     a webhook
//	webhook/<id>    webhook.deleted                                it is gone
//	auth/failures   auth.failed        Code, Count, Actor          nothing: for the audit log
//	orphan/<sid>    outcome.orphaned   SID, Party, Outcome         nothing: kept for a rebuild
//
// A Blame names a party, a reason and, where there is some, evidence in brief
// (at most 32 KiB); whether it proves the blame was decided when it was written. A
// session keeps the first 64 of them in memory, without evidence.
//
// Any event may carry an Actor (who asked for it) and an Idem (the request that
// it answers, so that a repeated one finds it).
//
// # Retention
//
// Prune drops, from disk and memory, sessions that ended longer ago than the
// retention: sign sessions, and keygens that made no key, with their accounts;
// likewise deleted webhooks, failed authentications (at most 100,000 are kept at
// all), and outcomes that belong to no session (for 90 days, and at most 10,000, if
// everything else is kept for ever). An account that has a key stays, with its keygen session.
//
// A stream goes oldest event first, in transactions of at most 250 events, which
// record the numbers that are gone. Open accepts exactly these gaps: any other
// means lost events. A stream that has lost its first event has no state, so that
// a crash between two transactions changes nothing; what is left of it goes first
// the next time.
//
// A request's Idem is remembered for 24 hours, over restarts.
//
// # Memory
//
// All sessions and accounts that are retained are in memory; events, records and
// the audit log are read from disk. A session that has ended leaves its spec there
// too, and payload and message if they have more than 256 bytes: Complete fetches
// them. A finished sign session of two signers takes about 1.8 KiB in memory,
// however long its message, and 13 KiB on disk (and the message). So a million of
// them within the retention need about 1.8 GiB and 13 GiB: one signature a second
// for 12 days. A page of a list costs the same however many sessions there are.
//
// # Keys in Badger
//
//	meta/format            version of this layout, "2"; "1" had no idx/audit and no gaps, and is brought up to date
//	log/<seq>              the event as JSON; seq is 8 bytes, big-endian, from 1
//	idx/<stream>/<seq>     empty: the events of a stream
//	idx/audit/<seq>        empty: the events of the audit log
//	gap/<seq>              seq is the first or last of a run of pruned events: the other end, as 8 bytes, big-endian
package registry
