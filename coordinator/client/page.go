package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// Page chooses a part of a list.
type Page struct {
	Limit  int    // entries, at most 200; 0: 50
	Cursor string // NextCursor of the page before; empty: the newest entries
}

func (p Page) query(q url.Values) url.Values {
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return with(q, "cursor", p.Cursor)
}

// with sets a parameter that has a value.
func with(q url.Values, name, value string) url.Values {
	if value != "" {
		q.Set(name, value)
	}
	return q
}

// everything ranges over all pages of a list, newest entries first. It ends with
// the first error. Entries that are made while it runs are not in it.
func everything[T any](ctx context.Context, page func(context.Context, Page) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		at := Page{Limit: 200}
		for {
			list, next, err := page(ctx, at)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, entry := range list {
				if !yield(entry, nil) {
					return
				}
			}
			if next == "" || next == at.Cursor {
				return
			}
			at.Cursor = next
		}
	}
}
