package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
)

// MinKeyLength is the number of characters that an API key must have.
const MinKeyLength = 32

// keyring holds the hashes of the API keys, never the keys.
type keyring struct{ hashes [][sha256.Size]byte }

func newKeyring(keys []string) (*keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("an API key is required; make one with: openssl rand -hex 32")
	}
	k := &keyring{}
	for _, key := range keys {
		if len(key) < MinKeyLength {
			return nil, fmt.Errorf("an API key has %d characters and needs at least %d; make one with: openssl rand -hex 32", len(key), MinKeyLength)
		}
		k.hashes = append(k.hashes, sha256.Sum256([]byte(key)))
	}
	return k, nil
}

// holds reports whether key is one of the ring's. Its time depends on neither.
func (k *keyring) holds(key string) bool {
	sum := sha256.Sum256([]byte(key))
	found := 0
	for i := range k.hashes {
		found |= subtle.ConstantTimeCompare(sum[:], k.hashes[i][:])
	}
	return found == 1
}

// guard lets allowed addresses with a right key through.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathHealth || r.URL.Path == pathReady {
			next.ServeHTTP(w, r)
			return
		}
		client, ok := s.clients.addr(r)
		if !ok || !s.clients.allowed(client) {
			log.Warnw("a request came from an address that is not allowed", "client", client, "path", r.URL.Path, "request", requestID(r.Context()))
			writeProblem(w, r, newProblem(codeForbidden, "this address may not use the API: the operator lists the ones that may in ALLOWED_IPS"))
			return
		}
		if r.URL.Path != pathOpenAPI && !s.keys.holds(r.Header.Get("X-API-Key")) {
			log.Warnw("a request came without a right API key", "client", client, "path", r.URL.Path, "request", requestID(r.Context()))
			w.Header().Set("WWW-Authenticate", `ApiKey realm="mpc"`)
			writeProblem(w, r, newProblem(codeUnauthorized, "the header X-API-Key is missing or wrong"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
