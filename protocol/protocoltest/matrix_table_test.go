package protocoltest_test

import (
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Every place of the table is played, or has a reason; who is said to play what is left out
// does, in the same run.
func TestTableIsWhole(t *testing.T) {
	cells := make(map[string]*cell)
	for _, c := range chosenCells(1) {
		if cells[c.String()] != nil {
			t.Errorf("%v is there twice", c)
		}
		cells[c.String()] = c
	}
	for _, c := range cells {
		if (len(c.attacks) == 0) != (c.reason != "") {
			t.Errorf("%v has %d attacks and the reason %q", c, len(c.attacks), c.reason)
		}
		if c.by == nil {
			continue
		}
		same := &cell{target: &target{in: c.by, typ: c.target.typ, name: c.target.name}, mutation: c.mutation}
		if by := cells[same.String()]; by == nil || len(by.attacks) == 0 {
			t.Errorf("%v is not played by %v", c, c.by)
		}
	}
	for _, c := range ceremonies() {
		for _, target := range c.targets {
			for _, m := range mutations {
				if cells[(&cell{target: target, mutation: m}).String()] == nil {
					t.Errorf("%v/%v/%s is missing", c, target, m)
				}
			}
		}
	}
}

// Every exception is one of an attack that there is, and whoever may go unnamed has one.
func TestExceptionsAreUsed(t *testing.T) {
	used := make(map[*revision]bool)
	for _, c := range ceremonies() {
		for _, target := range c.targets {
			for _, m := range mutations {
				if target.inapplicable(m) != "" {
					continue
				}
				for _, a := range target.attacks(m) {
					used[a.exception] = true
					if a.nameless() && !a.excused() {
						t.Errorf("%v/%v/%s %s: nobody is to be named, and the list does not have it", c, target, m, a.name)
					}
				}
			}
		}
	}
	for i := range revisions {
		if r := &revisions[i]; !used[r] {
			t.Errorf("no attack is the exception %+v", *r)
		}
	}
}

// What comes early is wrong in the one thing that it is said to be wrong in: a machine finds
// no fault with the form of the message that it is made of, and finds that with what is made of it.
func TestBlankIsInForm(t *testing.T) {
	for _, c := range ceremonies() {
		if c.bound { // its messages are those of a signing
			continue
		}
		r := &run{tb: t, ceremony: c, label: "form", ids: protocoltest.Identities(c.members())}
		if c.kind != protocol.KindKeygen {
			r.key = keyFor(t, c.scheme, c.th)
		}
		var set *tss.PreParams
		if c.costly() {
			set = protocoltest.PreParams(t, 1)[0]
		}
		self := r.ids[0].ID()
		machine, err := r.machine(r.spec(), self, set)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range c.targets {
			if target.typ != protocol.TypeRound {
				continue
			}
			msg := protocol.Message{Round: target.round, Name: target.name, From: r.ids[1].ID(), Body: target.blank()}
			if target.direct {
				msg.To = self
			}
			if err := machine.Form(msg); err != nil {
				t.Errorf("%v %v: %v", c, target, err)
			}
			msg.Body = target.incomplete()
			if !slices.Equal(protocol.Culprits(machine.Form(msg)), []protocol.PeerID{msg.From}) {
				t.Errorf("%v %v: nobody is named for a field that is missing", c, target)
			}
		}
	}
}
