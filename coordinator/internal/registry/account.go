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
}

// Roster returns the members of the key, in order. All are persistent.
func (a *Account) Roster() []protocol.Member {
	roster := make([]protocol.Member, len(a.Parties))
	for i, p := range a.Parties {
		roster[i] = protocol.Member{Peer: p.Peer, Role: protocol.Persistent}
	}
	return roster
}

func (a *Account) fold(e *Event) {
	switch e.Type { // only these are in an account's stream
	case AccountCreated:
		a.Seq, a.Created, a.Status, a.NewAccount = e.Seq, e.Time, AccountStatusCreating, *e.Account
	case AccountActivated:
		a.Status, a.Key = AccountStatusActive, *e.Key
	case AccountFailed:
		a.Status, a.Problem = AccountStatusFailed, e.Problem
	}
}
