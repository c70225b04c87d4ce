package api

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Paging are the query parameters of lists.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Entries of a page."`
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before; none: the newest entries."`
}

func (p Paging) page() (registry.Page, error) {
	page := registry.Page{Limit: p.Limit}
	if p.Cursor == "" {
		return page, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || len(raw) != 8 {
		return page, newProblem(codeCursor, "the cursor is not one that this API gave: use next_cursor of the page before")
	}
	page.Before = binary.BigEndian.Uint64(raw)
	return page, nil
}

func cursor(next uint64) string {
	if next == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, next))
}
