package registry

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// auditPrefix is the index of the audit log.
var auditPrefix = []byte("idx/audit/")

func auditKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(auditPrefix[:len(auditPrefix):len(auditPrefix)], seq)
}

// maxAuditWalk bounds how many entries one page of the audit log looks at.
const maxAuditWalk = 5000

// audited reports whether an event belongs into the audit log: what somebody
// asked for, what changes what an account may do, and how sessions ended. How
// parties got there does not.
func audited(e *Event) bool {
	switch e.Type {
	case SessionCreated, SessionCompleted, SessionFailed, SessionExpired, SessionCancelled,
		InviteCreated, InviteRevoked, PartyJoined, ApprovalAdded,
		AccountCreated, AccountActivated, AccountFailed, SigningParties, AccountPresign, ShareErased,
		WebhookCreated, WebhookDeleted, AuthFailed:
		return true
	default:
		return e.Actor != nil
	}
}

// AuditFilter selects entries of the audit log; empty fields select all.
type AuditFilter struct {
	Type    Type
	Account string // its own events, and those of its sessions
	Session string
	Actor   string // id or name of an API key, or a client's address
}

// AuditEntry is one entry of the audit log.
type AuditEntry struct {
	Event
	AccountID string // concerned; empty: none
	SessionID string // concerned; empty: none
}

// Audit lists the audit log, newest first. next is the Before of the page that
// follows, 0 if there is none. It looks at maxAuditWalk entries at most: a page
// may be short, or empty, and have a next one.
func (r *Registry) Audit(f AuditFilter, p Page) (entries []AuditEntry, next uint64, err error) {
	err = r.db.View(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.PrefetchValues, opt.Reverse = auditPrefix, false, true
		it := txn.NewIterator(opt)
		defer it.Close()
		from := p.Before - 1 // 0: the last of all
		walked, last := 0, uint64(0)
		for it.Seek(auditKey(from)); it.Valid(); it.Next() {
			if len(entries) >= max(p.Limit, 1) || walked >= maxAuditWalk {
				next = last
				return nil
			}
			key := it.Item().Key()[len(auditPrefix):]
			e, err := eventAt(txn, key)
			if err != nil {
				return err
			}
			walked, last = walked+1, e.Seq
			if entry := r.auditEntry(e); f.selects(&entry) {
				entries = append(entries, entry)
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("registry: read the audit log: %w", err)
	}
	return entries, next, nil
}

// Concerns returns the account and the session that an event is about; empty:
// none.
func (r *Registry) Concerns(e *Event) (account, session string) {
	kind, id, _ := strings.Cut(e.Stream, "/")
	switch kind + "/" {
	case accountPrefix:
		account = id
		if a := r.Account(id); a != nil && e.Type != SigningParties && e.Type != AccountPresign && e.Type != ShareErased {
			session = a.KeyID // these are of its keygen
		}
	case sessionPrefix:
		session = id
		if s := r.Session(id); s != nil {
			account = s.Account
		}
	}
	return account, session
}

func (r *Registry) auditEntry(e Event) AuditEntry {
	account, session := r.Concerns(&e)
	return AuditEntry{Event: e, AccountID: account, SessionID: session}
}

func (f *AuditFilter) selects(e *AuditEntry) bool {
	return (f.Type == "" || e.Type == f.Type) && (f.Account == "" || e.AccountID == f.Account) &&
		(f.Session == "" || e.SessionID == f.Session) && (f.Actor == "" || e.by(f.Actor))
}

// by reports whether the actor is meant by a word.
func (e *AuditEntry) by(word string) bool {
	a := e.Actor
	return a != nil && (a.Key == word || a.KeyName == word || a.Client == word)
}

// indexAudit makes the index for a log that was written without one.
func (r *Registry) indexAudit() error {
	batch := r.db.NewWriteBatch()
	defer batch.Cancel()
	for after := uint64(0); ; {
		events, err := r.Log(after, maxBatchEvents)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return batch.Flush()
		}
		for i := range events {
			after = events[i].Seq
			if !audited(&events[i]) {
				continue
			}
			if err := batch.Set(auditKey(after), nil); err != nil {
				return fmt.Errorf("registry: index of the audit log: %w", err)
			}
		}
	}
}
