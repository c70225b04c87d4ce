package engine

import (
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of how many presignatures an account asks for, and for how long.
const (
	MaxPresignTarget  = 256
	MinPresignLife    = time.Minute
	MaxPresignLife    = 24 * time.Hour
	DefaultPresignTTL = time.Hour
)

// Presigning is how an account presigns.
type Presigning struct {
	registry.Presign
	Set   bool // by the account, not by the coordinator's default
	Stock int  // presignatures that wait for a request
}

// Presigning returns how an account presigns; false if it cannot. A setting of its own is shown
// though for now its signing parties may be too few: it comes back when they are more.
func (e *Engine) Presigning(a *registry.Account) (Presigning, bool) {
	switch {
	case canPresign(a):
		return Presigning{Presign: e.presignOf(a), Set: a.Presign != nil, Stock: e.stock.count(a.ID)}, true
	case a.Presign != nil && a.Scheme == protocol.ECDSA:
		return Presigning{Presign: *a.Presign, Set: true}, true
	}
	return Presigning{}, false
}

// presignOf returns an account's setting or the default, which holds for accounts in
// use.
func (e *Engine) presignOf(a *registry.Account) registry.Presign {
	if a.Presign != nil {
		return *a.Presign
	}
	return registry.Presign{Target: e.cfg.PresignTarget, TTL: int(DefaultPresignTTL / time.Second)}
}

// canPresign reports whether an account's signatures can be prepared: they are ECDSA
// signatures, and parties that keep their shares are enough for them.
func canPresign(a *registry.Account) bool {
	return a.Status == registry.AccountStatusActive && a.Scheme == protocol.ECDSA && len(presigners(a)) >= a.Threshold.T
}

// presigners are the parties that may presign for an account.
func presigners(a *registry.Account) []registry.Party { return keepers(signingParties(a)) }

// SetPresign says how many presignatures an account keeps from now on; nil: the
// default holds.
func (e *Engine) SetPresign(account string, p *registry.Presign, meta registry.Meta) (*registry.Account, error) {
	a, err := e.activeAccount(account)
	if err != nil {
		return nil, err
	}
	if p != nil {
		if p, err = checkPresign(p, a.Scheme, len(keepers(a.Parties)), a.Threshold.T); err != nil {
			return nil, err
		}
	}
	if err := e.cfg.Registry.Append(registry.Event{
		Stream: registry.AccountStream(account), Type: registry.AccountPresign, Presign: p, Actor: meta.Actor, Idem: meta.Idem,
	}); err != nil {
		return nil, storageProblem()
	}
	e.stock.wakeUp()
	return e.cfg.Registry.Account(account), nil
}

// checkPresign checks a setting for a key with so many parties that keep their shares,
// and fills its defaults.
func checkPresign(p *registry.Presign, scheme protocol.Scheme, keepers, t int) (*registry.Presign, error) {
	own := *p
	if own.TTL == 0 {
		own.TTL = int(DefaultPresignTTL / time.Second)
	}
	detail := ""
	switch {
	case own.Target < 0 || own.Target > MaxPresignTarget:
		detail = fmt.Sprintf("an account keeps 0 to %d presignatures, not %d", MaxPresignTarget, own.Target)
	case own.Life() < MinPresignLife || own.Life() > MaxPresignLife:
		detail = fmt.Sprintf("a presignature is kept for %d to %d seconds, not %d", int(MinPresignLife/time.Second), int(MaxPresignLife/time.Second), own.TTL)
	case own.Target == 0:
	case scheme != protocol.ECDSA:
		detail = "only ECDSA accounts have presignatures: nothing of an EdDSA signature takes long"
	case keepers < t:
		detail = fmt.Sprintf("presignatures are made by parties of the network that keep their shares: %d are needed, the account has %d", t, keepers)
	}
	if detail != "" {
		return nil, &registry.Problem{Code: registry.CodeInvalidPresign, Detail: detail}
	}
	return &own, nil
}

// keepers are the parties that keep their shares.
func keepers(parties []registry.Party) (kept []registry.Party) {
	for _, p := range parties {
		if p.Member().Role == protocol.Persistent {
			kept = append(kept, p)
		}
	}
	return kept
}
