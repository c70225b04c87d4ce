package protocoltest_test

import (
	"strings"

	"github.com/meshmpc/mpcd/protocol"
)

// revision is an outcome other than that of the mutation.
type revision struct {
	scheme    protocol.Scheme // empty: both
	kind      protocol.Kind   // empty: both
	target    string          // of target.String; empty: all
	typ       protocol.Type   // empty: all
	members   int             // at least so many take part
	mutations []mutation
	attack    string // how its name begins
	expect    class
	why       string
}

// Why nobody can be named.
const (
	whyS     = "R9 S: the library adds the parts up and finds only that the sum is wrong"
	whyTheta = "U ≠ T: with a wrong θ all members compute another R, and what does not fit is the sum of all"
	whySum   = "θ that cancel: who spoke last cannot be told from the order of arrival"
)

// revisions are all exceptions. Those that are nameless are the only ones in which a bad
// message may have no author: the judge takes no other.
var revisions = []revision{
	{
		scheme: protocol.ECDSA, target: "SignRound9Message", mutations: []mutation{bitFlip}, attack: "s",
		expect: unattributed, why: whyS,
	},
	{
		scheme: protocol.ECDSA, target: "SignRound9Message", mutations: []mutation{truncate}, attack: "s",
		expect: unattributed, why: whyS,
	},
	{scheme: protocol.ECDSA, target: "SignRound9Message", mutations: []mutation{equivocate}, expect: unattributed, why: whyS},
	{
		scheme: protocol.ECDSA, target: "SignRound9Message", mutations: []mutation{overwrite}, attack: "after another", expect: unattributed,
		why: whyS + "; the second comes when the session is over",
	},
	{scheme: protocol.ECDSA, target: "SignRound9Message", mutations: []mutation{wrongFrom}, attack: "another's", expect: unattributed, why: whyS},
	{
		scheme: protocol.ECDSA, kind: protocol.KindKeygen, target: "KGRound1Message", mutations: []mutation{wrongFrom}, attack: "another's", expect: partly,
		why: "equal moduli: their owner knows who copies, the others cannot tell the two apart",
	},
	{
		scheme: protocol.ECDSA, target: "SignRound3Message", mutations: []mutation{bitFlip}, attack: "for all",
		expect: unattributed, why: whyTheta,
	},
	{
		scheme: protocol.ECDSA, target: "SignRound3Message", mutations: []mutation{zeroed}, attack: "sum", members: 3,
		expect: unattributed, why: whySum,
	},

	{
		typ: protocol.TypeDigest, mutations: []mutation{bitFlip}, attack: "number", expect: completes,
		why: "members compare hashes: the same message twice is no contradiction, whatever its number",
	},
	{
		typ: protocol.TypeDigest, mutations: []mutation{bitFlip}, attack: "signature", expect: completes,
		why: "the signature is looked at only where the hashes differ",
	},
}

// revise applies the exceptions to an attack.
func (t *target) revise(m mutation, a *attack) {
	for i := range revisions {
		if r := &revisions[i]; r.applies(t, m, a) {
			a.expect, a.exception = r.expect, r
		}
	}
}

func (r *revision) applies(t *target, m mutation, a *attack) bool {
	found := false
	for _, each := range r.mutations {
		found = found || each == m
	}
	return found && (r.scheme == "" || r.scheme == t.in.scheme) && (r.kind == "" || r.kind == t.in.kind) && (r.typ == "" || r.typ == t.typ) && t.in.members() >= r.members &&
		(r.target == "" || r.target == t.String()) && strings.HasPrefix(a.name, r.attack) && a.expect == named
}

// nameless tells whether members may fail to name the author of a bad message.
func (r *revision) nameless() bool { return r.expect == unattributed || r.expect == partly }

// nameless tells whether nobody, or not everybody, is expected to name mallory, here or in
// the signing that uses a presignature up.
func (a *attack) nameless() bool {
	return a.expect == unattributed || a.expect == partly || a.then == unattributed
}

// excused tells whether the list of exceptions lets the author of this attack go unnamed.
func (a *attack) excused() bool { return a.exception != nil && a.exception.nameless() }
