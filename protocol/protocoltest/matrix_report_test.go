package protocoltest_test

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// minimum is the number of cells that the whole matrix runs at least.
const minimum = 250

// legend explains the letters of the table.
const legend = `C completes, D deadline, A mallory gives up, N named, O over before or named, L named, or in the signing that uses it, P named by some, U unattributed (see below), - inapplicable, ! not as expected
`

// report prints the table and what the cells add up to.
func (m *matrix) report(t *testing.T) {
	var b strings.Builder
	byCell := make(map[string]*result)
	var ceremonies []*ceremony
	for _, r := range m.results {
		byCell[r.String()] = r
		if !slices.ContainsFunc(ceremonies, func(c *ceremony) bool { return c.String() == r.target.in.String() }) {
			ceremonies = append(ceremonies, r.target.in)
		}
	}
	slices.SortFunc(ceremonies, func(a, b *ceremony) int { return strings.Compare(a.String(), b.String()) })
	for _, c := range ceremonies {
		c.table(&b, byCell)
	}
	b.WriteString(legend)
	m.lists(&b)
	total, cells, attacks := m.total()
	expected, without, left := 0, 0, 0
	for _, r := range m.results {
		left += r.left
		if r.ran > 0 && len(r.problems) == 0 {
			expected++
		}
		if r.classes[unattributed] {
			without++
		}
	}
	fmt.Fprintf(&b, "seed %d: %d attacks, %d variants left to other seeds; from a bad message to the end at most %d hops, %v of real time; final messages after a bad one: %d\n",
		m.seed, attacks, left, total.hops, total.took.Round(time.Millisecond), total.finals)
	fmt.Fprintf(&b, "result: cells=%d as_expected=%d unattributed=%d panics=%d leaks=%d wrong_culprits=%d changed_shares=%d\n",
		cells, expected, without, total.panics, total.leaks, total.wrong, total.changed)
	if longTests {
		_, _ = io.WriteString(os.Stdout, b.String())
		if cells < minimum {
			t.Errorf("only %d cells", cells)
		}
		return
	}
	t.Log("\n" + b.String())
}

// total adds all verdicts up.
func (m *matrix) total() (total verdict, cells, attacks int) {
	for _, r := range m.results {
		if r.ran > 0 {
			cells++
		}
		attacks += r.ran
		total.add(&r.verdict)
	}
	return total, cells, attacks
}

// table prints the rows of a ceremony.
func (c *ceremony) table(b *strings.Builder, results map[string]*result) {
	fmt.Fprintf(b, "%-20s", c)
	for _, m := range mutations {
		fmt.Fprintf(b, " %-10s", m)
	}
	b.WriteByte('\n')
	for _, t := range c.targets {
		var row strings.Builder
		found := false
		for _, m := range mutations {
			letters := ""
			if r := results[(&cell{target: t, mutation: m}).String()]; r != nil {
				letters, found = r.letters(), true
			}
			fmt.Fprintf(&row, " %-10s", letters)
		}
		if found {
			fmt.Fprintf(b, "%-20s%s\n", t, strings.TrimRight(row.String(), " "))
		}
	}
}

// lists prints why cells do not apply, why some have no author, and how often each reason
// was given.
func (m *matrix) lists(b *strings.Builder) {
	inapplicable, without, reasons := map[string]int{}, map[string]bool{}, map[protocol.Reason]int{}
	for _, r := range m.results {
		if r.ran == 0 {
			inapplicable[r.reason]++
		}
		for i := range r.attacks {
			if a := &r.attacks[i]; a.expect == unattributed || a.then == unattributed || a.expect == partly {
				without[fmt.Sprintf("%v %s: %s", r.cell, a.name, a.why)] = true
			}
		}
		for _, reason := range r.reasons {
			reasons[reason]++
		}
	}
	b.WriteString("inapplicable cells:\n")
	for _, why := range slices.Sorted(maps.Keys(inapplicable)) {
		fmt.Fprintf(b, "  %3d: %s\n", inapplicable[why], why)
	}
	b.WriteString("unattributed, as nobody can be named (or, with P, only by some):\n")
	for _, line := range slices.Sorted(maps.Keys(without)) {
		fmt.Fprintf(b, "  %s\n", line)
	}
	b.WriteString("reasons of blame, over all attacks and honest members:\n")
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(b, "  %5d %s\n", reasons[reason], reason)
	}
}
