package registry

import (
	"strings"
	"time"
)

// view is the fold of the whole log. It is a pure function of the events
// applied, in order; Registry guards it.
type view struct {
	lastSeq    uint64
	sessions   map[string]*Session
	accounts   map[string]*Account
	bySID      map[string]string   // attempt → session id
	allIDs     []string            // sessions in the order of creation
	accountIDs []string            // accounts in the order of creation
	byAccount  map[string][]string // account → its sessions
	byOwner    map[string][]string // owner → accounts
	unfinished map[string]struct{} // session ids
	late       map[string]struct{} // sid/party: outcomes that came late or belong to nothing
	invites    map[string]string   // hash of a code → session
	idem       map[string]idemEntry
}

// idemEntry is a request that was answered, and when.
type idemEntry struct {
	Idem
	at time.Time
}

func newView() *view {
	return &view{
		sessions: make(map[string]*Session), accounts: make(map[string]*Account), bySID: make(map[string]string),
		byAccount: make(map[string][]string), byOwner: make(map[string][]string),
		unfinished: make(map[string]struct{}), late: make(map[string]struct{}),
		invites: make(map[string]string), idem: make(map[string]idemEntry),
	}
}

// apply folds one event. Snapshots that were handed out stay as they are.
func (v *view) apply(e *Event) {
	v.lastSeq = e.Seq
	kind, id, _ := strings.Cut(e.Stream, "/")
	switch kind + "/" {
	case sessionPrefix:
		v.applySession(id, e)
	case accountPrefix:
		v.applyAccount(id, e)
	}
	if e.Idem != nil {
		v.idem[e.Idem.Key] = idemEntry{*e.Idem, e.Time}
	}
	if e.Type == OutcomeLate || e.Type == OutcomeOrphaned {
		v.late[e.SID+"/"+e.Party] = struct{}{}
	}
}

func (v *view) applySession(id string, e *Event) {
	old := v.sessions[id]
	if old == nil {
		if e.Type != SessionCreated {
			return // a log that begins in the middle has no state
		}
		old = &Session{ID: id}
		v.allIDs = append(v.allIDs, id)
		v.byAccount[e.Session.Account] = append(v.byAccount[e.Session.Account], id)
	}
	s := old.clone()
	s.fold(e)
	v.sessions[id] = s
	switch e.Type {
	case AttemptStarted:
		v.bySID[e.SID] = id
	case InviteCreated:
		v.invites[e.Invite.Hash] = id
	}
	if s.Status.Finished() {
		delete(v.unfinished, id)
	} else {
		v.unfinished[id] = struct{}{}
	}
}

func (v *view) applyAccount(id string, e *Event) {
	old := v.accounts[id]
	if old == nil {
		if e.Type != AccountCreated {
			return
		}
		old = &Account{ID: id}
		v.accountIDs = append(v.accountIDs, id)
		v.byOwner[e.Account.Owner] = append(v.byOwner[e.Account.Owner], id)
	}
	a := *old
	a.fold(e)
	v.accounts[id] = &a
}
