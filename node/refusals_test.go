package node

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// wrongProposal is a proposal that an honest party does not accept.
type wrongProposal struct {
	name   string
	change func(c *cluster, s *protocol.Spec) // of a signing that would be accepted
	keep   bool                               // the approval of what it was before
	code   protocol.Code
	detail string // part of it
}

var wrongProposals = []wrongProposal{
	{name: "other network", code: protocol.CodeInvalid, detail: "this party is in",
		change: func(_ *cluster, s *protocol.Spec) { s.Network = "elsewhere" }},
	{name: "expired", code: protocol.CodeExpired, detail: "compare the clocks",
		change: func(_ *cluster, s *protocol.Spec) { s.Expires = time.Now().Add(-time.Second).Unix() }},
	{name: "lives too long", code: protocol.CodeInvalid, detail: "longer than 15m0s",
		change: func(_ *cluster, s *protocol.Spec) { s.Expires = time.Now().Add(16 * time.Minute).Unix() }},
	{name: "not in the roster", code: protocol.CodeNotMember, detail: "not in the roster",
		change: func(c *cluster, s *protocol.Spec) { s.Roster = members(c.peers(1, 2)) }},
	{name: "a delegate only", code: protocol.CodeUserShare, detail: "the user's share is missing",
		change: func(_ *cluster, s *protocol.Spec) { s.Roster[0].Role = protocol.Delegate }},
	{name: "a user's device", code: protocol.CodeNotMember, detail: "as external, which it is not",
		change: func(_ *cluster, s *protocol.Spec) { s.Roster[0].Role = protocol.External }},
	{name: "another member as a delegate", code: protocol.CodeInvalid, detail: "not members of the key",
		change: func(_ *cluster, s *protocol.Spec) { s.Roster[1].Role = protocol.Delegate }},
	{name: "another coordinator", code: protocol.CodeInvalid, detail: "names another coordinator",
		change: func(c *cluster, s *protocol.Spec) { s.Coordinator = c.peers(1)[0] }},
	{name: "no approval", code: protocol.CodeUnauthorised, detail: "0 of 1", keep: true,
		change: func(_ *cluster, s *protocol.Spec) { s.Authorisation = nil }},
	{name: "approval of another digest", code: protocol.CodeUnauthorised, detail: "digest", keep: true,
		change: func(_ *cluster, s *protocol.Spec) { s.Payload = []byte("pay everything to Mallory") }},
	{name: "approval of another request", code: protocol.CodeUnauthorised, detail: "request", keep: true,
		change: func(c *cluster, s *protocol.Spec) { s.Session = newID(c.tb) }},
	{name: "approved by a stranger", code: protocol.CodeUnauthorised, detail: "approver", keep: true,
		change: func(c *cluster, s *protocol.Spec) { c.stranger().authorise(s) }},
	{name: "approvers swapped", code: protocol.CodeInvalid, detail: "approvers are not the key's", keep: true,
		change: func(c *cluster, s *protocol.Spec) {
			s.Approvers = c.stranger().approvers()
			c.stranger().authorise(s)
		}},
	{name: "unknown key", code: protocol.CodeUnknownKey, detail: "no active share",
		change: func(c *cluster, s *protocol.Spec) { s.Key = newID(c.tb) }},
	{name: "unknown epoch", code: protocol.CodeUnknownKey, detail: "no active share",
		change: func(_ *cluster, s *protocol.Spec) { s.Epoch = 1 }},
	{name: "wrong threshold", code: protocol.CodeInvalid, detail: "threshold are not the key's",
		change: func(c *cluster, s *protocol.Spec) { s.Threshold, s.Roster = 3, members(c.peers()) }},
	{name: "wrong owner", code: protocol.CodeInvalid, detail: "owner",
		change: func(_ *cluster, s *protocol.Spec) { s.Owner = "user-2" }},
	{name: "signers in another order", code: protocol.CodeInvalid, detail: "in the key's order",
		change: func(_ *cluster, s *protocol.Spec) { slices.Reverse(s.Roster) }},
	{name: "a signer that has no share", code: protocol.CodeInvalid, detail: "not members of the key",
		change: func(c *cluster, s *protocol.Spec) { s.Roster[1].Peer = c.coord.host.ID() }},
	{name: "keygen of a key that exists", code: protocol.CodeReplay, detail: "already holds an active share",
		change: func(c *cluster, s *protocol.Spec) {
			s.Kind, s.Session, s.Attempt, s.Roster = protocol.KindKeygen, s.Key, 2, members(c.peers())
			s.Payload, s.Authorisation = nil, nil
		}},
	{name: "keygen without approvers", code: protocol.CodeInvalid, detail: "approv",
		change: func(c *cluster, s *protocol.Spec) {
			*s = *c.coord.keygen(protocol.EdDSA, 2, c.peers())
			s.Approvers = protocol.Approvers{}
		}},
}

