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
	webhooks   map[string]*WebhookState
	bySID      map[string]string   // attempt → session id
	classes    map[string]classes  // account → its sessions; "": all sessions
	accountIDs list                // all accounts
	byOwner    map[string]list     // owner → accounts
	presigning map[string]struct{} // accounts that have a key and ask for presignatures
	webhookIDs list                // all webhooks
	unfinished map[string]struct{} // session ids
	late       map[late]struct{}   // outcomes that came late or belong to nothing
	orphans    map[string]orphan   // streams of outcomes that belong to nothing
	orphanage  int                 // events in them
	invites    map[string]string   // hash of a code → session
	ageing     map[string]int      // events of streams that never end
	idem       idemIndex
	// headless are streams whose first events were pruned, and those of things that
	// are gone: they have no state, and the rest of them is pruned next.
	headless map[string]struct{}
}

func newView() *view {
	return &view{
		sessions: make(map[string]*Session), accounts: make(map[string]*Account), webhooks: make(map[string]*WebhookState),
		bySID: make(map[string]string), classes: make(map[string]classes), byOwner: make(map[string]list),
		unfinished: make(map[string]struct{}), late: make(map[late]struct{}), orphans: make(map[string]orphan),
		invites: make(map[string]string), idem: idemIndex{byKey: make(map[string]idemEntry)},
		headless: make(map[string]struct{}), ageing: make(map[string]int), presigning: make(map[string]struct{}),
	}
}

// apply folds one event. Snapshots that were handed out stay as they are.
func (v *view) apply(e *Event) {
	v.lastSeq = e.Seq
	if !v.dispatch(e) {
		v.headless[e.Stream] = struct{}{}
		return
	}
	if begins(e.Type) {
		delete(v.headless, e.Stream) // what is left of an earlier one goes with this
	}
	if e.Idem != nil {
		v.idem.add(*e.Idem, e.Time)
	}
	if e.Type == OutcomeLate || e.Type == OutcomeOrphaned {
		v.late[lateKey(e)] = struct{}{}
	}
}

// orphan is a stream of outcomes that belong to no session.
type orphan struct {
	last   time.Time // event
	events int
}

// late is an outcome that came late. A party may fail, and deliver a record of the
// same attempt once it has heard from the others.
type late struct {
	sid     string
	party   string
	failure bool
}

func lateKey(e *Event) late { return late{e.SID, e.Party, e.Code != ""} }

// dispatch applies an event to the thing whose stream it is in; false when there
// is no such thing.
func (v *view) dispatch(e *Event) bool {
	kind, id, _ := strings.Cut(e.Stream, "/")
	switch kind + "/" {
	case sessionPrefix:
		return v.applySession(id, e)
	case accountPrefix:
		return v.applyAccount(id, e)
	case webhookPrefix:
		return v.applyWebhook(id, e)
	case orphanPrefix:
		v.orphans[e.Stream] = orphan{e.Time, v.orphans[e.Stream].events + 1}
		v.orphanage++
	default:
		v.ageing[e.Stream]++
	}
	return true
}

func (v *view) applySession(id string, e *Event) bool {
	old := v.sessions[id]
	if old == nil {
		if e.Type != SessionCreated {
			return false
		}
		old = &Session{ID: id}
	}
	s := old.clone()
	s.fold(e)
	v.sessions[id] = s
	if old.Seq == 0 {
		v.file(s)
	} else if classOf(old) != classOf(s) {
		v.unfile(old)
		v.file(s)
	}
	switch e.Type {
	case AttemptStarted:
		if s.SID == e.SID {
			v.bySID[e.SID] = id
		}
	case InviteCreated:
		v.invites[e.Invite.Hash] = id
	}
	if s.Status.Finished() {
		delete(v.unfinished, id)
	} else {
		v.unfinished[id] = struct{}{}
	}
	return true
}

func (v *view) applyAccount(id string, e *Event) bool {
	old := v.accounts[id]
	if old == nil {
		if e.Type != AccountCreated {
			return false
		}
		old = &Account{ID: id}
		v.accountIDs = v.accountIDs.add(entry{e.Seq, id})
		v.byOwner[e.Account.Owner] = v.byOwner[e.Account.Owner].add(entry{e.Seq, id})
	}
	a := *old
	a.fold(e)
	v.accounts[id] = &a
	if a.Status == AccountStatusActive && a.Presign != nil && a.Presign.Target > 0 {
		v.presigning[id] = struct{}{}
	} else {
		delete(v.presigning, id)
	}
	return true
}

func (v *view) applyWebhook(id string, e *Event) bool {
	old := v.webhooks[id]
	if old == nil {
		if e.Type != WebhookCreated {
			return false
		}
		old = &WebhookState{ID: id}
		v.webhookIDs = v.webhookIDs.add(entry{e.Seq, id})
	}
	w := *old
	w.fold(e)
	v.webhooks[id] = &w
	return true
}
