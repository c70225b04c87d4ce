// Package p2p is the one package that knows libp2p: it gives a node an
// identity, admits other members of the network, finds them through a private
// DHT and carries their messages, either on a session's gossip topic or on a
// kept-open stream.
//
// # What it owns
//
//   - Membership. A network has an Ed25519 authority key. The authority signs a
//     credential for each member, a coordinator a pass for each guest; peers show
//     theirs in a hello before anything else (see hello.go). A peer that has not
//     passed the hello reaches no stream handler, no topic, no relay and no DHT
//     message of ours.
//   - Addresses. Peers announce their role in a Kademlia DHT with a prefix of
//     the network's own. What the DHT says is a hint about addresses, never
//     about trust.
//   - Liveness. A connection that looks open proves nothing: QUIC keeps one for
//     30 s after the other process was killed. Kept peers are asked by an
//     application ping, and dialled again when they do not answer.
//
// # Roles
//
// Members hold a credential, a year long by default, for one of the roles party,
// delegate, coordinator and bootstrap. A guest holds a pass instead, for a day at
// most: [Host.IssuePass] on a coordinator's host makes it, and everybody verifies
// it offline, from the authority over the coordinator's credential, which the
// pass encloses. Its role is external, and what it may reach is named to it:
//
//	hello, ping                yes
//	a channel                  if Channel.Roles lists RoleExternal
//	a topic                    if TopicConfig.Members lists its peer id
//	a topic without members    no: neither to receive nor to send
//	others' topics             no: what it sends there is dropped unread
//	the DHT                    no: it is not answered, nor counted on
//	relays                     to be called and to call
//
// A guest that keeps sending topic messages where it may not, or invalid ones, more
// than 64 at once or one a second, is disconnected and turned away for three
// seconds. Whoever may send on a topic may also pass on what its other members have
// signed. When a credential or a pass ends, so do the connections. A guest's host
// serves and asks no DHT, seeks nobody, and stays connected to its bootstrap nodes
// and to whom it is told to [Host.Keep].
//
// # Limits
//
// Each bounds what one peer can take of a host, so that the others keep theirs. A
// member that goes beyond is held back and counted ([Stats]) but stays: it answers to
// the operator. What is lost on a topic is asked for again by callers, see below.
//
//	hello                   8 KiB, 5 s                  the connection is closed
//	connections             16 a peer, 8 a guest        further ones fail
//	 of one address         2,048; 200 new a second     further ones fail; loopback is free
//	streams                 2,048 a peer, 256 a guest   further ones are reset
//	guests                  Config.MaxGuests            turned away for 3 s
//	frame of a channel      Channel.MaxFrame, ≤ 4 MiB   the stream is reset
//	 rest of one begun      30 s                        the stream is reset
//	 all of one peer        16,384 and 64 MiB a second  the sender waits
//	 write of one           5 s                         Send fails
//	gossip packet           256 KiB                     the stream is reset
//	topic message           255 KiB                     Publish fails; others' are dropped
//	 of one topic and peer  256 and 2 MiB a second,     dropped unread: Stats.TooFast
//	                        512 and 8 MiB at once
//	  that is shared        4,096 and 8 MiB a second,   the same
//	                        2,048 and 8 MiB at once
//	 of one peer, on all    8,192 and 32 MiB a second,  the same
//	                        2,048 and 64 MiB at once
//	 of one guest           512 a second, on all topics dropped unread: Stats.TooFast
//	 that are invalid       32 a second, 128 at once    what the peer says on any topic
//	                                                    is dropped unread: Stats.TooFast
//	 on others' topics      none                        dropped unread: Stats.Intrusions
//	 not read by the caller 1,024 a topic               dropped: Stats.Undeliverable
//	 waiting for Validate   8,192                       dropped: Stats.Rejected
//	 waiting for one peer   2,048                       dropped: Stats.DroppedRPCs
//	subscriptions           4,096 a peer, 64 a guest    ignored: Stats.Subscriptions
//	 to others' topics      none                        undone: Stats.Evicted
//	peers that peers name   none                        not dialled
//
// # Relays
//
// Peers that cannot dial each other, such as two users behind address
// translation, meet through a bootstrap node (libp2p's circuit relay v2). Guests,
// and members with Config.UseRelays, hold a slot on each of theirs, and
// [Host.Addrs] then tells an address of the form
// /ip4/…/p2p/RELAY/p2p-circuit/p2p/PEER. [Host.Connect] needs no such address: it
// tries the known addresses, the DHT and every connected bootstrap node. A
// circuit is a connection like any other: it is encrypted end to end, with a hello
// of its own, and it lasts as long as the relay's connections to both ends. There
// is no hole punching: a circuit stays one.
//
// A relay serves admitted peers only, 1,024 slots and 2,048 circuits at once, 64
// for each peer and 16 for each guest. What a guest sends through it is held back,
// over all its circuits, to 64 MiB at once and 1 MiB a second; what members send
// is not. These bounds are ours: pubsub passes over circuits that libp2p limits.
// A silent peer that somebody calls is asked for a sign of life, once in five
// seconds, and disconnected if it gives none and gave none for ten seconds.
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
//	/libp2p/circuit/relay/0.2.0/hop, …/stop
//	                             a relay and those who use it
//
// A frame is an unsigned varint (at most 9 bytes, minimal) that counts the
// bytes that follow. The hello exchanges frames of at most [MaxHello] bytes,
// each a CBOR map (RFC 8949) with integer keys:
//
//	1  text   credential or pass, compact JWS (RFC 7515) of at most 4 or 7 KiB
//	2  uint   boot id: larger in a later start of the same node
//	3  text   software version, for people
//	4  text   refusal code; an empty map says that the hello was accepted
//
// Both tokens are signed with EdDSA (RFC 8037); times are seconds since 1970:
//
//	typ mpc-credential+jwt, by the authority: net, sub (peer id), role, name,
//	                             labels, iat, exp
//	typ mpc-pass+jwt, by the coordinator: aud (network), iss (its peer id), sub (the
//	                             guest's), iat, exp (at most 24 h later), cred (its
//	                             credential)
//
// Peer ids are strings in libp2p's text form; no libp2p type leaves this
// package except through the [Simulated] hook.
package p2p
