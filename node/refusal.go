package node

import (
	"errors"
	"fmt"

	"github.com/meshmpc/mpcd/protocol"
)

// refusal is an error with the code that the coordinator is told.
type refusal struct {
	code  protocol.Code
	peers []protocol.PeerID // because of whom; nil: because of nobody
	err   error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(code protocol.Code, format string, args ...any) error {
	return &refusal{code: code, err: fmt.Errorf(format, args...)}
}

// codeOf returns the code of a refusal; anything else is this party's fault.
func codeOf(err error) protocol.Code {
	var r *refusal
	if errors.As(err, &r) {
		return r.code
	}
	return protocol.CodeInternal
}

// peersOf returns because of whom a proposal is refused.
func peersOf(err error) []protocol.PeerID {
	var r *refusal
	if errors.As(err, &r) {
		return r.peers
	}
	return nil
}
