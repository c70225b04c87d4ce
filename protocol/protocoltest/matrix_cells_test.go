package protocoltest_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/meshmpc/mpcd/protocol"
)

// mutation is what the malicious member does to one of its messages.
type mutation string

const (
	drop       mutation = "drop"
	duplicate  mutation = "duplicate"
	overwrite  mutation = "overwrite"
	wrongFlag  mutation = "flag"
	wrongFrom  mutation = "sender"
	wrongSID   mutation = "session"
	truncate   mutation = "truncate"
	oversize   mutation = "oversize"
	zeroed     mutation = "zero"
	multiple   mutation = "order"
	offCurve   mutation = "curve"
	bitFlip    mutation = "flip"
	equivocate mutation = "equivocate"
	reorder    mutation = "reorder"
	early      mutation = "early" // what its round would not take, sent with the first message
)

// mutations are the columns of the matrix.
var mutations = []mutation{
	drop, duplicate, overwrite, wrongFlag, wrongFrom, wrongSID, truncate, oversize, zeroed, multiple, offCurve, bitFlip, equivocate, reorder,
	early,
}

// ceremony is one kind of session.
type ceremony struct {
	kind    protocol.Kind
	scheme  protocol.Scheme
	th      protocol.Threshold
	bound   bool // a signing that uses a presignature up
	targets []*target
}

// target is a type of message: a row of the matrix.
type target struct {
	in     *ceremony
	typ    protocol.Type
	name   string // of a round's message or a digest
	round  int    // of a round's message
	direct bool
	last   bool // after it a member is done with what it sends
}

func (c *ceremony) String() string {
	kind := string(c.kind)
	if c.bound {
		kind = "bound"
	}
	return fmt.Sprintf("%.5s %s %v", c.scheme, kind, c.th)
}

// members is the number of parties that take part.
func (c *ceremony) members() int {
	if c.kind == protocol.KindKeygen {
		return c.th.N
	}
	return c.th.T
}

func (t *target) String() string {
	switch t.typ {
	case protocol.TypeRound:
		return t.name
	case protocol.TypeDigest:
		return "digest " + t.name
	}
	return string(t.typ)
}

// is tells whether an envelope is of the type.
func (t *target) is(h *protocol.Header) bool { return h.Type == t.typ && h.Name == t.name }

// final tells whether an envelope gives away what cannot be taken back: a part of the
// signature, or the signature on a key's certificate.
func (c *ceremony) final(h *protocol.Header) bool {
	if c.kind == protocol.KindPresign {
		return false
	}
	last := c.lastRound()
	return h.Type == protocol.TypeConfirm || h.Type == protocol.TypeRound && last.last && h.Name == last.name
}

func (c *ceremony) lastRound() *target {
	i := slices.IndexFunc(c.targets, func(t *target) bool { return t.typ != protocol.TypeRound })
	return c.targets[i-1]
}

// newCeremony lists the targets: round messages, marked with > if direct, and what
// sessions say besides.
func newCeremony(kind protocol.Kind, scheme protocol.Scheme, th protocol.Threshold) *ceremony {
	return (&ceremony{kind: kind, scheme: scheme, th: th}).list()
}

// newBound is the ceremony of a signing that uses a presignature up.
func newBound(th protocol.Threshold) *ceremony {
	return (&ceremony{kind: protocol.KindSign, scheme: protocol.ECDSA, th: th, bound: true}).list()
}

