package protocol

// Message is one round message of a ceremony, before it is put into an
// Envelope.
type Message struct {
	Round int    // the library's round, from 1
	Name  string // the message type, such as "KGRound1Message": one per sender (and recipient) and session
	From  PeerID
	To    PeerID // empty: for everyone
	Body  []byte
}

// Slot is a place for one message: a session takes at most one message for it.
type Slot struct {
	From PeerID
	Name string
}

// Result is what a ceremony yields.
type Result struct {
	// Keygen.
	PublicKey  []byte   // ECDSA: 33 bytes, SEC 1 compressed; EdDSA: 32 bytes, RFC 8032
	Share      []byte   // secret: the encoded share, for the keystore only
	PublicHash [32]byte // over all public data of the key, the same at every member
	// Sign.
	Signature []byte // 64 bytes: r ‖ s with s ≤ q/2 (ECDSA), R ‖ S (RFC 8032)
	Recovery  byte   // ECDSA: the recovery id, 0 to 3
}

// Step is what a machine wants done after a call.
type Step struct {
	Send   []Message
	Result *Result // set once, with the last step
}

// Holder is the machine of a presigning: rounds 1 to 3 of an ECDSA signing, after which
// nothing but the message is missing.
type Holder interface {
	Machine
	// Hold takes the last message of the last round, checks it as Step does, and does
	// nothing with it: what it leads to is for the signing that binds a message. Step
	// never gets that message.
	Hold(Message) error
}

// Machine is one ceremony at one party as a pure step machine: no goroutine
// outlives a call, and it has no clock, disk or network. A machine that returned
// an error is dead.
//
// The caller delivers messages in the order of their rounds: a message of round
// r only when Round() ≥ r, at most one for each Slot, and none with which Form finds fault.
type Machine interface {
	// Form tells what is wrong with the form of a round message of another member, of
	// whatever round: the ceremony has no such message, or not in that round, not so large,
	// not by that way, or its body is not one. It changes nothing and may be called before
	// Start: what no honest member sends is judged when it arrives, for by the time its
	// round comes the last message may have left. The error is the sender's *Blame.
	Form(Message) error
	// Start returns the messages of the first round: 1, or 4 in a signing that was presigned.
	Start() (Step, error)
	// Step takes one message of another member.
	Step(Message) (Step, error)
	// Round is the round whose messages are being collected; Rounds is the last one.
	// Before Start it is the last round that is over: 0, or 3 in a signing that was
	// presigned.
	Round() int
	Rounds() int
	// Waiting lists the messages of the current round that have not been delivered.
	Waiting() []Slot
	// Echoes lists the rounds, ascending, whose last message may be delivered only
	// when all members have shown that they heard the same broadcasts so far. They
	// have no confidential messages. What the result of a keygen makes public follows
	// from these broadcasts, so that a member with another result is at fault.
	Echoes() []int
}
