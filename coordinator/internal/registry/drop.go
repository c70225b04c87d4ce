package registry

import "strings"

// open reports whether more may come in a stream.
func (v *view) open(stream string) bool {
	kind, id, _ := strings.Cut(stream, "/")
	if kind+"/" != sessionPrefix {
		return true
	}
	_, ok := v.unfinished[id]
	return ok
}

// drop forgets what a pruned stream told. It is what a replay without these
// events would make.
func (v *view) drop(c cut) {
	kind, id, _ := strings.Cut(c.stream, "/")
	switch kind + "/" {
	case sessionPrefix:
		v.dropSession(id)
	case accountPrefix:
		v.dropAccount(id)
	case webhookPrefix:
		if w := v.webhooks[id]; w != nil {
			delete(v.webhooks, id)
			v.webhookIDs = v.webhookIDs.remove(w.Seq)
		}
	case orphanPrefix:
		v.dropOrphans(c)
		return
	default:
		if v.ageing[c.stream] -= len(c.keys); v.ageing[c.stream] <= 0 {
			delete(v.ageing, c.stream)
		}
		return
	}
	for i := range c.events {
		v.dropEvent(&c.events[i])
	}
	if c.rest {
		v.headless[c.stream] = struct{}{}
	} else {
		delete(v.headless, c.stream)
	}
}

func (v *view) dropSession(id string) {
	if s := v.sessions[id]; s != nil {
		v.unfile(s)
		delete(v.sessions, id)
		delete(v.unfinished, id)
	}
}

func (v *view) dropAccount(id string) {
	a := v.accounts[id]
	if a == nil {
		return
	}
	delete(v.accounts, id)
	delete(v.presigning, id)
	v.accountIDs = v.accountIDs.remove(a.Seq)
	if left := v.byOwner[a.Owner].remove(a.Seq); left != nil {
		v.byOwner[a.Owner] = left
	} else {
		delete(v.byOwner, a.Owner)
	}
}

// dropOrphans forgets outcomes without a session. What is left of their stream
// needs no beginning.
func (v *view) dropOrphans(c cut) {
	for i := range c.keys {
		v.dropEvent(&c.events[i])
	}
	v.orphanage -= len(c.keys)
	if !c.rest {
		delete(v.orphans, c.stream)
		return
	}
	o := v.orphans[c.stream]
	o.events -= len(c.keys)
	v.orphans[c.stream] = o
}

func (v *view) dropEvent(e *Event) {
	switch e.Type {
	case AttemptStarted:
		delete(v.bySID, e.SID)
	case InviteCreated:
		delete(v.invites, e.Invite.Hash)
	case OutcomeLate, OutcomeOrphaned:
		delete(v.late, lateKey(e))
	default: // it has left no trace elsewhere
	}
}
