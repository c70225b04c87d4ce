package registry

import (
	"slices"
	"sort"
)

// entry is one item of a list: the sequence of its first event, and its id.
type entry struct {
	seq uint64
	id  string
}

// list holds entries by ascending sequence. Entries come and go mostly at its
// ends, where both cost next to nothing.
type list []entry

// search returns the index of the first entry that is not before seq.
func (l list) search(seq uint64) int {
	return sort.Search(len(l), func(i int) bool { return l[i].seq >= seq })
}

// add returns the list with e.
func (l list) add(e entry) list { return slices.Insert(l, l.search(e.seq), e) }

// remove returns the list without the entry of seq; nil if nothing is left. It
// moves the shorter side.
func (l list) remove(seq uint64) list {
	i := l.search(seq)
	if i == len(l) || l[i].seq != seq {
		return l
	}
	if len(l) == 1 {
		return nil
	}
	if i >= len(l)/2 {
		return slices.Delete(l, i, i+1)
	}
	copy(l[1:], l[:i])
	l[0] = entry{}
	return l[1:]
}

// newest merges lists from their ends: at most limit entries before seq (0: from
// the end), newest first. next is the position of the page that follows, 0 if
// there is none. It looks at limit entries for each list, however long they are.
func newest(lists []list, p Page) (ids []string, next uint64) {
	ends := make([]int, len(lists))
	for i, l := range lists {
		ends[i] = len(l)
		if p.Before > 0 {
			ends[i] = l.search(p.Before)
		}
	}
	var last uint64
	for {
		best := -1
		for i, l := range lists {
			if ends[i] > 0 && (best < 0 || l[ends[i]-1].seq > lists[best][ends[best]-1].seq) {
				best = i
			}
		}
		switch {
		case best < 0:
			return ids, 0
		case len(ids) >= max(p.Limit, 1):
			return ids, last
		}
		ends[best]--
		ids, last = append(ids, lists[best][ends[best]].id), lists[best][ends[best]].seq
	}
}
