package engine

import (
	"fmt"
	"slices"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// FixSigners fixes which members of an account's key sign for it in sessions
// from now on. None lets them be chosen for each session.
func (e *Engine) FixSigners(account string, names []string, meta registry.Meta) (*registry.Account, error) {
	a, err := e.activeAccount(account)
	if err != nil {
		return nil, err
	}
	var fixed []registry.Party
	for _, name := range names {
		p, err := memberOf(a, name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(fixed, p) {
			return nil, &registry.Problem{Code: registry.CodeInvalidParties, Detail: fmt.Sprintf("party %q is named twice", name)}
		}
		fixed = append(fixed, p)
	}
	if len(names) > 0 && len(fixed) < a.Threshold.T {
		return nil, &registry.Problem{
			Code:   registry.CodeInvalidParties,
			Detail: fmt.Sprintf("%d parties cannot sign for a key of %v: name at least %d", len(fixed), a.Threshold, a.Threshold.T),
		}
	}
	slices.SortFunc(fixed, func(x, y registry.Party) int { return slices.Index(a.Parties, x) - slices.Index(a.Parties, y) })
	if err := e.cfg.Registry.Append(registry.Event{
		Stream: registry.AccountStream(account), Type: registry.SigningParties, Parties: fixed, Actor: meta.Actor, Idem: meta.Idem,
	}); err != nil {
		return nil, storageProblem()
	}
	return e.cfg.Registry.Account(account), nil
}

// memberOf finds a member of an account's key by name or peer id.
func memberOf(a *registry.Account, name string) (registry.Party, error) {
	var found []registry.Party
	for _, p := range a.Parties {
		if p.Peer == name {
			return p, nil
		}
		if p.Name == name {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return registry.Party{}, &registry.Problem{Code: registry.CodeInvalidParties, Detail: fmt.Sprintf("%q holds no share of this account: name parties as the account lists them", name)}
	}
	return registry.Party{}, &registry.Problem{Code: registry.CodeInvalidParties, Detail: fmt.Sprintf("several members are called %q: name it by its peer id", name)}
}
