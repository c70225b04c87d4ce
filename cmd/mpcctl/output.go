package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
)

// show prints a result: as JSON when that is wanted, otherwise as human does.
func show(c *cli.Context, v any, human func(*table)) error {
	if wantsJSON(c) {
		e := json.NewEncoder(c.App.Writer)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	t := newTable(c.App.Writer)
	human(t)
	return t.flush()
}

// table prints lines with aligned columns. What others have written is made
// harmless for terminals.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer) *table { return &table{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)} }

// row prints one line.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = safetext.Printable(cellText(cell))
	}
	fmt.Fprintln(t.w, strings.Join(texts, "\t")) // an error comes back from flush
}

// field prints a name and a value, unless there is none.
func (t *table) field(name string, value any) {
	if text := cellText(value); text != "" {
		t.row(name, text)
	}
}

// flush prints what was collected.
func (t *table) flush() error {
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func cellText(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(time.RFC3339)
	case *time.Time:
		if v == nil {
			return ""
		}
		return cellText(*v)
	case []string:
		return strings.Join(v, ", ")
	}
	return fmt.Sprint(v)
}