func (c *ceremony) list() *ceremony {
	rounds, digests := c.roundMessages()
	for _, name := range rounds {
		t := &target{in: c, typ: protocol.TypeRound, name: name, round: roundOf(name)}
		if name[0] == '>' {
			t.name, t.direct = name[1:], true
		}
		c.targets = append(c.targets, t)
	}
	// A presigning of more than two ends with its digests.
	c.targets[len(c.targets)-1].last = c.kind == protocol.KindSign || c.kind == protocol.KindPresign && c.members() == 2
	if c.kind == protocol.KindKeygen { // signers do not say that they are ready
		c.targets = append(c.targets, &target{in: c, typ: protocol.TypeReady})
	}
	if c.members() > 2 { // two members have no echo
		for _, round := range digests {
			c.targets = append(c.targets, &target{in: c, typ: protocol.TypeDigest, name: strconv.Itoa(round), last: c.kind == protocol.KindPresign})
		}
	}
	if c.kind == protocol.KindKeygen {
		c.targets = append(c.targets, &target{in: c, typ: protocol.TypeConfirm, last: true})
	}
	c.targets = append(c.targets, &target{in: c, typ: protocol.TypeAbort})
	return c
}

// roundOf reads the round from a message's name: the first digit in it.
func roundOf(name string) int {
	return int(name[strings.IndexAny(name, "123456789")] - '0')
}

// ecdsaSigning are the messages of a signing; the first four are those of a presigning.
var ecdsaSigning = []string{
	">SignRound1Message1", "SignRound1Message2", ">SignRound2Message", "SignRound3Message", "SignRound4Message", "SignRound5Message",
	"SignRound6Message", "SignRound7Message", "SignRound8Message", "SignRound9Message",
}

func (c *ceremony) roundMessages() (names []string, digests []int) {
	switch {
	case c.kind == protocol.KindKeygen && c.scheme == protocol.ECDSA:
		return []string{"KGRound1Message", ">KGRound2Message1", "KGRound2Message2", "KGRound3Message"}, []int{1}
	case c.kind == protocol.KindKeygen:
		return []string{"KGRound1Message", ">KGRound2Message1", "KGRound2Message2"}, []int{1}
	case c.kind == protocol.KindPresign:
		return ecdsaSigning[:4], []int{3}
	case c.bound:
		return ecdsaSigning[4:], []int{8}
	case c.scheme == protocol.ECDSA:
		return ecdsaSigning, []int{3, 8}
	}
	return []string{"SignRound1Message", "SignRound2Message", "SignRound3Message"}, []int{2}
}

// cell is one place of the matrix: all attacks of a mutation on a target.
type cell struct {
	target   *target
	mutation mutation
	attacks  []attack
	left     int    // variants that this run leaves to other seeds
	spared   int    // variants that do no harm and are played elsewhere
	reason   string // why there is no attack
	// elsewhere: it could be played, and is, but not here. by plays it, in this run, if it is set.
	elsewhere bool
	by        *ceremony
}

func (c *cell) String() string { return fmt.Sprintf("%v/%v/%s", c.target.in, c.target, c.mutation) }

// cells lists the places of a ceremony: with attacks, or with the reason why there are none.
func (c *ceremony) cells() []*cell {
	var cells []*cell
	for _, t := range c.targets {
		for _, m := range mutations {
			found := &cell{target: t, mutation: m}
			if found.reason = t.inapplicable(m); found.reason == "" {
				found.by, found.reason = t.elsewhere(m)
				found.elsewhere = found.reason != ""
			}
			if found.reason == "" {
				found.attacks = t.attacks(m)
			}
			cells = append(cells, found)
		}
	}
	return cells
}

// inapplicable says why a mutation makes no sense for a target.
func (t *target) inapplicable(m mutation) string {
	switch {
	case m == equivocate && t.direct:
		return "a direct message has one receiver"
	case m == equivocate && t.in.members() == 2:
		return "a broadcast with one receiver cannot be different for another"
	case m == multiple && len(t.fieldsOf(scalar)) == 0:
		return "it has no scalar"
	case m == offCurve && len(t.fieldsOf(coordinate)) == 0:
		return "it has no point"
	case m == early && (t.typ == protocol.TypeReady || t.typ == protocol.TypeRound && t.round == t.in.targets[0].round):
		return "nothing comes before it"
	case m == early && t.typ == protocol.TypeConfirm:
		return "whether a confirmation is right shows only with the result, and without all of them there is no key"
	case m == early && t.typ == protocol.TypeAbort:
		return "an abort is of no round"
	}
	return ""
}
