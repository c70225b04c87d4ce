package registry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
)

// history makes random events that a coordinator could have written.
type history struct {
	t    *testing.T
	rnd  *rand.Rand
	r    *Registry
	n    int
	open []string // sessions
	gone []string // ended ones
	keys []string // accounts with a key
}

func (h *history) id(kind string) string {
	h.n++
	return fmt.Sprintf("%s%d", kind, h.n)
}

func (h *history) add(events ...Event) {
	h.t.Helper()
	if h.rnd.IntN(4) == 0 {
		events[0].Actor = &Actor{Key: "k1", Client: "192.0.2.1"}
		events[0].Idem = &Idem{Key: h.id("idem"), Ref: "x"}
	}
	if h.rnd.IntN(2) == 0 {
		h.r.Note(nil, events...)
	} else if err := h.r.Append(events...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) step() {
	h.t.Helper()
	switch h.rnd.IntN(10) {
	case 0:
		id, account := h.id("keygen"), h.id("account")
		h.add(Event{Stream: SessionStream(id), Type: SessionCreated, Session: &NewSession{Kind: protocol.KindKeygen, Account: account, Owner: "u", KeyID: id}},
			Event{Stream: AccountStream(account), Type: AccountCreated, Account: &NewAccount{Owner: "u" + account[len(account)-1:], KeyID: id}})
		h.open = append(h.open, id)
	case 1, 2:
		if len(h.keys) > 0 {
			id := h.id("sign")
			h.add(created(id, h.keys[h.rnd.IntN(len(h.keys))]))
			h.open = append(h.open, id)
		}
	case 3, 4:
		if len(h.open) > 0 {
			h.progress(h.open[h.rnd.IntN(len(h.open))])
		}
	case 5, 6:
		if len(h.open) > 0 {
			h.end(h.rnd.IntN(len(h.open)))
		}
	case 7:
		if len(h.gone) > 0 {
			id := h.gone[h.rnd.IntN(len(h.gone))]
			h.add(Event{Stream: SessionStream(id), Type: OutcomeLate, SID: "sid" + id, Party: "peer1"})
		}
	case 8:
		h.add(Event{Stream: AuthFailures, Type: AuthFailed, Code: "unknown_key", Count: 3, Actor: &Actor{Client: "192.0.2.9"}})
	case 9:
		h.rare()
	}
}

func (h *history) progress(id string) {
	parties := []Party{{Peer: "peer1", Name: "p1"}, {Peer: "peer2", Name: "p2"}}
	h.add(Event{Stream: SessionStream(id), Type: AttemptStarted, Attempt: 1, SID: "sid" + id, Start: &Start{Parties: parties}},
		Event{Stream: SessionStream(id), Type: InviteCreated, Invite: &Invite{ID: h.id("invite"), Hash: h.id("hash")}})
}

func (h *history) end(i int) {
	id := h.open[i]
	h.open, h.gone = slices.Delete(h.open, i, i+1), append(h.gone, id)
	s := h.r.Session(id)
	if s == nil { // it was noted, and is not in the state yet
		h.r.Flush()
		s = h.r.Session(id)
	}
	if s.Kind == protocol.KindSign {
		h.add(Event{Stream: SessionStream(id), Type: SessionCompleted, SID: "sid" + id, Signature: &Signature{Bytes: make([]byte, 64)}})
		return
	}
	if h.rnd.IntN(2) == 0 {
		h.keys = append(h.keys, s.Account)
		h.add(Event{Stream: SessionStream(id), Type: SessionCompleted},
			Event{Stream: AccountStream(s.Account), Type: AccountActivated, Key: &Key{PublicKey: []byte{1}}})
		return
	}
	h.add(Event{Stream: SessionStream(id), Type: SessionFailed, Problem: &Problem{Code: "c"}},
		Event{Stream: AccountStream(s.Account), Type: AccountFailed, Problem: &Problem{Code: "c"}})
}

func (h *history) rare() {
	id := h.id("w")
	switch h.rnd.IntN(3) {
	case 0:
		h.add(Event{Stream: WebhookStream(id), Type: WebhookCreated, Webhook: &Webhook{URL: "https://x"}})
		if h.rnd.IntN(2) == 0 {
			h.add(Event{Stream: WebhookStream(id), Type: WebhookDeleted})
		}
	case 1:
		h.add(Event{Stream: "orphan/" + id, Type: OutcomeOrphaned, SID: id, Party: "peer1"}, Event{Stream: "orphan/" + id, Type: OutcomeOrphaned, SID: id, Party: "peer2"})
	case 2:
		h.add(Event{Stream: RequestStream, Type: RequestAnswered, Idem: &Idem{Key: id}})
	}
}
