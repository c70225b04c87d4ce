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
const legend = `C completes, D deadline, A mallory gives up, N named, O over before or named, L named, or in the signing that uses it, P named by some, U unattributed (see below), - inapplicable, = played elsewhere (see below), ! not as expected
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
	m.leftOut(&b, ceremonies)
	m.slowest(&b, ceremonies)
	total, cells, attacks := m.total()
	expected, without := 0, 0
	for _, r := range m.results {
		if r.ran > 0 && len(r.problems) == 0 {
			expected++
		}
		if r.classes[unattributed] {
			without++
		}
	}
	fmt.Fprintf(&b, "seed %d: %d attacks; from a bad message, or what shows that it was one, to the end at most %d hops if its author is named, %v of real time; final messages after a bad one: %d\n",
		m.seed, attacks, total.hops, total.took.Round(time.Millisecond), total.finals)
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
	inapplicable, elsewhere, without, reasons := map[string]int{}, map[string]int{}, map[string]bool{}, map[protocol.Reason]int{}
	for _, r := range m.results {
		switch {
		case r.elsewhere && r.by != nil:
			elsewhere[fmt.Sprintf("%v: %v plays it: %s", r.target.in, r.by, r.reason)]++
		case r.elsewhere:
			elsewhere[r.reason]++
		case r.ran == 0:
			inapplicable[r.reason]++
		}
		for i := range r.attacks {
			if a := &r.attacks[i]; a.nameless() && a.excused() {
				without[fmt.Sprintf("%v %s: %s", r.cell, a.name, a.exception.why)] = true
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
	b.WriteString("cells played elsewhere:\n")
	for _, why := range slices.Sorted(maps.Keys(elsewhere)) {
		fmt.Fprintf(b, "  %3d: %s\n", elsewhere[why], why)
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

// leftOut prints which variants of cells were not played, and why.
func (m *matrix) leftOut(b *strings.Builder, ceremonies []*ceremony) {
	b.WriteString("variants of cells that were not played:\n")
	for _, c := range ceremonies {
		left, spared := 0, 0
		for _, r := range m.of(c) {
			left += r.left
			spared += r.spared
		}
		if left > 0 {
			fmt.Fprintf(b, "  %3d: %v: left to other seeds: %s\n", left, c, whyLeft(c))
		}
		if spared > 0 {
			fmt.Fprintf(b, "  %3d: %v: what does no harm and is no round's message: the EdDSA keygen plays it\n", spared, c)
		}
	}
}

// slowest prints for each ceremony the cell that took longest from the receipt of a bad
// message to the end. The cells share the cores: hops are judged, time is not.
func (m *matrix) slowest(b *strings.Builder, ceremonies []*ceremony) {
	b.WriteString("longest real time from a bad message to the end, cells side by side (2s are allowed):\n")
	for _, c := range ceremonies {
		var worst *result
		for _, r := range m.of(c) {
			if r.took > 0 && (worst == nil || r.took > worst.took) {
				worst = r
			}
		}
		if worst != nil {
			fmt.Fprintf(b, "  %9v: %v\n", worst.took.Round(10*time.Microsecond), worst.cell)
		}
	}
}

// of are the results of a ceremony.
func (m *matrix) of(c *ceremony) []*result {
	return slices.DeleteFunc(slices.Clone(m.results), func(r *result) bool { return r.target.in.String() != c.String() })
}
