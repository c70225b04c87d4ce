package engine

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// book counts an attempt with each of the parties, or with none of them if one has no room:
// then it returns what is closed when there may be room again.
func (e *Engine) book(parties []registry.Party) (freed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range parties {
		if e.load[p.Peer] >= partyRoom {
			return e.freed
		}
	}
	e.bookLocked(parties)
	return nil
}

// mustBook is book for an attempt that has begun before a restart.
func (e *Engine) mustBook(parties []registry.Party) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bookLocked(parties)
}

func (e *Engine) bookLocked(parties []registry.Party) {
	for _, p := range parties {
		e.load[p.Peer]++
	}
}

// unbook is for attempts that have ended, or do not begin after all.
func (e *Engine) unbook(parties []registry.Party) {
	if len(parties) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range parties {
		if e.load[p.Peer]--; e.load[p.Peer] <= 0 {
			delete(e.load, p.Peer)
		}
	}
	close(e.freed)
	e.freed = make(chan struct{})
}

// loadOf counts the attempts that a party is booked for.
func (e *Engine) loadOf(peer protocol.PeerID) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.load[peer]
}

// Parties keep a topic and streams for a set of signers for ten minutes after it has signed.
const (
	warmFor  = 10 * time.Minute
	warmMost = 4096 // accounts
)

// warmSets remembers who signed last for which account. The zero value remembers nobody.
type warmSets struct {
	mu  sync.Mutex
	lru *simplelru.LRU[string, warmSet]
}

type warmSet struct {
	peers []protocol.PeerID
	used  time.Time
}

func (w *warmSets) note(account string, peers []protocol.PeerID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lru == nil {
		w.lru, _ = simplelru.NewLRU[string, warmSet](warmMost, nil) // an error only for a size below 1
	}
	w.lru.Add(account, warmSet{peers, time.Now()})
}

func (w *warmSets) last(account string) []protocol.PeerID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lru == nil {
		return nil
	}
	set, ok := w.lru.Get(account)
	if !ok || time.Since(set.used) > warmFor {
		return nil
	}
	return set.peers
}
