package engine

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// KeygenRequest asks for a new account.
type KeygenRequest struct {
	Owner     string
	Scheme    protocol.Scheme
	Threshold protocol.Threshold
	Parties   []string // names or peer ids of exactly N parties; none: any
	Labels    map[string]string
}

// SignRequest asks for a signature.
type SignRequest struct {
	Account string
	Payload []byte // ECDSA: a digest of 32 bytes; EdDSA: 1 to protocol.MaxMessage bytes
}

// Keygen starts a keygen and returns the session's id once it is durable. An
// error is a *registry.Problem.
func (e *Engine) Keygen(req KeygenRequest) (session string, err error) {
	if err := req.Threshold.Validate(); err != nil {
		return "", &registry.Problem{Code: registry.CodeInvalidThreshold, Detail: err.Error()}
	}
	parties, err := e.requested(req)
	if err != nil {
		return "", err
	}
	session, account, err := newIDs()
	if err != nil {
		return "", err
	}
	created := registry.NewSession{
		Kind: protocol.KindKeygen, Account: account, Owner: req.Owner, KeyID: session, Scheme: req.Scheme,
		Threshold: req.Threshold, Parties: parties, Expires: e.sessionDeadline(protocol.KindKeygen),
	}
	return session, e.start(session, created, registry.Event{
		Stream: registry.AccountStream(account), Type: registry.AccountCreated,
		Account: &registry.NewAccount{
			Owner: req.Owner, KeyID: session, Scheme: req.Scheme, Threshold: req.Threshold,
			Approvers: e.approvers, Labels: req.Labels,
		},
	})
}

func newIDs() (session, account string, err error) {
	a, err := uuid.NewV7()
	if err != nil {
		return "", "", &registry.Problem{Code: registry.CodeInternal, Detail: "no random bytes: " + err.Error()}
	}
	s, err := uuid.NewV7()
	if err != nil {
		return "", "", &registry.Problem{Code: registry.CodeInternal, Detail: "no random bytes: " + err.Error()}
	}
	return s.String(), a.String(), nil
}

// requested resolves the parties that a keygen names, and checks that the pool
// is large enough for one that names none.
func (e *Engine) requested(req KeygenRequest) ([]registry.Party, error) {
	n := req.Threshold.N
	if len(req.Parties) == 0 {
		if live := len(e.cfg.Pool.Live()); n > live {
			return nil, &registry.Problem{
				Code:   registry.CodePoolTooSmall,
				Detail: fmt.Sprintf("%v needs %d parties and the pool has %d live ones", req.Threshold, n, live),
			}
		}
		return nil, nil
	}
	if len(req.Parties) != n {
		return nil, &registry.Problem{
			Code:   registry.CodeInvalidThreshold,
			Detail: fmt.Sprintf("%d parties are named and the threshold is %v: name exactly %d", len(req.Parties), req.Threshold, n),
		}
	}
	return e.resolve(req.Parties)
}

func (e *Engine) resolve(names []string) ([]registry.Party, error) {
	parties := make([]registry.Party, 0, len(names))
	seen := make(map[protocol.PeerID]bool)
	for _, name := range names {
		p, ok := e.cfg.Pool.Find(name)
		switch {
		case !ok:
			return nil, &registry.Problem{
				Code:   registry.CodeUnknownParty,
				Detail: fmt.Sprintf("no party %q is in the pool: name it as GET /api/v1/parties does", name),
			}
		case seen[p.Peer]:
			return nil, &registry.Problem{Code: registry.CodeUnknownParty, Detail: fmt.Sprintf("party %q is named twice", name)}
		}
		seen[p.Peer] = true
		parties = append(parties, partyOf(p))
	}
	return parties, nil
}

func partyOf(p pool.Party) registry.Party { return registry.Party{Peer: p.Peer, Name: p.Name} }

// Sign starts a sign session and returns its id once it is durable. An error is
// a *registry.Problem.
func (e *Engine) Sign(req SignRequest) (session string, err error) {
	a := e.cfg.Registry.Account(req.Account)
	switch {
	case a == nil:
		return "", &registry.Problem{Code: registry.CodeAccountNotFound, Detail: fmt.Sprintf("there is no account %q", req.Account)}
	case a.Status != registry.AccountStatusActive:
		return "", &registry.Problem{
			Code:    registry.CodeAccountNotActive,
			Detail:  fmt.Sprintf("the account has no key: its status is %s; its keygen session tells more", a.Status),
			Session: a.KeyID,
		}
	}
	if err := checkPayload(a.Scheme, req.Payload); err != nil {
		return "", err
	}
	session, _, err = newIDs()
	if err != nil {
		return "", err
	}
	return session, e.start(session, registry.NewSession{
		Kind: protocol.KindSign, Account: a.ID, Owner: a.Owner, KeyID: a.KeyID, Scheme: a.Scheme,
		Threshold: a.Threshold, Payload: req.Payload, Expires: e.sessionDeadline(protocol.KindSign),
	})
}

func checkPayload(scheme protocol.Scheme, payload []byte) error {
	n := len(payload)
	switch {
	case scheme == protocol.ECDSA && n != protocol.DigestSize:
		return &registry.Problem{
			Code:   registry.CodeInvalidPayload,
			Detail: fmt.Sprintf("an ECDSA account signs a digest of %d bytes, not %d: hash the message first", protocol.DigestSize, n),
		}
	case n == 0 || n > protocol.MaxMessage:
		return &registry.Problem{
			Code:   registry.CodeInvalidPayload,
			Detail: fmt.Sprintf("a message has 1 to %d bytes, not %d", protocol.MaxMessage, n),
		}
	}
	return nil
}

// attemptTimeout bounds one attempt.
func (e *Engine) attemptTimeout(kind protocol.Kind) time.Duration {
	if kind == protocol.KindKeygen {
		return e.cfg.KeygenTimeout
	}
	return e.cfg.SignTimeout
}

// sessionDeadline is when the last attempt of a session that starts now is over.
func (e *Engine) sessionDeadline(kind protocol.Kind) time.Time {
	return time.Now().Add(maxAttempts * (e.attemptTimeout(kind) + probeTimeout + time.Second)).UTC().Round(0)
}

// start makes a session durable and runs it. Parties are looked for while the
// disk works; nothing is proposed to them before it is done.
func (e *Engine) start(id string, created registry.NewSession, more ...registry.Event) error {
	if !e.enter(id) {
		return &registry.Problem{Code: registry.CodeShuttingDown, Detail: "the coordinator is shutting down: try again in a few seconds"}
	}
	events := append([]registry.Event{{Stream: registry.SessionStream(id), Type: registry.SessionCreated, Session: &created}}, more...)
	batch := e.cfg.Registry.Begin(events...)
	r := &runner{e: e, id: id, req: created, durable: make(chan struct{}), number: 1}
	e.spawn(func() {
		defer e.leave(id)
		r.run(e.ctx)
	})
	err := batch.Wait()
	if err != nil {
		log.Errorw("a session could not be recorded", "session", id, "error", err)
		r.stillborn = true
		err = &registry.Problem{Code: registry.CodeStorage, Detail: "the coordinator could not record the session: its disk may be full"}
	}
	close(r.durable)
	return err
}
