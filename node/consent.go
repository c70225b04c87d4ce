package node

import (
	"context"
	"errors"

	"github.com/meshmpc/mpcd/protocol"
)

// askUser asks the person at a user's device. It may take until the session's
// deadline; a proposal that was accepted before is not shown again.
func (n *Node) askUser(ctx context.Context, s *protocol.Spec) error {
	content, err := contentOf(s)
	if err != nil {
		return err
	}
	if _, err := n.replayed(ctx, s, content); err != nil {
		return n.refuseReplay(ctx, s, err)
	}
	err = n.cfg.Consent(ctx, s, protocol.Fingerprint(s))
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCancelled):
		return refuse(protocol.CodeCancelled, "%w", cause)
	case errors.Is(cause, ErrStopped):
		return refuse(protocol.CodeDraining, "this party is shutting down")
	case cause != nil:
		return refuse(protocol.CodeTimeout, "the person at this device did not answer in time")
	case err != nil:
		return refuse(protocol.CodeDeclined, "the person at this device said no: %w", err)
	}
	return nil
}
