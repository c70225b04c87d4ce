// Package p2p is the one package that knows libp2p: it gives a node an
// identity, admits other members of the network, finds them through a private
// DHT and carries their messages, either on a session's gossip topic or on a
// kept-open stream.
//
// # What it owns
//
//   - Membership. A network has an Ed25519 authority key. The authority signs a
//     credential for each member; peers show theirs in a hello before anything
//     else (see hello.go). A peer that has not passed the hello reaches no
//     stream handler, no topic and no DHT message of ours.
//   - Addresses. Peers announce their role in a Kademlia DHT with a prefix of
//     the network's own. What the DHT says is a hint about addresses, never
//     about trust.
//   - Liveness. A connection that looks open proves nothing: QUIC keeps one for
//     30 s after the other process was killed. Kept peers are asked by an
//     application ping, and dialled again when they do not answer.
//
// # What the caller does, in order
//
//  1. [New] with a [Config]: it listens at once, and a port in use is an
//     [ErrListen].
//  2. [Host.Handle] for every channel that it serves, [Host.Join] for topics.
//  3. [Host.Run], which blocks until its context ends and then closes the host.
//     Without it nothing is discovered or dialled again.
//  4. For a session: [Host.Keep] its peers, Join its topic, [Topic.Ready], and
//     only then [Topic.Publish].
//
// # What it promises, and what it does not
//
// A frame or a topic message that is handed to the caller comes from an
// admitted member, and the name of the sender was proved by a key: the stream's
// or, on a topic, the signature that the caller's own TopicConfig.Validate
// verified. Delivery is best effort, as with datagrams: a frame that was
// accepted for sending is lost when the peer dies. Frames of one peer on one
// channel keep their order, topic messages do not. Callers number their
// messages and ask again for the missing ones.
//
// # Names on the wire
//
//	/mpc/hello/1                 the hello, the same in every network so that a
//	                             peer of another network is refused with a reason
//	/mpc/<network>/kad/1.0.0     the DHT
//	/mpc/<network>/ping/1        the application ping: 8 bytes, echoed
//	/mpc/<network>/<channel>/1   a channel's stream of frames, one way
//	/mpc/<network>/<topic>       a gossip topic
//
// A frame is an unsigned varint (at most 9 bytes, minimal) that counts the
// bytes that follow. The hello exchanges frames of at most [MaxHello] bytes,
// each a CBOR map (RFC 8949) with integer keys:
//
//	1  text   credential, compact JWS (RFC 7515); see credential.go
//	2  uint   boot id: larger in a later start of the same node
//	3  text   software version, for people
//	4  text   refusal code; an empty map says that the hello was accepted
//
// Peer ids are strings in libp2p's text form; no libp2p type leaves this
// package except through the [Simulated] hook.
package p2p
