// Package node is the party daemon: it takes proposals from coordinators, checks
// them against its own rules, runs ceremonies with the other members, keeps its
// shares in the keystore and reports outcomes until they are acknowledged. The
// same code is a user's own device (Config.Role external).
//
// One ceremony is one job with one goroutine that drives a protocol.Session
// (ceremony.go). Everything the daemon does for long is a named job with a
// deadline (jobs.go): a panic in it becomes an error event, never the end of the
// daemon.
//
// # What a party checks
//
// The coordinator is trusted with nothing. For each proposal a party checks, by
// its own knowledge: the spec's rules, network, clock, its role in the roster; for
// a keygen, that it has no share of the key, not even a pending one of an earlier
// attempt that may still become a key; for a signing, that everything is as the key's record has it, the
// approvals of the record's approvers, and that the request was not accepted before
// (replay.go). A device then asks its user (Config.Consent) and checks again. Other
// members must be admitted to the network as what the roster says: devices as
// guests, all others as parties.
//
// # Roles
//
// What a node is in the network says what it may be in rosters: a party is a
// persistent member, with a share of its own, or a delegate, for a user; who is
// admitted as a delegate is nothing else; a device, a guest of the network, is an
// external member. A keygen need not have a persistent member.
//
// A delegate takes part in a keygen like everybody else, but its share is the
// user's: it is kept apart, never counted, never signed with. The coordinator that
// the spec names fetches it (protocol.ShareRequest) for one recipient: the spec's
// or, if it names none, whoever asked first, an X25519 key or nobody (in plain).
// Asked again, the delegate gives it again, until the coordinator says that the
// user has it, or 24 hours have passed since the keygen. Then the salt of its
// scope in the keystore is erased, and with it every copy on this disk; cold
// copies of the data folder made meanwhile have it still. The delegate signs what
// it gives out (protocol.SignDelivery), so that nobody can put another share in its
// place and let the user acknowledge that. A share that stays pending is erased 30
// days after the keygen's deadline, with a warning in the log.
//
// When the user signs, the share comes with the proposal, sealed for this digest
// to the seal key in the delegate's heartbeat (in plain only with
// Config.PlainUserShares). The seal key is made at the start and lives in memory.
// The share must carry its key certificate and the delegate's own signature from
// when it was given out; it is used for this session and written nowhere.
//
// # Interrupted keygens
//
// A share is on disk twice: pending, before its member signs the certificate, and
// active, with everyone's signature, in one transaction with the outcome. A pending
// share is never deleted by time-out, but for a user's after 30 days, and never
// signs: with this member's signature the others may have completed the key. Who finds one
// asks the other members what they know, at the start, when the session has ended, and
// every minute, the newest keys first
// (pending.go), and also when another attempt at the key is proposed, for two
// seconds at most (inquiry.go). It goes on with what it hears:
//
//   - All have signed the certificate: the key is active, and the outcome is told.
//     This comes before everything else.
//   - A member says, signed, that it has not signed and never will
//     (protocol.Abandon), and every other one that does not say so has answered as well
//     and has no signature of it: there will never be a key. The share is dropped, and
//     the attempt that was proposed may begin. Who cannot be reached, or is silent until
//     the limit, has not answered: it may hold the complete key.
//   - Neither: the share stays, and other attempts at the key are refused
//     (protocol.CodeReplay) with the members that have to come back in Answer.Peers.
//     Members whose shares are gone for good keep such a share here for ever.
//
// A member says that only if it holds for ever: no share of the attempt is on its
// disk, its session has ended, and the attempt is never accepted again, because it was
// before or has expired; that it is refused from then on is on disk first, and does not
// depend on the clock (abandon.go, replay.go). It is silent if a share may have been here:
// erased for a user, damaged, or lost in a save that failed. A confirmation leaves this
// party only after its share is on disk, so nobody says both. Who has dropped a share
// has signed, and passes on the word that it was dropped for, which it keeps.
//
// A member that signs and also says that it never will counts for nothing: the share
// is kept and the log names it as an error. The signatures that a session has heard are
// on disk beside the share when it ends without the others, so that this holds after a
// restart. Who gives its signature to an honest member only after that one has answered
// another's question may still bring about that the other drops its share and this one has
// the full certificate: that alone does not prove that all members have their shares.
//
// # Blame and quarantine
//
// A failed attempt names whom this party has seen to break the protocol, or whom
// evidence proves to have (protocol.Blame): in the log, to the other members in the
// abort, and to the coordinator, with reason, culprits and evidence. What another
// member says of somebody without a proof is its word and is not passed on. Nobody
// is named for a time-out, a refusal or a lost connection, nor where the numbers do
// not match and an honest member could be framed (protocol.ReasonUnattributed). A
// party never names itself.
//
// With Config.DataDir, two folders keep it, before the coordinator is told:
//
//	evidence/SESSION.SID.CULPRIT.proven.cbor    whole evidence (protocol.Evidence) that proves the fault to anybody
//	evidence/SESSION.SID.CULPRIT.claimed.cbor   the same, resting on the word of who has seen it
//	quarantine/KEY/PEER.json                    Conduct: how often the peer has broken the protocol with the key
//
// Evidence takes 1,024 files and 64 MiB at most, that of one culprit an eighth of them:
// what proves nothing goes first, then the oldest. Counts are
// of 4,096 pairs of key and peer at most: failed keygens go first, then who is not in quarantine,
// then the oldest. A name that is not letters, digits and hyphens, at most 64, is
// replaced by a hash of it in paths. Files are replaced atomically; when one cannot be
// written, that is logged and changes nothing else.
//
// After QuarantineAfter failures with one key a peer is in quarantine for that
// key, over restarts, until an operator clears it (mpcd quarantine clear; a running party
// sees that at once). A party then refuses to sign with it (protocol.CodeQuarantined, the
// members in Answer.Peers), but only if the key can be used without it: the party asks
// the key's other members for a sign of life, for a second at most, and takes part
// with a warning in the log when fewer than t, itself included, answer. A delegate counts
// if it is in the roster only, for it needs the user. A damaged file counts as a
// quarantine: what an operator has not cleared does not end by an accident. Keygens
// are never refused for this, since they make new keys; their failures are counted under the
// key that was to be made, and matter if a later attempt makes it.
//
// # Presignatures
//
// Rounds 1 to 3 of an ECDSA signing, which cost almost all of its time, need no message.
// A coordinator may have them run ahead (protocol.KindPresign): the members then hold what
// comes of it, in memory, and each tells the coordinator so (protocol.Held). A signing
// that names such a presignature (Spec.Presign) begins in round 4. EdDSA needs none.
//
// A presigning asks nobody's approval, for without a signing that has its approvals it is
// of no use to anybody. It is checked by all else that a signing is, and the request is
// remembered as any other: to run one presigning twice would be to say two things in one
// session, which proves a liar. It is done when nobody waits for anything: it is
// refused while a session is live here, and waits before each step until none has been for a
// tenth of a second; when no step has seen so long a quiet for five seconds, any moment
// without a live session will do. The supervisor and the metrics of sessions
// know nothing of it; blame and quarantine are those of signings.
//
// A presignature serves one signing, and nothing brings it back. What holds of it:
//
//   - It leaves the pool under a lock, after the signing's approvals were checked and before
//     the answer, and is bound to the digest at once. Of two signings that name the same one,
//     the second is refused (protocol.CodeNoPresign); the approvals stay good for the next
//     attempt, with all rounds.
//   - Only the coordinator that proposed it uses it, with the same key, epoch, members and
//     path, up to its time.
//   - What this party says in round 4, which opens its part of the nonce, leaves in the session
//     of the one message that it has bound. Members that were told different messages,
//     or different approvals, are in different sessions and hear nothing of each other.
//   - It is dropped, with its secrets, when the coordinator cancels the presigning or forgets
//     (protocol.Forget), when its time is up, when the key gets a new epoch, when its
//     coordinator cannot be told of it, when other coordinators need the room, and when the node stops. A restart loses all:
//     nothing of it is ever written.
//
// The bounds, for what costs an admitted coordinator nothing:
//
//	held, of all keys              MaxPresignatures  1,024 unless configured; who holds less than an equal share
//	                                                 of it makes who holds most lose the oldest, see below; others
//	                                                 are refused, CodeBusy
//	held, of one key               256               the same
//	held for                       24 h after the    refused, CodeInvalid
//	                               deadline
//	presignings at a time          4, 2 of one       refused, CodeBusy
//	                               coordinator
//	begun for one coordinator      10 a second,      refused, CodeBusy
//	                               2 at once
//	life of a presigning           3 min             refused, CodeInvalid
//	tries to tell the coordinator  3, half a second  the presignature is dropped
//	                               between
//
// They count towards neither MaxSessions nor the sessions of a coordinator. Shares are those of the coordinators
// that hold something, or ask. A presignature is dropped for another one when that is held, with its secrets, and never
// one that a signing has taken; its coordinator is told (protocol.Held, until 0).
//
// # Members only, and limits
//
// A session's topic is delivered to, and accepted from, its roster alone; what is
// confidential goes to its recipient over a stream of the transport to that peer id,
// and is taken from there alone. Each envelope is opened once: in the topic's
// validator, or on the goroutine that reads the member's stream. Of a peer that is in
// no roster nothing is opened, and nothing reaches a session.
//
// All signings and presignings of one set of signers, that is of a key, an epoch and a
// roster of parties, meet on one topic (protocol.Spec.Topic), which this party joins with
// the first of them and leaves ten minutes after the last, or earlier if more than 256
// are unused; until then it also stays
// connected to the members, and keeps its streams to them. What arrives there goes by its
// sid to its session's inbox, also before the proposal, as far as there is room. A session
// begins at once if all members are on its topic. A member that was started anew may
// still be counted on for a moment, and lack what was said to its earlier start:
// for ten seconds after a member has come or gone the sessions pull after 250 ms, and
// else after a second without progress.
//
// The limits keep one peer from taking what others need, on top of those of package
// p2p. What is dropped of an honest member is pulled later.
//
//	sessions of one coordinator    64            refused, CodeBusy
//	outcomes that a coordinator    1,024,        refused, CodeBusy, until it acknowledges; what runs
//	 has not acknowledged          16 MiB        then may still add its own
//	sessions at a time             MaxSessions   refused, CodeBusy
//	life of a session              15 min        refused, CodeInvalid
//	 of a presigned signing        30 s          ended, CodeTimeout
//	refusals on their way          64            not answered; the coordinator asks again
//	frame of a channel             201 KiB       the stream is reset
//	envelope                       200 KiB       dropped
//	waiting of one member,         64 messages,  dropped
//	 in one session                512 KiB
//	 in all sessions               8 MiB         dropped
//	opened of one member           64 a second,  dropped unopened
//	 in one session                128 at once
//	taken of one member, in all    2 a round,    dropped, see package protocol
//	 of a session                  512 KiB
//	before the proposal, brought   512 messages, dropped; what is kept is dropped after 10 s
//	 by one peer, all sessions     1 MiB
//	 of all peers                  16 MiB        dropped
//	 of a guest                    none          dropped
//	topics of sets that nobody     256, 10 min   the least recently used is left
//	 uses
//	answers to pulls, one member   2 a second,   not answered
//	 and session                   one at a time
//	about interrupted keygens,     64 a second,  dropped; who asks asks again
//	 of one peer                   256 at once,
//	                               2 at a time,
//	                               32 waiting,
//	                               64 KiB each
//	ended sessions                 64 MiB, 1 min the oldest are forgotten
//	those that never began, such   128, 1 min    the oldest are forgotten
//	 as refused ones
//
// Members are heard in turn (inbox.go), so that one that floods its session does not
// hold up what the others say there.
//
// # Sessions that a crash interrupts
//
// Config.Watch hears which sessions run, so that whoever outlives the process can give
// them to the next one, as Config.Interrupted. That one tells their coordinators
// (protocol.CodeCrashed), unless their results are on disk or come after all
// (interrupted.go). It never takes them up again: what was random in them is lost, and
// other numbers in the same session would prove this party a liar. The request that
// was recorded before the session began refuses it.
//
// The proposal of a signing that was accepted before and has ended, as a coordinator repeats it
// that has lost the end, has its outcome told again, if there is one that was not
// acknowledged. If there is none, because a power cut came before it was written or because
// a failure is told once, the answer is protocol.CodeCrashed: nothing comes any more, and
// another attempt may follow. The key of a keygen that is proposed again is told again in the same
// way. Every other proposal under a used id is a replay.
// What was refused because the store failed (protocol.CodeStorage) is looked at anew when its
// proposal comes again; every other refusal is repeated.
//
// # What waits for the disk
//
// A key and its outcome are on disk before anybody hears of them. A signing does not
// wait so: the disk works while the session goes on.
//
//	request      known at once, so that no copy passes; on disk before anything of the
//	             session leaves for its members, see remember
//	signature    told at once; written when it is not acknowledged within 100 ms, and at a
//	             stop. The watch hears of the end when it is on disk or acknowledged: a
//	             crash in between is told like any other
//	deletion     of acknowledged outcomes, within a second, many together
//
// What computes for long, in keygens and in the first three rounds of ECDSA signings,
// takes turns: as many steps at a time as there are processors, those of the oldest
// session first, signings before keygens but for one turn in four, and presignings after
// all others, on all processors but one. A keygen that finds no pre-parameters in stock generates them
// in such turns too, one keygen at a time: the oldest, for which a younger one stops. That a signing is
// accepted is told when it has not ended within 100 ms; what is refused, at once. Progress is reported ten times a second at most, and not at all of a
// session that is over before; heartbeats go out four times a second at most, but for
// the one that says that this party stops. An ended session keeps nothing but the
// messages that its members may pull.
//
// # Order of start and stop
//
// New opens nothing and starts nothing. Run registers the channels, looks for user
// shares whose time is up, then sends heartbeats (devices do not). When its
// context ends it (1) announces that it is draining and refuses proposals, (2)
// waits for running sessions, at most DrainTimeout, (3) offers unacknowledged
// outcomes once more, (4) cancels all jobs, presignings among them, and waits for them,
// (5) drops its presignatures. The host and the
// store belong to the caller and must outlive Run.
//
// # Records in the keystore
//
//	kind       id            payload
//	share      KEY.EPOCH     protocol.KeyRecord; states pending, active
//	usershare  KEY.EPOCH     a delegate's userShare; states pending, active; alone in its scope
//	preparams  random        one set of pre-parameters; states fresh, used
//	request    session id    what was accepted under a request id, see replay.go
//	horizon    "keygen"      the deadline up to which no keygen is accepted any more, see replay.go
//	outcome    sid           protocol.Outcome; kept until the coordinator acknowledges it
//	abandon    sid           protocol.Abandon for which this party has dropped its share; kept for ever
package node
