package hooks

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Status is how far a delivery is.
type Status string

// Statuses of deliveries.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered"
	Failed    Status = "failed"
)

// Delivery is one event on its way to one webhook.
type Delivery struct {
	Webhook string        `json:"-"` // in its key
	Seq     uint64        `json:"-"` // of the event; in its key
	Type    registry.Type `json:"type"`
	Stream  string        `json:"stream"`
	Account string        `json:"account,omitempty"`
	Session string        `json:"session,omitempty"`
	Created time.Time     `json:"created"` // the time of the event
	Status  Status        `json:"status"`
	Tries   int           `json:"tries,omitempty"`
	LastTry time.Time     `json:"last_try,omitzero"`
	NextTry time.Time     `json:"next_try,omitzero"` // pending: not before
	HTTP    int           `json:"http,omitempty"`    // status of the last answer; 0: none came
	Error   string        `json:"error,omitempty"`   // of the last try
}

// ID names the delivery: the same in every try.
func (d *Delivery) ID() string { return fmt.Sprintf("%s.%d", d.Webhook, d.Seq) }

const (
	cursorKey = "hook/cursor"
	logPrefix = "hook/log/"
	duePrefix = "hook/due/"
)

// maxBatch bounds the deliveries of one transaction.
const maxBatch = 500

func key(prefix, webhook string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix+webhook+"/"), seq)
}

// seqOf returns the end of a key.
func seqOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// store keeps deliveries in the coordinator's Badger.
type store struct{ db *badger.DB }

// put writes deliveries and, if it is not 0, the cursor in one transaction.
func (s store) put(deliveries []*Delivery, cursor uint64) error {
	err := s.db.Update(func(txn *badger.Txn) error {
		for _, d := range deliveries {
			data, err := json.Marshal(d)
			if err != nil {
				return err
			}
			if err := txn.Set(key(logPrefix, d.Webhook, d.Seq), data); err != nil {
				return err
			}
			due := key(duePrefix, d.Webhook, d.Seq)
			if d.Status == Pending {
				err = txn.Set(due, nil)
			} else {
				err = txn.Delete(due)
			}
			if err != nil {
				return err
			}
		}
		if cursor == 0 {
			return nil
		}
		return txn.Set([]byte(cursorKey), binary.BigEndian.AppendUint64(nil, cursor))
	})
	if err != nil {
		return fmt.Errorf("webhooks: write deliveries: %w", err)
	}
	return nil
}

func (s store) cursor() (seq uint64, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(cursorKey))
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error {
			seq = seqOf(b)
			return nil
		})
	})
	if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
		return 0, fmt.Errorf("webhooks: read the cursor: %w", err)
	}
	return seq, nil
}

// walk hands over the keys below a prefix from one on, until visit says no.
func walk(txn *badger.Txn, prefix string, from []byte, reverse bool, visit func(item *badger.Item) (more bool, err error)) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.PrefetchValues, opt.Reverse = []byte(prefix), false, reverse
	it := txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(from); it.Valid(); it.Next() {
		if more, err := visit(it.Item()); err != nil || !more {
			return err
		}
	}
	return nil
}

func decode(txn *badger.Txn, webhook string, seq uint64) (*Delivery, error) {
	item, err := txn.Get(key(logPrefix, webhook, seq))
	if err != nil {
		return nil, err
	}
	d := &Delivery{Webhook: webhook, Seq: seq}
	return d, item.Value(func(b []byte) error { return json.Unmarshal(b, d) })
}

// get returns a delivery; an error if there is none.
func (s store) get(webhook string, seq uint64) (d *Delivery, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		d, err = decode(txn, webhook, seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webhooks: read delivery %s.%d: %w", webhook, seq, err)
	}
	return d, nil
}

// pending hands over a webhook's deliveries that wait, oldest first.
func (s store) pending(webhook string, take func(*Delivery)) error {
	prefix := duePrefix + webhook + "/"
	err := s.db.View(func(txn *badger.Txn) error {
		return walk(txn, prefix, []byte(prefix), false, func(item *badger.Item) (bool, error) {
			d, err := decode(txn, webhook, seqOf(item.Key()))
			if err == nil {
				take(d)
			}
			return true, err
		})
	})
	if err != nil {
		return fmt.Errorf("webhooks: read deliveries of %s: %w", webhook, err)
	}
	return nil
}

// list returns a page of a webhook's deliveries, newest first, and the Before of
// the next one, 0 if there is none.
func (s store) list(webhook string, p registry.Page) (list []*Delivery, next uint64, err error) {
	prefix := logPrefix + webhook + "/"
	err = s.db.View(func(txn *badger.Txn) error {
		return walk(txn, prefix, key(logPrefix, webhook, p.Before-1), true, func(item *badger.Item) (bool, error) { // 0-1: the last of all
			if len(list) >= max(p.Limit, 1) {
				next = list[len(list)-1].Seq
				return false, nil
			}
			d, err := decode(txn, webhook, seqOf(item.Key()))
			list = append(list, d)
			return true, err
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("webhooks: read deliveries of %s: %w", webhook, err)
	}
	return list, next, nil
}
