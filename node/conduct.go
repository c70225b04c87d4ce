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

// blamed returns what an error shows of other members: this party has seen it
// itself, or evidence proves it. What another member merely says shows nothing. It
// is nil when the error is no blame; it may have no culprits. Nobody is a culprit
// who is not another member of the session.
func (c *ceremony) blamed(err error) *protocol.Blame {
	var (
		found   *protocol.Blame
		aborted *protocol.Aborted
	)
	if !errors.As(err, &found) {
		return nil
	}
	b, self := *found, c.node.cfg.Host.ID()
	b.Culprits = slices.DeleteFunc(slices.Clone(found.Culprits), func(p protocol.PeerID) bool {
		return p == self || roleIn(c.spec, p) == ""
	})
	if b.Evidence == nil {
		return &b
	}
	v := *b.Evidence
	if errors.As(err, &aborted) {
		v.By = aborted.By // nobody signs who has seen it; this is who has told
	}
	v.Detail, b.Evidence = protocol.CutDetail(v.Detail), nil
	if _, err := v.Verify(p2p.Verify); err == nil {
		b.Evidence = &v
	} else { // its culprit has signed what nobody would print, such as a name of a kilobyte
		c.log.Infow("a culprit's messages are no evidence", "culprits", b.Culprits, "error", err)
	}
	return &b
}

// keepConduct records what a failed attempt shows: evidence, and the culprits'
// counts. Its failures are in the log and nowhere else.
func (c *ceremony) keepConduct(err error) {
	b := c.blamed(err)
	if b == nil || len(b.Culprits) == 0 || c.node.conduct == (conduct{}) {
		return
	}
	name, proven := "", false
	if b.Evidence != nil {
		var kept error
		if name, kept = c.node.conduct.evidence.write(c.spec.Session, b.Evidence); kept != nil {
			c.log.Warnw("evidence could not be kept", "culprits", b.Culprits, "error", kept)
		}
		found, invalid := b.Evidence.Verify(p2p.Verify)
		proven = invalid == nil && found.Proven
	}
	for _, peer := range b.Culprits {
		f := fault{key: c.spec.Key, peer: peer, reason: b.Reason, session: c.spec.Session, keygen: c.spec.Kind == protocol.KindKeygen}
		if b.Evidence != nil && b.Evidence.Culprit == peer {
			f.proven, f.evidence = proven, name
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
