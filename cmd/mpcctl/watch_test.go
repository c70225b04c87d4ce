package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// screen is as much of a terminal as a board uses (ECMA-48): it goes up, clears
// to the end of the line or of the screen, and prints.
type screen struct {
	lines []string
	row   int
}

func (s *screen) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			s.at()
			s.lines[s.row], text = "", text[3:]
		case strings.HasPrefix(text, "\x1b[J"):
			s.lines, text = s.lines[:min(s.row, len(s.lines))], text[3:]
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexByte(text, 'A')
			up, _ := strconv.Atoi(text[2:end])
			s.row, text = s.row-up, text[end+1:]
		case text[0] == '\n':
			s.row, text = s.row+1, text[1:]
		default:
			end := strings.IndexAny(text+"\n", "\x1b\n")
			s.at()
			s.lines[s.row], text = s.lines[s.row]+text[:end], text[end:]
		}
	}
	return len(p), nil
}

func (s *screen) at() {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
}

func TestBoard(t *testing.T) {
	s := &screen{}
	b := &board{out: s, rows: make(map[string]*rest.SessionParty)}
	p1, p2, p3 := &rest.PartyName{PeerID: "1", Name: "p1"}, &rest.PartyName{PeerID: "2", Name: "p2"}, &rest.PartyName{PeerID: "3", Name: "p3"}
	for _, e := range []rest.Event{
		{Type: "session.created"},
		{Type: "attempt.started", Roster: []string{"2", "1"}},
		{Type: "party.accepted", Party: p2},
		{Type: "party.accepted", Party: p1},
		{Type: "party.progress", Party: p1, Phase: "rounds", Round: 3, Rounds: 9},
		{Type: "party.lost", Party: p2},
		{Type: "attempt.failed", Detail: "p2 was \x1b[2Jlost"},
		{Type: "attempt.started", Roster: []string{"3", "1"}},
		{Type: "party.accepted", Party: p3},
		{Type: "party.progress", Party: p1, Phase: "rounds", Round: 9, Rounds: 9},
		{Type: "party.finished", Party: p3},
		{Type: "session.completed"},
	} {
		if err := b.event(&e); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, line := range s.lines {
		_, shown, _ := strings.Cut(line, "  ") // without the time
		got = append(got, shown)
	}
	want := []string{
		"session.created",
		"attempt.started",
		"attempt.failed  p2 was \ufffd[2Jlost",
		"attempt.started",
		"session.completed",
		"p1               [====================] running, rounds 9/9",
		"p3               [====================] finished",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the screen shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The end of a signature names who delivered it, and is the end of all parties' work.
func TestBoardOfASignature(t *testing.T) {
	s := &screen{}
	b := &board{out: s, rows: make(map[string]*rest.SessionParty)}
	p1, p2 := &rest.PartyName{PeerID: "1", Name: "p1"}, &rest.PartyName{PeerID: "2", Name: "p2"}
	for _, e := range []rest.Event{
		{Type: "attempt.started", Roster: []string{"2", "1"}},
		{Type: "party.accepted", Party: p1},
		{Type: "party.progress", Party: p2, Phase: "rounds", Round: 3, Rounds: 9},
		{Type: "session.completed", Party: p1},
	} {
		if err := b.event(&e); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Join(s.lines, "\n")
	for _, want := range []string{"session.completed", "p1               [====================] finished\n", "p2               [====================] finished"} {
		if !strings.Contains(got, want) {
			t.Errorf("the screen shows\n%s\nwithout %q", got, want)
		}
	}
}

func TestLinesFitATerminal(t *testing.T) {
	long := rest.Event{Type: "attempt.failed", Detail: strings.Repeat("é", 200)}
	if n := len([]rune(cutLine(eventLine(&long)))); n != 79 {
		t.Errorf("a long line has %d characters", n)
	}
}

func TestReadable(t *testing.T) {
	for text, want := range map[string]bool{
		"pay 5 to bob":           true,
		"two\nlines\tof ümläute": true,
		"":                       false,
		"\x1b[2J":                false,
		"\xff\xfe":               false,
		"pay \u202e5 to bob":     false, // written right to left from there on
		"\x00":                   false,
	} {
		if got := readable([]byte(text)); got != want {
			t.Errorf("%q is readable: %v", text, got)
		}
	}
}

// TestBlameInAnEvent: a party's word is told as such.
func TestBlameInAnEvent(t *testing.T) {
	line := eventLine(&rest.Event{
		Type: "party.failed", Party: &rest.PartyName{PeerID: "1", Name: "p1"}, Code: "protocol_failure", Detail: "a bad proof",
		Blame: []rest.Blame{{Party: rest.PartyName{Name: "p2"}, By: rest.PartyName{Name: "p1"}, Attempt: 1, Reason: "invalid_proof"}},
	})
	if want := "party.failed  p1  protocol_failure  a bad proof  blames p2: invalid_proof in attempt 1, says p1"; !strings.HasSuffix(line, want) {
		t.Errorf("%q, want %q", line, want)
	}
}
