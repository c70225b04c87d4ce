package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// errSession reports a session that ended without a result.
var errSession = errors.New("the session ended without a result")

func watchSession(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		id := c.Args().First()
		if err := follow(c, api, id, newWatcher(c, c.App.Writer)); err != nil {
			return err
		}
		s, err := api.Session(c.Context, id)
		if err != nil {
			return err
		}
		if wantsJSON(c) {
			err = api.VerifySession(c.Context, s)
		} else {
			err = printSession(c, api, s)
		}
		if err != nil {
			return err
		}
		if s.Status != "completed" {
			return fmt.Errorf("%w: it is %s", errSession, s.Status)
		}
		return nil
	})
}

// follow shows a session's events until it has ended.
func follow(c *cli.Context, api *client.Client, session string, watcher func(*rest.Event) error) error {
	for e, err := range api.Events(c.Context, session, 0) {
		if err != nil {
			return err
		}
		if err := watcher(&e); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// newWatcher chooses how events are shown.
func newWatcher(c *cli.Context, out io.Writer) func(*rest.Event) error {
	if wantsJSON(c) {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return func(event *rest.Event) error { return e.Encode(event) }
	}
	if !isTerminal(out) {
		return func(e *rest.Event) error {
			_, err := fmt.Fprintln(out, eventLine(e))
			return err
		}
	}
	b := &board{out: out, rows: make(map[string]*rest.SessionParty)}
	return b.event
}

// isTerminal tells whether lines can be redrawn.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// eventLine is an event in words.
func eventLine(e *rest.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s", e.Time.UTC().Format("15:04:05.000"), e.Type)
	if e.Party != nil {
		b.WriteString("  " + nameOr(e.Party.Name, e.Party.PeerID))
	}
	if e.Phase != "" {
		b.WriteString("  " + e.Phase)
	}
	if e.Round > 0 {
		fmt.Fprintf(&b, " %d/%d", e.Round, e.Rounds)
	}
	if e.Code != "" {
		b.WriteString("  " + e.Code)
	}
	if e.Detail != "" {
		b.WriteString("  " + e.Detail)
	}
	for _, blame := range e.Blame {
		b.WriteString("  blames " + blameText(&blame))
	}
	return safetext.Printable(b.String())
}

// partyState is how far a party is.
func partyState(p *rest.SessionParty) string {
	text := p.State
	if p.Phase != "" {
		text += ", " + p.Phase
	}
	if p.Round > 0 && p.Rounds > 0 {
		text += fmt.Sprintf(" %d/%d", p.Round, p.Rounds)
	}
	return text
}

// board shows one line a party, redrawn at each event, below the events that are
// about no party.
type board struct {
	out   io.Writer
	rows  map[string]*rest.SessionParty // by peer id
	order []string
	drawn int // lines on the screen that are to be drawn again
}

func (b *board) event(e *rest.Event) error {
	var s strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&s, "\x1b[%dA", b.drawn) // up to the first party's line
	}
	if e.Party == nil || !aboutParty(e) {
		s.WriteString("\x1b[K" + cutLine(eventLine(e)) + "\n")
		b.finish(e)
		if len(e.Roster) > 0 { // another attempt
			b.rows, b.order = make(map[string]*rest.SessionParty), nil
			s.WriteString("\x1b[J") // the lines of the attempt before
		}
	} else {
		b.update(e)
	}
	for _, id := range b.order {
		s.WriteString("\x1b[K" + b.line(b.rows[id]) + "\n")
	}
	b.drawn = len(b.order)
	_, err := io.WriteString(b.out, s.String())
	return err
}

// aboutParty tells whether an event is about what its party does. That of a signature's
// end names who delivered it.
func aboutParty(e *rest.Event) bool {
	return strings.HasPrefix(e.Type, "party.") || strings.HasPrefix(e.Type, "outcome.")
}

// finish ends all parties' work with a signature, which has the part of each in it.
func (b *board) finish(e *rest.Event) {
	if e.Type != "session.completed" || e.Party == nil {
		return
	}
	for _, row := range b.rows {
		if row.State != "failed" && row.State != "rejected" {
			row.State, row.Phase, row.Round = "finished", "", 0
		}
	}
}

// update takes what an event says of a party.
func (b *board) update(e *rest.Event) {
	row := b.rows[e.Party.PeerID]
	if row == nil {
		row = &rest.SessionParty{PeerID: e.Party.PeerID, Name: e.Party.Name}
		b.rows[e.Party.PeerID] = row
		b.order = append(b.order, e.Party.PeerID)
		slices.SortFunc(b.order, func(x, y string) int { return cmp.Compare(b.rows[x].Name+x, b.rows[y].Name+y) })
	}
	if _, state, ok := strings.Cut(e.Type, "."); ok && state != "progress" {
		row.State = state
	} else {
		row.State = "running"
	}
	if e.Phase != "" {
		row.Phase = e.Phase
	}
	row.Round, row.Rounds = e.Round, max(row.Rounds, e.Rounds)
}

const barWidth = 20

func (b *board) line(p *rest.SessionParty) string {
	done := 0
	if p.Rounds > 0 {
		done = min(barWidth, barWidth*p.Round/p.Rounds)
	}
	if p.State == "finished" {
		done = barWidth
	}
	bar := strings.Repeat("=", done) + strings.Repeat(" ", barWidth-done)
	return cutLine(safetext.Printable(fmt.Sprintf("  %-16s [%s] %s", nameOr(p.Name, p.PeerID), bar, partyState(p))))
}

// cutLine keeps a line on one line of a terminal that is not narrow.
func cutLine(line string) string {
	if r := []rune(line); len(r) > 79 {
		return string(r[:78]) + "…"
	}
	return line
}
