package api

import (
	"cmp"
	"encoding/hex"
	"fmt"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// signable is a message as a caller gave it, and what the key signs for it.
type signable struct {
	payload []byte // the digest; without a hash the message itself
	message []byte // nil without a hash
	hash    string // empty without a hash
}

// readMessage decodes a message of a request and hashes it when that is asked
// for. Empty names are the defaults: hex, and no hash.
func readMessage(text, encoding, hash string) (signable, error) {
	given, err := chain.Decode(cmp.Or(encoding, chain.Hex), text)
	if err != nil {
		return signable{}, fieldProblem(codeMalformedMessage, "body.message", "message "+err.Error()+"; encoding says how it is written")
	}
	if hash == "" || hash == chain.None {
		return signable{payload: given}, nil // its length is the engine's to judge: it depends on the account
	}
	if n := len(given); n == 0 || n > protocol.MaxMessage {
		return signable{}, fieldProblem(registry.CodeInvalidPayload, "body.message", fmt.Sprintf("a message has 1 to %d bytes, not %d", protocol.MaxMessage, n))
	}
	payload, err := chain.Hash(hash, given)
	if err != nil {
		return signable{}, fieldProblem(codeInvalid, "body.hash", err.Error())
	}
	return signable{payload: payload, message: given, hash: hash}, nil
}

// fieldProblem is a problem with one field of a request.
func fieldProblem(code, location, detail string) *rest.Problem {
	p := newProblem(code, detail)
	p.Errors = []rest.FieldError{{Location: location, Message: detail}}
	return p
}

// whole returns a session with its message, which may be on disk alone.
func (s *server) whole(r *registry.Session) *registry.Session {
	complete, err := s.cfg.Registry.Complete(r)
	if err != nil {
		log.Errorw("the message of a session could not be read", "session", r.ID, "error", err)
		return r
	}
	return complete
}

// signedView says what a sign session signs: the bytes that were given, what was
// applied to them, and the outcome, which is what the key signs.
func signedView(s *registry.Session) (message, hash, digest string) {
	digest = hex.EncodeToString(s.Payload)
	if s.Hash == "" {
		return digest, chain.None, digest
	}
	return hex.EncodeToString(s.Message), s.Hash, digest
}
