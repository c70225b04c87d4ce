package device

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"golang.org/x/sync/errgroup"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

var log = logging.Logger("device")

const (
	drainTime    = 5 * time.Second  // for a ceremony under way, when the user leaves
	renewBefore  = 30 * time.Minute // before the end of the pass
	renewRetry   = 30 * time.Second // while a session runs, which is not disturbed
	hintEvery    = 30 * time.Minute
	maxProposals = 4 // at a time; one session has one, and one that ends
)

// errRenew ends a stay because the pass ends soon.
var errRenew = errors.New("the pass ends soon")

// stay is in the network, as a guest, until the session has ended, the pass nears
// its end (errRenew), the user has declined, or ctx ends.
func (j *joiner) stay(ctx context.Context, in *rest.Joined) (*rest.Session, error) {
	host, err := j.host(in)
	if err != nil {
		return nil, err
	}
	hint(host, in)
	host.Keep(in.Coordinator.PeerID) // until the host ends
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	part, err := node.New(node.Config{
		Host: host, Store: j.folder.store, Network: in.Network.Name, Role: protocol.External, Consent: j.consent.ask,
		DrainTimeout: drainTime, MaxSessions: maxProposals, Software: j.Software,
	})
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	w, err := j.watcher(in)
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	defer w.api.Close()
	j.consent.begin(stay{ctx, w.no, w.names})
	expires := host.Self().Expires
	j.User.Tell(Event{Type: EventJoined, SessionID: in.SessionID, ExpiresAt: &expires})

	var session *rest.Session
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, part, host) })
	group.Go(func() error { return w.renew(ctx, expires) })
	group.Go(func() error { return remind(ctx, host, in) })
	group.Go(func() error { return w.no.leave(ctx) })
	group.Go(func() (err error) {
		defer leave(nil)
		session, err = w.watch(ctx)
		return err
	})
	err = group.Wait()
	switch cause, no := context.Cause(ctx), w.no.why(); {
	case no != nil:
		return nil, no
	case session != nil: // whatever else came to its end because of it
		return session, nil
	case err != nil && !errors.Is(err, context.Canceled):
		return nil, err
	case cause != nil:
		return nil, cause
	}
	return nil, err
}

// host makes the device's place in the network. It listens nowhere: others reach
// it through the relays, and the coordinator through the connection that it
// keeps.
func (j *joiner) host(in *rest.Joined) (*p2p.Host, error) {
	authority, err := base64.StdEncoding.DecodeString(in.Network.AuthorityKey)
	if err != nil {
		return nil, refuted("the network's authority key is not base64")
	}
	host, err := p2p.New(p2p.Config{
		Identity: j.folder.identity, Network: in.Network.Name, Authority: authority, Credential: in.Pass,
		Bootstrap: in.Network.Bootstrap, Software: j.Software,
	})
	if err != nil {
		return nil, fmt.Errorf("enter the network: %w", err)
	}
	return host, nil
}

// hint says where the coordinator is.
func hint(host *p2p.Host, in *rest.Joined) {
	if err := host.Hint(in.Coordinator.PeerID, in.Coordinator.Addrs...); err != nil {
		log.Warnw("an address of the coordinator is not understood", "error", err)
	}
}

// remind says it again and again: the host forgets hints.
func remind(ctx context.Context, host *p2p.Host, in *rest.Joined) error {
	tick := time.NewTicker(hintEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			hint(host, in)
		}
	}
}

// serve runs the party, and the host a little longer: what the party still has
// to say while it drains goes through it.
func serve(ctx context.Context, part *node.Node, host *p2p.Host) error {
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, partCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return host.Run(below) })
	group.Go(func() error {
		defer stop()
		return part.Run(partCtx)
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("take part: %w", err)
	}
	return nil
}
