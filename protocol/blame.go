package protocol

import (
	"errors"
	"fmt"
	"strings"
)

// Reason says how a member broke the protocol, or that nobody can tell who did.
type Reason string

// Reasons of blame. Whom the last two blame is nobody.
const (
	ReasonContradiction Reason = "contradiction"        // two signed messages for one slot: its Evidence is a proof
	ReasonFalseDigest   Reason = "false_digest"         // an echo digest that claims what its senders have not signed, or in a form that no member writes
	ReasonMessage       Reason = "invalid_message"      // a message that the ceremony does not have: type, round, way, size or form
	ReasonValue         Reason = "invalid_value"        // a number outside of its bounds
	ReasonProof         Reason = "invalid_proof"        // a proof, commitment or share that does not verify
	ReasonContribution  Reason = "invalid_contribution" // a contribution to the chain code of the wrong size
	ReasonConfirmation  Reason = "invalid_confirmation" // a signature that is not on the certificate which all members share
	ReasonUnattributed  Reason = "unattributed"         // the numbers do not match, and nobody can be named without framing somebody
	ReasonPanic         Reason = "library_panic"        // tss-lib panicked; what made it panic is not known
)

// Blame is an error with culprits: the members that broke the protocol. No culprit
// means that the failure cannot be attributed; this party is never a culprit of
// its own.
type Blame struct {
	Round    int // of the message that shows it; without one, the round that was played
	Culprits []PeerID
	Reason   Reason
	Evidence *Evidence // what the culprit signed, where that can be shown; nil otherwise
	Err      error
}

func (b *Blame) Error() string {
	who := "nobody can be blamed"
	if len(b.Culprits) > 0 {
		who = "caused by " + strings.Join(b.Culprits, ", ")
	}
	return fmt.Sprintf("round %d failed: %v (%s)", b.Round, b.Err, who)
}

func (b *Blame) Unwrap() error { return b.Err }

// Culprits returns whom err blames, nil if nobody.
func Culprits(err error) []PeerID {
	var b *Blame
	if errors.As(err, &b) {
		return b.Culprits
	}
	return nil
}
