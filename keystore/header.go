package keystore

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind names a family of records, such as "share" or "preparams". The users of the
// store define their own: 1 to 16 characters of a-z and -.
type Kind string

// State is where a record is in its life: 1 to 16 characters of a-z and -.
type State string

// The states in use. The store gives them no meaning; its quarantine is no state.
const (
	StatePending     State = "pending"     // made, not yet confirmed by all members
	StateActive      State = "active"      // in use
	StateRetired     State = "retired"     // replaced by a newer epoch
	StateQuarantined State = "quarantined" // authentic, but refused by its owner
	StateFresh       State = "fresh"       // single-use material, unused
	StateUsed        State = "used"        // single-use material, handed out
)

const (
	maxName = 16  // bytes of a kind or state
	maxText = 255 // bytes of every other string
	// MaxPayload is the largest payload in bytes, so that a record stays below the size
	// from which Badger's value log would hold it.
	MaxPayload = valueThreshold - 8<<10
)

// Header describes a record. All of it is authenticated with the payload, and none of
// it is secret: it is stored in clear.
type Header struct {
	Kind      Kind
	ID        string // unique within its kind, 1 to 255 bytes of printable UTF-8
	Account   string // empty, or as ID; so are Key and Scheme
	Key       string // key id; with Epoch it names the scope whose KEK seals the record
	Scheme    string
	Epoch     uint32   // generation of the key's shares
	Committee [32]byte // hash of roster and threshold
	Threshold int      // signers needed, 0 to 65535
	Parties   int      // members, 0 to 65535
	State     State
	Approvers [32]byte // hash of who may authorise
}

// Record is a header with its secret payload of at most MaxPayload bytes.
type Record struct {
	Header
	Payload []byte
}

// Validate returns ErrInvalid with the field at fault.
func (h *Header) Validate() error {
	if err := h.Kind.validate(); err != nil {
		return err
	}
	if err := h.State.validate(); err != nil {
		return err
	}
	if err := validID(h.ID); err != nil {
		return err
	}
	for _, f := range []struct{ name, text string }{{"account", h.Account}, {"key", h.Key}, {"scheme", h.Scheme}} {
		if !printable(f.text) {
			return invalidf("%s %.40q: must be at most %d bytes of printable UTF-8", f.name, f.text, maxText)
		}
	}
	if h.Threshold < 0 || h.Threshold > math.MaxUint16 || h.Parties < 0 || h.Parties > math.MaxUint16 {
		return invalidf("threshold %d of %d parties: each must be 0 to %d", h.Threshold, h.Parties, math.MaxUint16)
	}
	return nil
}

func (r *Record) validate() error {
	if err := r.Validate(); err != nil {
		return err
	}
	if len(r.Payload) > MaxPayload {
		return invalidf("%s %q: payload of %d bytes, at most %d fit", r.Kind, r.ID, len(r.Payload), MaxPayload)
	}
	return nil
}

func (k Kind) validate() error {
	if !isName(string(k)) {
		return invalidf("record kind %.40q: must be 1 to %d characters of a-z and -", string(k), maxName)
	}
	return nil
}

func (s State) validate() error {
	if !isName(string(s)) {
		return invalidf("record state %.40q: must be 1 to %d characters of a-z and -", string(s), maxName)
	}
	return nil
}

func validID(id string) error {
	if id == "" || !printable(id) {
		return invalidf("record id %.40q: must be 1 to %d bytes of printable UTF-8", id, maxText)
	}
	return nil
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == "" // Trim leaves nothing only if all match
}

func printable(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
