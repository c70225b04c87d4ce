// Package tss runs the threshold ceremonies of bnb-chain/tss-lib v2 as
// protocol.Machine values: keygen and signing, ECDSA on secp256k1 and EdDSA on
// Ed25519. It also holds what surrounds them: the encoding of shares, the
// generator of safe primes and a fast Ed25519 for the library.
//
// One engine (machine) runs all ceremonies. A ceremony is a table of message
// types with a constructor of the library's party; the tables are in ecdsa.go and
// eddsa.go. The engine checks each message against its table before the library
// sees it, drives the library on the caller's goroutine, maps its errors to a
// protocol.Blame, and verifies the result before it gives it away.
//
// # What the caller must do
//
// Besides the contract of protocol.Machine:
//
//  1. authenticate: Message.From is the proven sender, and a broadcast is the same
//     at every receiver. The library relies on both; protocol.Session provides the
//     second, at the rounds that Echoes names;
//  2. keep direct messages confidential: the KGRound2Message1 of all members
//     together are the key;
//  3. expect CPU work inside Step: up to a second for one ECDSA keygen step of a
//     big roster. The library spreads it over goroutines, which end before Step
//     returns: as many as there are cores verify the DLN proofs of a keygen, the
//     proof about a modulus takes 160 short ones for each member, whatever it is told;
//  4. use a set of pre-parameters once, also across crashes: mark it on disk
//     before NewKeygen;
//  5. run Share.Check on every share that comes from a disk, and never show
//     Encode's bytes to anything but the keystore.
//
// A panic of the library on the caller's goroutine becomes an error; one on a
// goroutine of the library ends the process. The guards below leave no message
// known to cause one, but a process that talks to strangers must be restartable.
//
// # Guards
//
// Every number of a message is compared with its bounds before the library sees
// the message, which by itself accepts values that break its proofs, panics on
// others, or blames the wrong party rounds later. What a guard refuses is a
// protocol.Blame of ErrMessage with the sender as the culprit. N and Ñ are moduli,
// of the sender s or the receiver r; q is the order of the curve. Numbers are
// big-endian without leading zeros; a scalar is 1 ≤ v < q, a point is on the curve
// and neither the identity nor of small order.
//
//	any                          type, round and way as in the table of the ceremony; size;
//	                             the first message of a slot wins, another one is blamed
//	ECDSA keygen
//	  KGRound1Message            N, Ñ odd composites of 2048 bits, coprime to each other and to
//	                             those of all others; 1 < h1 ≠ h2 < Ñ-1, coprime to Ñ, unlike
//	                             those of all others; DLN proofs of 258 parts, lengths 128,
//	                             1 < α, T < Ñ
//	  KGRound2Message1           share a scalar, on the polynomial; 11 parts of FacProof: P, Q, A,
//	                             B, T < Ñr and coprime; Σ < q·Ns·Ñr; Z1, Z2 < q³·√Ns; W1, W2 <
//	                             (q³+q²)·Ñr; V < (q³+q²)·Ns·Ñr
//	  KGRound2Message2           t points that open the commitment; 163 parts of ModProof: Jacobi
//	                             symbol of W -1; X, Z < N and coprime; A, B of 81 bits
//	  KGRound3Message            13 numbers below Ns
//	ECDSA signing
//	  SignRound1Message1         C, U < Ns², S < Ns, Z, W < Ñr, coprime to their moduli; S, Z ≠ 1;
//	                             S1 ≠ S2; q ≤ S1 ≤ q³; q ≤ S2 < (q³+q²)·Ñr
//	  SignRound2Message          C1, C2, V < Nr², S < Nr, Z, Z', T, W < Ñr, coprime; q ≤ S1 ≤ q³;
//	                             q ≤ T1 ≤ q⁷; q ≤ S2, T2 < (q³+q²)·Ñr; in ProofBobWC S1 ≢ 0
//	                             mod q and U a point
//	  SignRound3Message          θ a scalar; the sum of all is not zero
//	  SignRound4, 6, 8Message    1, 2, 2 points that open the commitments of rounds 1, 5, 7;
//	                             proofs of points and scalars
//	  SignRound9Message          a scalar
//	EdDSA                        the same for its commitments, points, shares and scalars;
//	                             S·B = R + h·λ·X for each signer by itself
//
// Three violations cannot be laid at the sender's door alone. Moduli of two other
// members that share a prime are both their makers' fault. If two other members
// have the same modulus, h1 or h2, one of them copies, and if the θ of three or
// more signers cancel, one of them waited for the others; who is first to arrive
// says nothing, so nobody is blamed.
//
// # Presigning
//
// The library reads the message of an ECDSA signing in rounds 5, 7 and at the end. So NewPresign
// runs rounds 1 to 3, which have all of Paillier's work, with a secret random number in its place, and holds back
// the last message of round 3: it leads to the own message of round 4, which opens Γ. Nobody can compute
// R before every honest signer has sent that. Presign.Bind takes the digest first, once, and
// returns the machine of rounds 4 to 9, whose Start delivers what was held back. What the
// caller of Bind owes is in package protocol, under Presigning. Unlike an R that is known
// before the message, which weakens ECDSA (eprint 2021/1330), this leaves GG18 as it is, with a pause.
//
// A signer of two keeps about 26 kB for a held presignature, one of three 43 kB: the bodies of rounds 1 and 2
// and the share are let go of.
//
// # Thresholds
//
// Everywhere t is the number of signers needed; the library's t-1 exists in
// suite.parameters alone.
//
// # Session binding
//
// The library's session identifier is a hash of the party keys. So keygen derives
// the key of each member from the session id (partyKey), and signing adds a
// multiple of the curve's order to all keys (liftKeys): arithmetic is unchanged,
// but proofs of one session fail in every other.
//
// # Share format
//
// Deterministic CBOR (RFC 8949 §4.2), maps with integer keys. An int is an
// unsigned number, big-endian without leading zeros, in a byte string. A point is
// a byte string: SEC 1 compressed (33 bytes) or RFC 8032 (32 bytes).
//
//	share    1  version     uint     1
//	         2  public      map      below; PublicHash is over its encoding
//	         3  self        uint     index into parties
//	         4  x_i         int      the secret share, 1 to q-1
//	         5  P           int      ECDSA: primes of the own Paillier modulus,
//	         6  Q           int      1024 bits each
//	public   1  scheme      text     ecdsa-secp256k1, eddsa-ed25519
//	         2  threshold   uint     t, signers needed
//	         3  public key  point
//	         4  parties     array    of maps, n, in the order of the key's roster
//	party    1  peer id     text     libp2p text form
//	         2  k_j         int      where the polynomial is evaluated, 1 to q-1
//	         3  X_j         point    x_j·G
//	         4  N           int      ECDSA: Paillier modulus, 2048 bits
//	         5  Ñ           int      ECDSA: ring-Pedersen modulus, 2048 bits
//	         6  h1          int      ECDSA
//	         7  h2          int      ECDSA
//
// PublicHash is SHA-256("mpc/tss/public/v1" ‖ 0 ‖ public).
//
// # Pre-parameter format
//
// Deterministic CBOR as above; the rest of a set is computed from it.
//
//	1  version  uint  1
//	2  P        int   safe primes of N, 1024 bits
//	3  Q        int
//	4  p̃        int   Sophie Germain primes of Ñ = (2p̃+1)(2q̃+1), 1023 bits
//	5  q̃        int
//	6  h1       int   a square modulo Ñ
//	7  alpha    int   h2 = h1^alpha
package tss
