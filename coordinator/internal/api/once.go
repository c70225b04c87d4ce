package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Idempotency is the header that makes a repeated request safe.
type Idempotency struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"The caller's name for this request, unique among those of its API key for 24 hours. The same key with the same request has the same result, also while the first still runs and after a restart of the coordinator; with another request it is an error. Shares are never stored: a repeated call fetches them again."`
}

// asked is what a change is asked for with.
type asked struct {
	route string // names the operation, with the ids in its path
	body  any
	space string // sets the keys of callers apart who show no API key
	ref   string // id of what is changed; empty: what is made names it
	key   Idempotency
}

// once runs do unless an earlier request with the same key has run it, and
// returns the id of what the one or the other made. Requests with the same key
// wait for each other, until what they make is recorded; none waits for a
// ceremony here.
func (s *server) once(ctx context.Context, a asked, do func(registry.Meta) (ref string, err error)) (ref string, err error) {
	meta := registry.Meta{Actor: actor(ctx)}
	if a.key.IdempotencyKey == "" {
		return do(meta)
	}
	idem, err := fingerprint(ctx, a)
	if err != nil {
		return "", err
	}
	leave, err := s.flights.enter(ctx, idem.Key)
	if err != nil {
		return "", newProblem(registry.CodeShuttingDown, "the call was ended while another one with its Idempotency-Key ran")
	}
	defer leave()
	if earlier, ok := s.cfg.Registry.Idem(idem.Key); ok {
		if earlier.Body != idem.Body {
			return "", newProblem(codeIdempotency, "this Idempotency-Key was used for another request: make a new key for each request")
		}
		return earlier.Ref, nil
	}
	meta.Idem = idem
	if ref, err = do(meta); err != nil {
		return "", err
	}
	if _, recorded := s.cfg.Registry.Idem(idem.Key); !recorded { // it changed nothing that is an event
		own := *idem
		own.Ref = ref
		if err := s.cfg.Registry.Append(registry.Event{Stream: registry.RequestStream, Type: registry.RequestAnswered, Actor: meta.Actor, Idem: &own, Detail: a.route}); err != nil {
			log.Errorw("a request's Idempotency-Key could not be recorded", "route", a.route, "error", err)
		}
	}
	return ref, nil
}

// fingerprint names a request: hashes of its key, and of what it asks for.
func fingerprint(ctx context.Context, a asked) (*registry.Idem, error) {
	body, err := json.Marshal(a.body)
	if err != nil {
		return nil, problemOf(err)
	}
	caller := access.From(ctx)
	return &registry.Idem{
		Key: hash(caller.KeyID, caller.Session, a.space, a.key.IdempotencyKey), Body: hash(a.route, string(body)), Ref: a.ref,
	}, nil
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// actor is who makes a request, for the log of events.
func actor(ctx context.Context) *registry.Actor {
	c := access.From(ctx)
	a := &registry.Actor{Key: c.KeyID, KeyName: c.KeyName, Request: c.RequestID}
	if c.Client.IsValid() {
		a.Client = c.Client.String()
	}
	return a
}

// flights are the keys whose requests are being recorded.
type flights struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// enter waits for its turn with a key; leave gives it up.
func (f *flights) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		f.mu.Lock()
		before := f.busy[key]
		if before == nil {
			mine := make(chan struct{})
			if f.busy == nil {
				f.busy = make(map[string]chan struct{})
			}
			f.busy[key] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.busy, key)
				f.mu.Unlock()
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
