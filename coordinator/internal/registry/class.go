package registry

import (
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

// class is what sessions can be filtered by.
type class struct {
	kind    protocol.Kind
	custody Custody
	status  Status
}

func classOf(s *Session) class {
	c := class{s.Kind, s.Custody, s.Status}
	if c.custody == "" {
		c.custody = CustodyServer
	}
	return c
}

// matches reports whether sessions of the class pass the filter.
func (c class) matches(f SessionFilter) bool {
	return (f.Kind == "" || c.kind == f.Kind) && (f.Custody == "" || c.custody == f.Custody) && (f.Status == "" || c.status == f.Status)
}

// prunable reports whether finished sessions of the class may be dropped once
// they are old: signatures, and keygens that made no key.
func (c class) prunable() bool {
	switch {
	case !c.status.Finished():
		return false
	case c.kind == protocol.KindSign:
		return true
	default:
		return c.kind == protocol.KindKeygen && c.status != StatusCompleted
	}
}

// classList is the sessions of one class.
type classList struct {
	class
	list list
}

// classes are sessions, each in the list of its class: there are some dozens of
// classes, so that a filtered page costs the same however many sessions there are.
type classes []classList

func (c classes) add(of class, e entry) classes {
	for i := range c {
		if c[i].class == of {
			c[i].list = c[i].list.add(e)
			return c
		}
	}
	return append(c, classList{of, list{e}})
}

func (c classes) remove(of class, seq uint64) classes {
	for i := range c {
		if c[i].class != of {
			continue
		}
		if c[i].list = c[i].list.remove(seq); c[i].list == nil {
			c = slices.Delete(c, i, i+1)
		}
		break
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

// matching returns the lists whose sessions pass the filter.
func (c classes) matching(f SessionFilter) (lists []list) {
	for _, l := range c {
		if l.matches(f) {
			lists = append(lists, l.list)
		}
	}
	return lists
}

// file puts a session into the lists of its class: the one of all sessions and
// its account's.
func (v *view) file(s *Session) {
	e := entry{s.Seq, s.ID}
	v.classes[""] = v.classes[""].add(classOf(s), e)
	if s.Account != "" {
		v.classes[s.Account] = v.classes[s.Account].add(classOf(s), e)
	}
}

// unfile takes a session out of them.
func (v *view) unfile(s *Session) {
	for _, scope := range slices.Compact([]string{"", s.Account}) {
		if left := v.classes[scope].remove(classOf(s), s.Seq); left != nil {
			v.classes[scope] = left
		} else {
			delete(v.classes, scope)
		}
	}
}
