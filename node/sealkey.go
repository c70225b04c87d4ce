package node

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Life of a statement about the seal key.
const (
	sealKeyLife  = 7 * 24 * time.Hour
	sealKeyRenew = 24 * time.Hour // age at which it is made anew
)

// sealer has the key that users seal their shares to. It lives in memory only:
// what was sealed for a signing before a restart cannot be opened after it, by
// nobody.
type sealer struct {
	signer  protocol.Signer
	network string
	private *ecdh.PrivateKey

	mu        sync.Mutex
	published []byte
	made      time.Time
}

func newSealer(signer protocol.Signer, network string) (*sealer, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("node: seal key: %w", err)
	}
	return &sealer{signer: signer, network: network, private: private}, nil
}

// statement returns the encoded protocol.SignedSealKey.
func (s *sealer) statement(now time.Time) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.made); s.published != nil && age >= 0 && age < sealKeyRenew {
		return s.published
	}
	statement, err := protocol.SignSealKey(s.signer, protocol.SealKey{
		Network: s.network, Key: s.private.PublicKey().Bytes(), Expires: now.Add(sealKeyLife).Unix(),
	})
	if err != nil {
		log.Errorw("the seal key cannot be published", "error", err)
		return nil
	}
	s.published, s.made = statement, now
	return statement
}
