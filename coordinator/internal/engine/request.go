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
	Parties   []string // names or peer ids of the network's parties that are to hold shares; none: any
	Labels    map[string]string
	Device    registry.DeviceInfo
	Approvers protocol.Approvers // zero: the network's approver key
	Presign   *registry.Presign  // nil: the coordinator's default

	Custody   registry.Custody
	Recipient []byte // hybrid: X25519 key to seal the user's share to; none: named later
	Open      bool   // hybrid: wait for Complete
	Externals int    // co-managed: how many of the members are users' devices

	Waiting
	Meta registry.Meta
}

// Waiting is what a session that may have to wait needs.
type Waiting struct {
	Life   time.Duration                   // how long it waits; 0: DefaultKeygenWait, DefaultSignWait
	Invite func() (registry.Invite, error) // makes one invite, expiring with the session; nil: none can be made
}

// own counts the members of a keygen that are parties of the network.
func (req *KeygenRequest) own() int { return req.Threshold.N - req.Externals }

// named is how many parties a keygen that names any must name.
func (req *KeygenRequest) named() int {
	if req.Custody == registry.CustodyHybrid {
		return req.own() - 1 // the delegate is any other party
	}
	return req.own()
}

// Keygen starts a keygen, or leaves it waiting for users, and returns the
// session's id once it is durable. An error is a *registry.Problem.
func (e *Engine) Keygen(req KeygenRequest) (session string, err error) {
	if err := e.checkKeygen(&req); err != nil {
		return "", err
	}
	parties, err := e.requested(&req)
	if err != nil {
		return "", err
	}
	session, account, err := newIDs()
	if err != nil {
		return "", err
	}
	created := registry.NewSession{
		Kind: protocol.KindKeygen, Account: account, Owner: req.Owner, KeyID: session, Scheme: req.Scheme,
		Threshold: req.Threshold, Parties: parties, Custody: req.Custody, Externals: req.Externals,
		Recipient: req.Recipient, Approvers: req.Approvers,
	}
	switch {
	case req.Externals > 0:
		created.Wait = registry.WaitExternal
	case req.Open:
		created.Wait = registry.WaitUser
	}
	n := newcomer{id: session, created: created, waiting: req.Waiting, meta: req.Meta}
	n.more = append(n.more, registry.Event{
		Stream: registry.AccountStream(account), Type: registry.AccountCreated,
		Account: &registry.NewAccount{
			Owner: req.Owner, KeyID: session, Scheme: req.Scheme, Threshold: req.Threshold,
			Approvers: req.Approvers, Labels: req.Labels, Custody: req.Custody, Device: req.Device, Presign: req.Presign,
		},
	})
	return session, e.start(n)
}

// checkKeygen checks a request and fills its defaults.
func (e *Engine) checkKeygen(req *KeygenRequest) error {
	if err := req.Threshold.Validate(); err != nil {
		return &registry.Problem{Code: registry.CodeInvalidThreshold, Detail: err.Error()}
	}
	if req.Custody == "" {
		req.Custody = registry.CustodyServer
	}
	if req.Approvers.M == 0 && len(req.Approvers.Keys) == 0 {
		req.Approvers = e.approvers
	}
	if err := req.Approvers.Validate(); err != nil {
		return &registry.Problem{Code: registry.CodeInvalidApprovers, Detail: err.Error()}
	}
	if len(req.Recipient) != 0 {
		if err := protocol.CheckRecipient(req.Recipient); err != nil || req.Custody != registry.CustodyHybrid {
			return &registry.Problem{Code: registry.CodeBadUserShare, Detail: "recipient_key is for accounts with a user's share, and is an X25519 public key of 32 bytes"}
		}
	}
	if req.Externals < 0 || req.Externals > req.Threshold.N || (req.Externals > 0) != (req.Custody == registry.CustodyCoManaged) {
		return &registry.Problem{
			Code:   registry.CodeInvalidThreshold,
			Detail: fmt.Sprintf("%d external parties do not go with custody %s and a threshold of %v", req.Externals, req.Custody, req.Threshold),
		}
	}
	if req.Presign != nil {
		keep := req.own()
		if req.Custody == registry.CustodyHybrid {
			keep-- // the delegate keeps nothing
		}
		var err error
		if req.Presign, err = checkPresign(req.Presign, req.Scheme, keep, req.Threshold.T); err != nil {
			return err
		}
	}
	return nil
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
func (e *Engine) requested(req *KeygenRequest) ([]registry.Party, error) {
	live := e.live(req.Custody == registry.CustodyHybrid)
	if req.own() > live && !req.Open && req.Externals == 0 { // others may wait for a larger pool
		return nil, &registry.Problem{
			Code:   registry.CodePoolTooSmall,
			Detail: fmt.Sprintf("%v needs %d parties of the network and the pool has %d live ones", req.Threshold, req.own(), live),
		}
	}
	if len(req.Parties) == 0 {
		return nil, nil
	}
	if len(req.Parties) != req.named() {
		return nil, &registry.Problem{
			Code:   registry.CodeInvalidThreshold,
			Detail: fmt.Sprintf("%d parties are named and the threshold is %v: name exactly %d", len(req.Parties), req.Threshold, req.named()),
		}
	}
	return e.resolve(req.Parties)
}

// live counts the parties that may hold shares of their own, and with delegates
// also one that may compute for a user.
func (e *Engine) live(withDelegate bool) int {
	n, delegates := 0, 0
	for _, p := range e.cfg.Pool.Live() {
		if p.Delegate {
			delegates++
		} else {
			n++
		}
	}
	if withDelegate && delegates > 0 {
		n++
	}
	return n
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
		case p.Delegate:
			return nil, &registry.Problem{
				Code:   registry.CodeUnknownParty,
				Detail: fmt.Sprintf("party %q was admitted as a delegate: it keeps no shares, name another one", name),
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

// attemptTimeout bounds one attempt. People who compare fingerprints take their
// time.
func (e *Engine) attemptTimeout(s *registry.NewSession) time.Duration {
	switch {
	case s.Externals > 0:
		return max(consentTimeout, e.cfg.KeygenTimeout, e.cfg.SignTimeout)
	case s.Kind == protocol.KindKeygen:
		return e.cfg.KeygenTimeout
	}
	return e.cfg.SignTimeout
}

// sessionDeadline is when the last attempt of a session that begins now is over.
func (e *Engine) sessionDeadline(s *registry.NewSession) time.Time {
	attempts := time.Duration(maxAttempts)
	if s.Kind == protocol.KindSign && s.Threshold.N > s.Threshold.T {
		attempts++ // other signers, if one of them only lets time pass
	}
	presigned := time.Duration(0)
	if s.Kind == protocol.KindSign && s.Scheme == protocol.ECDSA {
		presigned = presignedTimeout // which may come first
	}
	return time.Now().Add(presigned + attempts*(e.attemptTimeout(s)+probeTimeout+time.Second)).UTC().Round(0)
}
