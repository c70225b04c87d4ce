package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// progress shows how far each party is: one line that changes on a terminal, a
// line for each change elsewhere.
type progress struct {
	terminal bool
	start    time.Time
	last     string
}

func newProgress() *progress {
	info, err := os.Stdout.Stat()
	return &progress{terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, start: time.Now()}
}

func (p *progress) update(s cluster.Session) {
	var parts []string
	for _, party := range s.Parties {
		state := party.State
		switch {
		case party.State == "running" && party.Round > 0:
			state = fmt.Sprintf("round %d of %d", party.Round, party.Rounds)
		case party.State == "running" && party.Phase != "":
			state = party.Phase
		}
		parts = append(parts, fmt.Sprintf("%s %s", party.Name, state))
	}
	line := strings.Join(parts, ", ")
	if line == "" || line == p.last && !p.terminal {
		return
	}
	p.last = line
	if p.terminal {
		fmt.Printf("\r\x1b[K  %5.1f s  %s", time.Since(p.start).Seconds(), line)
		return
	}
	fmt.Printf("  %5.1f s  %s\n", time.Since(p.start).Seconds(), line)
}

// end leaves the line for what follows.
func (p *progress) end() {
	if p.terminal && p.last != "" {
		fmt.Print("\r\x1b[K")
	}
}
