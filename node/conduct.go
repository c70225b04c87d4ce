package node

import (
	"errors"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// conduct is what a party keeps of its peers' faults.
type conduct struct {
	evidence   EvidenceDir
	quarantine QuarantineDir
}

func newConduct(dataDir string) conduct {
	if dataDir == "" {
		return conduct{}
	}
	return conduct{evidence: EvidenceIn(dataDir), quarantine: QuarantineIn(dataDir)}
}

// judgement is what an error shows of other members.
type judgement struct {
	of      *protocol.Blame  // the error's
	blame   *protocol.Blame  // what of it holds
	finding protocol.Finding // what its evidence shows, if it has any
}

// blamed returns what an error shows of other members: this party has seen it
// itself, or evidence proves it. What another member merely says shows nothing. It
// is nil when the error is no blame; it may have no culprits. Nobody is a culprit
// who is not another member of the session.
func (c *ceremony) blamed(err error) *protocol.Blame { return c.judge(err).blame }

// judge looks at an error once, for there may be many signatures to verify: the same
// blame has the same judgement, however it is wrapped. It belongs to run.
func (c *ceremony) judge(err error) judgement {
	var found *protocol.Blame
	if !errors.As(err, &found) {
		return judgement{}
	}
	if c.judged.of != found {
		c.judged = c.judgementOn(found, err)
	}
	return c.judged
}

// judgementOn checks the blame of an error.
func (c *ceremony) judgementOn(found *protocol.Blame, err error) judgement {
	b, self := *found, c.node.cfg.Host.ID()
	is := judgement{of: found, blame: &b}
	b.Culprits = slices.DeleteFunc(slices.Clone(found.Culprits), func(p protocol.PeerID) bool {
		return p == self || roleIn(c.spec, p) == ""
	})
	if b.Evidence == nil {
		return is
	}
	v := *b.Evidence
	var aborted *protocol.Aborted
	if errors.As(err, &aborted) {
		v.By = aborted.By // nobody signs who has seen it; this is who has told
	}
	v.Detail, b.Evidence = protocol.CutDetail(v.Detail), nil
	f, invalid := v.Verify(p2p.Verify)
	if invalid == nil {
		b.Evidence, is.finding = &v, f
	} else { // its culprit has signed what nobody would print, such as a name of a kilobyte
		c.log.Infow("a culprit's messages are no evidence", "culprits", b.Culprits, "error", invalid)
	}
	return is
}

// keepConduct records what a failed attempt shows: evidence, and the culprits'
// counts. Its failures are in the log and nowhere else.
func (c *ceremony) keepConduct(err error) {
	found := c.judge(err)
	b := found.blame
	if b == nil || len(b.Culprits) == 0 || c.node.conduct == (conduct{}) {
		return
	}
	name := ""
	if b.Evidence != nil {
		var kept error
		if name, kept = c.node.conduct.evidence.write(c.spec.Session, b.Evidence, found.finding.Proven); kept != nil {
			c.log.Warnw("evidence could not be kept", "culprits", b.Culprits, "error", kept)
		}
	}
	for _, peer := range b.Culprits {
		f := fault{key: c.spec.Key, peer: peer, reason: b.Reason, session: c.spec.Session, keygen: c.spec.Kind == protocol.KindKeygen}
		if b.Evidence != nil && b.Evidence.Culprit == peer {
			f.proven, f.evidence = found.finding.Proven, name
		}
		c.count(f)
	}
}

// count counts one culprit's failure.
func (c *ceremony) count(f fault) {
	now, err := c.node.conduct.quarantine.count(f, time.Now())
	switch {
	case err != nil:
		c.log.Warnw("a failure could not be counted", "peer", f.peer, "error", err)
	case now.InQuarantine() && !f.keygen:
		c.log.Warnw("a peer is in quarantine for a key until an operator clears it: mpcd quarantine clear", "peer", f.peer, "key", f.key, "failures", now.Failures)
	}
}
