package p2p

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrConfig says that a Config, a Channel or a TopicConfig cannot work.
	ErrConfig = errors.New("bad p2p configuration")
	// ErrListen says that a listen address cannot be used.
	ErrListen = errors.New("cannot listen")
	// ErrAddr says that a multiaddr or peer id is malformed.
	ErrAddr = errors.New("malformed address")
	// ErrNotAdmitted says that the hello failed: one side refused the other.
	ErrNotAdmitted = errors.New("peer not admitted")
	// ErrUnreachable says that no connection to the peer could be made or kept.
	ErrUnreachable = errors.New("peer unreachable")
	// ErrTooLarge says that a frame or a message exceeds its limit.
	ErrTooLarge = errors.New("message too large")
	// ErrNotReady says that members are missing on a topic.
	ErrNotReady = errors.New("topic not ready")
	// ErrTopicUsed says that a topic of this name is or was in use here: names
	// of topics are not used twice, unless the topic is shared.
	ErrTopicUsed = errors.New("topic name already used")
	// ErrClosed says that the host or the topic is closed.
	ErrClosed = errors.New("closed")
)

// Reasons to refuse a credential. Each sentence says what to do.
var (
	ErrCredentialMissing      = errors.New("no membership credential: ask the network's operator to admit this node")
	ErrCredentialMalformed    = errors.New("the membership credential is damaged: copy it again or have the node admitted again")
	ErrCredentialExpired      = errors.New("the membership credential has expired: have the node admitted again")
	ErrCredentialWrongNetwork = errors.New("the membership credential is for another network: check the network name and the bootstrap addresses")
	ErrCredentialBadSignature = errors.New("the membership credential is not signed by this network's authority: have the node admitted by the right authority")
	ErrCredentialWrongPeer    = errors.New("the membership credential names another peer id: each node needs its own")
)

// Reasons to refuse a guest. Each sentence says what to do.
var (
	ErrPassMalformed    = errors.New("the guest pass is damaged: copy it again or ask whoever invited you for another one")
	ErrPassExpired      = errors.New("the guest pass has expired: ask whoever invited you for another one")
	ErrPassWrongNetwork = errors.New("the guest pass is for another network: check the bootstrap addresses")
	ErrPassBadSignature = errors.New("the guest pass is not signed by the coordinator that it names: ask whoever invited you for another one")
	ErrPassIssuer       = errors.New("the guest pass was not issued by a coordinator of this network: ask whoever invited you for another one")
	ErrMisconduct       = errors.New("the guest sent topic messages that it may not send: update its software, then connect again")
	ErrTooManyGuests    = errors.New("as many guests as are allowed are connected: try again later")
)

// refusalCodes are the reasons as they are said on the wire.
var refusalCodes = map[string]error{
	"missing":   ErrCredentialMissing,
	"malformed": ErrCredentialMalformed,
	"expired":   ErrCredentialExpired,
	"network":   ErrCredentialWrongNetwork,
	"signature": ErrCredentialBadSignature,
	"peer":      ErrCredentialWrongPeer,

	"pass-malformed": ErrPassMalformed,
	"pass-expired":   ErrPassExpired,
	"pass-network":   ErrPassWrongNetwork,
	"pass-signature": ErrPassBadSignature,
	"pass-issuer":    ErrPassIssuer,
	"guests":         ErrTooManyGuests,
}

func refusalCode(reason error) string {
	for code, err := range refusalCodes {
		if errors.Is(reason, err) {
			return code
		}
	}
	return "malformed"
}

// RefusedError says who refused whom in a hello, and why. It is an
// ErrNotAdmitted and its Reason.
type RefusedError struct {
	Peer     PeerID
	ByRemote bool  // the peer refused us; otherwise we refused the peer
	Reason   error // one of the ErrCredential and ErrPass sentinels, ErrTooManyGuests or ErrMisconduct
}

func (e *RefusedError) Error() string {
	if e.ByRemote {
		return fmt.Sprintf("%s refused this node: %v", e.Peer, e.Reason)
	}
	return fmt.Sprintf("%s was refused: %v", e.Peer, e.Reason)
}

// Unwrap lets errors.Is find ErrNotAdmitted and the reason.
func (e *RefusedError) Unwrap() []error { return []error{ErrNotAdmitted, e.Reason} }
