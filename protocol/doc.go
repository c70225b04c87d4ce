// Package protocol holds the rules of a session as pure code: what a session is
// (Spec), how its messages look on the wire (Envelope), the step machine that
// every ceremony implements (Machine) and the session around it (Session). It
// has no goroutine, no clock, no disk and no network, and it knows neither
// libp2p nor tss-lib.
//
// # Duties of the caller
//
// A Session is driven by one goroutine, which must, in this order:
//
//  1. authenticate: hand over bytes (Session.Deliver), or an envelope that
//     OpenEnvelope has verified where it arrived (Session.Take); the sender is the
//     verified key, never a payload's word;
//  2. save before it sends: everything in Output.Save is on disk (fsynced)
//     before anything of the same Output leaves the machine;
//  3. send: Output.Broadcast to the session topic, Output.Direct only over a
//     direct, authenticated stream to the peer it names;
//  4. deliver every message that arrives, in any order and as often as it
//     arrives; the session drops identical ones, holds early ones and refuses
//     contradictions;
//  5. pull: when time passes without progress, ask with Session.Missing and
//     answer the pulls of others, also after the session has ended, for
//     somebody may still lack its last message;
//  6. stop at Spec.Expires, or on an error: the session is then dead, and only a
//     new attempt with a new id may follow.
//
// # Readiness
//
// The members of a keygen wait until all are there (TypeReady), for their parts of the chain
// code come with that. Signers do not: the first messages leave at once, and who is not there
// yet hears them later or pulls them. Readiness that comes in a signing is dropped.
//
// # Presigning
//
// Rounds 1 to 3 of an ECDSA signing do almost all of its work and read no message. A presigning
// (KindPresign) is a session of these rounds alone. Its spec has no payload and no approvals,
// for what it makes is of no use without a signing that has both; it says until when the result
// is held, at most MaxHold after it expires. Only parties that keep their shares presign. It
// ends with Output.Held, in PhaseHeld: the machine (Holder) has all messages, has checked the last one,
// and has not done what that leads to. With three members or more all have echoed
// rounds 1 to 3 before that. After it the session answers pulls and drops everything else.
//
// A signing whose spec names a presigning (Spec.Presign) is a session of its own, which
// begins in round 4, with the machine that the bound presignature has become. Who holds a
// presignature has these duties:
//
//  1. one presignature serves one signing: it is taken from where it is held, and bound to the
//     digest, before Session.Ready of that signing; whatever becomes of the signing, it never
//     comes back;
//  2. the signing has its key, epoch, roster, path and coordinator, and all approvals that any signing needs;
//  3. it lives in memory only: nothing of it is written, and it is forgotten at HoldUntil,
//     when the key's epoch changes, when its coordinator cancels it or asks to forget all
//     (Forget), and with the process; who drops it for others before tells its coordinator (Held, until 0);
//  4. who has it no more refuses the signing (CodeNoPresign), which is nobody's fault.
//
// Messages of rounds 1 to 3 in such a signing are their sender's fault. Those of round 4 that come
// before the own machine starts wait in the session; in the presigning's session they are refused.
// Two signings of one presignature, with other digests, approvals or anything else, have
// other session ids, so that no envelope of one fits the other: members that were told different things never have
// each other's round 4, without which nobody gets to round 5.
//
// # Topics
//
// A session has the topic "s/" and its id, or, if it is a signing or a presigning of parties that keep
// their shares, "k/" and the hash of key, epoch and roster (mpc/set/v1 below): that one stays open between the
// signings of the same parties (Spec.Topic). Envelopes carry the session's id on either.
//
// # Echo
//
// Gossip is no reliable broadcast: a member may sign two messages for one slot and
// show one to some and the other to the rest. So at the rounds that a machine names
// (Machine.Echoes) each member holds the last message back, broadcasts a Digest of everything that
// it has heard broadcast since the last echo, with the senders' signatures, and goes on when it has
// the digests of all and all say the same. Where they differ, the two signatures
// are the proof. Keygen echoes its first round, after which shares leave; ECDSA
// signing rounds 1 to 3, after which nonces open, and 4 to 8, after which parts of the
// signature leave, and with a presignature the first in the presigning and the second in the signing; EdDSA signing rounds 1 and 2. What is not echoed is bound by
// commitments that are, or reveals itself in the result. A session of two has no
// echo: its broadcasts have one receiver each.
//
// # Blame
//
// What is wrong with the form of a message is found when it arrives (Machine.Form), also in one
// for a later round: held until then, it would come to light after the last message has left. The numbers
// in it are looked at in its round.
//
// A session ends with a Blame where a member has broken the protocol: its
// culprits, a Reason, and as Evidence what the culprit signed. Two messages that
// contradict each other and digests that lie are proofs, which anybody can check offline
// (Evidence.Verify) and which travel with the abort, so that all members blame the same one. All else
// is the word of who says so. An abort's culprits count for nothing without a
// proof, or one member could frame another. Where the numbers do not match and nobody
// can be named, nobody is (ReasonUnattributed).
//
// # Formats
//
// Everything on the wire is deterministic CBOR (RFC 8949 §4.2) with integer
// keys; unknown keys and trailing bytes are refused. Hashes are SHA-256 over a
// domain label, a zero byte and the canonical encoding:
//
//	label                  over
//	mpc/spec/v1            Spec: the session id (SID)
//	mpc/set/v1             map of 1 key, 2 epoch, 3 roster: the topic of a set of signers
//	mpc/envelope/v1        Header with the payload's hash: what the sender signs
//	mpc/payload/v1         an Envelope's payload: Header.Hash
//	mpc/certificate/v1     CertificateBody: what every member co-signs
//	mpc/record/v1          RecordBody: a party's signed account of an outcome
//	mpc/heartbeat/v1       Heartbeat: what names the live pool
//	mpc/chaincode/v1       SID and every member's contribution, in roster order
//	mpc/approvers/v1       Approvers: who may authorise signing, in certificates
//	mpc/committee/v1       threshold and roster: who holds a key's shares
//	mpc/sealkey/v1         SealKey: a delegate says which key users seal to
//	mpc/usershare-delivered/v1  KeyRecord without Delivered: what a delegate signs when it gives a user's share out
//	mpc/abandon/v1         SID and the peer id: a member will never sign this keygen's certificate
//	mpc/join/v1            what a device signs to join by invite, see JoinStatement
//	mpc/roster/v1          what people compare, see Fingerprint
//
// The payload of an echo, an envelope of type "digest", is a Digest; that of an
// abort a Failure; that of a confirmation the signature on the certificate. What is
// signed of a broadcast in a Digest is the header that Heard stands for: this
// version, this session, to everyone.
//
// testdata/vectors.txt has an example of each, with every byte.
//
// # User shares
//
// A delegate takes part for a user and gives the user the share. Its data is a
// KeyRecord: spec, share and certificate, so that it can be checked by itself
// (OpenUserShare). It travels as text (FormatShare), plain or sealed with HPKE
// (RFC 9180) under a ShareBinding: to the user's key when it is delivered, and to
// the delegate's seal key, for one digest, when the user signs with it. HPKE's
// info is the label mpc/usershare/v1, a zero byte and the binding's encoding.
//
// HPKE's base mode does not say who has sealed, and the certificate does not cover
// the secret. So the delegate signs the whole record with its node key when it
// gives it out (KeyRecord.Delivered, field 8), and whoever is handed a user's share,
// the user or later the delegate itself, refuses one without that signature. Only
// then may a user tell the delegate to erase its copy. Records in keystores and
// backups have no such field.
//
// A user who named a recipient before the keygen checks that the record's
// Spec.Recipient is that key: all members have signed the spec's hash. Another
// key there means that somebody else was given the share first.
//
// # Approvals
//
// A signature needs approvals of M distinct approvers of its key, which the
// keygen has fixed (Approvers). Every party checks them, against its own record
// of the key; nobody else's word counts. An approval is a JWS in compact
// serialisation (RFC 7515): three parts in base64url without padding, joined by
// dots. The protected header has
//
//	alg   "EdDSA" (RFC 8037, Ed25519), or "ES256" (RFC 7518 §3.4, P-256: r and s, 64 bytes)
//	typ   "mpc-approval+jwt"
//	kid   64 hex digits in lower case: SHA-256 of the approver's SubjectPublicKeyInfo in DER (RFC 5280)
//
// and the payload is a JSON object with exactly these members, each once,
// spelled like this, in any order and with any white space:
//
//	aud     text     the network's name; no list
//	op      text     "sign"
//	sub     text     the account's id
//	key     text     id of the keygen session that made the key
//	epoch   number   generation of the key's shares, from 0
//	path    list     [], the key itself; derivation paths are not supported yet
//	digest  text     64 hex digits in lower case. ECDSA: what is signed; EdDSA: SHA-256 of the message
//	jti     text     id of the sign session, which the caller may choose (a UUID)
//	nbf     number   Unix seconds, whole: not accepted before
//	exp     number   Unix seconds, whole: not accepted after; later than nbf, by at most 86400
//
// Clocks may differ by 30 seconds. exp bounds when a party accepts a session,
// not when the session ends. All approvals that come with a session must be
// valid, and there may be no more than approvers. Parties remember jti until the
// last approval can no longer be accepted: until then the same jti passes only for
// the same content and a higher attempt, which is a retry.
//
// What an approval does not bind, a coordinator may choose: the attempt, its
// deadline, which members of the key sign, and which coordinator asks.
//
// testdata/approvals.json has keys, claims, tokens and tokens that are refused,
// for tests of implementations in other languages.
package protocol
