package registry

import (
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// AccountStatus is how far an account is.
type AccountStatus string

// Statuses of accounts.
const (
	AccountStatusCreating AccountStatus = "creating" // its keygen runs
	AccountStatusActive   AccountStatus = "active"   // every party has its share on disk
	AccountStatusFailed   AccountStatus = "failed"   // its keygen failed; it never had a key
)

// Account is the state of one account.
type Account struct {
	NewAccount
	Key
	ID      string
	Seq     uint64 // of its first event
	Status  AccountStatus
	Epoch   uint32
	Created time.Time
	Problem *Problem
	Signing []Party // those that sign, if fixed
	Erased  bool    // custody hybrid: the delegate has erased the user's share
}

// Roster returns the members of the key, in order.
func (a *Account) Roster() []protocol.Member {
	roster := make([]protocol.Member, len(a.Parties))
	for i, p := range a.Parties {
		roster[i] = p.Member()
	}
	return roster
}

// Delegate returns the party that computes for the user, if there is one.
func (a *Account) Delegate() (Party, bool) {
	for _, p := range a.Parties {
		if p.Role == protocol.Delegate {
			return p, true
		}
	}
	return Party{}, false
}

func (a *Account) fold(e *Event) {
	switch e.Type { // only these are in an account's stream
	case AccountCreated:
		if a.Seq != 0 {
			return // it was made before
		}
		a.Seq, a.Created, a.Status, a.NewAccount = e.Seq, e.Time, AccountStatusCreating, *e.Account
	case AccountActivated:
		a.Status, a.Key = AccountStatusActive, *e.Key
	case AccountFailed:
		a.Status, a.Problem = AccountStatusFailed, e.Problem
	case SigningParties:
		a.Signing = e.Parties
	case AccountPresign:
		a.Presign = e.Presign
	case ShareErased:
		a.Erased = true
	}
}