// stranger is somebody whose approvals no key knows.
func (c *cluster) stranger() *scripted {
	return &scripted{tb: c.tb, approver: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
}

func TestAnHonestPartyRefusesWrongProposals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		for i, w := range wrongProposals {
			spec := c.coord.sign(key, digest(i), c.peers(0, 1))
			w.change(c, spec)
			if spec.Kind == protocol.KindSign && !w.keep {
				c.coord.authorise(spec)
			}
			got := c.coord.answer(c.peers(0)[0], spec)
			if got.Code != w.code || !strings.Contains(got.Detail, w.detail) {
				t.Errorf("%s: got %q, %q, want %q and a detail with %q", w.name, got.Code, got.Detail, w.code, w.detail)
			}
		}
		spec := c.coord.sign(key, digest(0), c.peers(0, 1))
		checkSignatures(t, spec, cert, c.coord.run(spec)) // nothing of this has done any harm
	})
}

func TestAnApprovedRequestIsGoodForOneContentAndHigherAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		first := c.coord.sign(key, []byte("a message"), c.peers(0, 1))
		checkSignatures(t, first, cert, c.coord.run(first))
		refused := func(what string, change func(s *protocol.Spec)) {
			t.Helper()
			again := *first
			change(&again)
			c.coord.authorise(&again)
			a := c.coord.answer(c.peers(0)[0], &again)
			if a.Code != protocol.CodeReplay || !strings.Contains(a.Detail, "used before") {
				t.Errorf("%s: got %q, %q, want %q", what, a.Code, a.Detail, protocol.CodeReplay)
			}
		}
		refused("another payload", func(s *protocol.Spec) { s.Payload = []byte("another message") })
		refused("another payload, higher attempt", func(s *protocol.Spec) { s.Payload, s.Attempt = []byte("another message"), 2 })
		refused("another expiry", func(s *protocol.Spec) { s.Expires++ })
		refused("other signers", func(s *protocol.Spec) { s.Roster = members(c.peers(0, 2)) })
		c.parties[0].restart()
		c.net.Mesh(c.hosts()...)
		refused("another expiry, after a restart", func(s *protocol.Spec) { s.Expires++ })

		second := *first
		second.Attempt, second.Roster = 2, members(c.peers(0, 2))
		checkSignatures(t, &second, cert, c.coord.run(&second)) // the same approval
		refused("a lower attempt", func(s *protocol.Spec) { s.Expires += 2 })

		// What can no longer be approved need not be remembered.
		n := c.parties[0].node
		if err := n.forgetRequests(t.Context(), time.Now().Add(maxSessionLife+protocol.MaxApprovalLife)); err != nil {
			t.Fatal(err)
		}
		if left, err := n.cfg.Store.List(t.Context(), kindRequest); err != nil || len(left) != 0 {
			t.Errorf("%d requests are remembered for ever, error %v", len(left), err)
		}
	})
}

func TestABusyPartySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := func(c *Config) { c.MaxSessions, c.DrainTimeout = 1, time.Second }
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, one)
		peer := c.peers(0)[0]
		hanging := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		if a := c.coord.answer(peer, hanging); a.Code != "" {
			t.Fatalf("refused: %+v", a)
		}
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		if a := c.coord.answer(peer, spec); a.Code != protocol.CodeBusy {
			t.Errorf("got %+v, want %q", a, protocol.CodeBusy)
		}
		c.coord.send(peer, protocol.Frame{Cancel: &protocol.Cancel{SID: hanging.SID(), Reason: "make room"}})
		c.coord.awaitFailure(hanging.SID(), peer)
		certificate(t, c.coord.run(spec)) // busy is no verdict on the proposal: the same one passes later
	})
}
