package p2p

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	expiryWarning = 30 * 24 * time.Hour // before the own credential ends
	expiryRepeat  = 24 * time.Hour
)

// Run connects to the bootstrap nodes, announces this node's role, finds and
// keeps the roles of Config.Seek and the peers of Keep, and holds slots on the
// relays if it uses them. It blocks until ctx or the host ends, and then closes
// the host. Ending so is no error.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	h.running.Store(true)
	h.keepBootstrap()
	var loops sync.WaitGroup
	loops.Go(func() { h.keeper.run(ctx) })
	loops.Go(func() { h.warnOfExpiry(ctx) })
	for _, relay := range h.slots.relays {
		if h.usesRelays() {
			loops.Go(func() { h.reserve(ctx, relay) })
		}
	}
	var err error
	if h.dht != nil {
		loops.Go(func() { h.announce(ctx) })
		for _, role := range h.cfg.Seek {
			loops.Go(func() { h.seek(ctx, role) })
		}
		err = h.dht.Bootstrap(ctx)
	}
	if err == nil {
		<-ctx.Done()
	}
	cancel()
	loops.Wait()
	return errors.Join(err, h.Close())
}

// warnOfExpiry says in time that this node's own membership will end. A pass is
// meant to end: its end alone is news.
func (h *Host) warnOfExpiry(ctx context.Context) {
	warning, reason := expiryWarning, ErrCredentialExpired
	if h.conf.self.guest() {
		warning, reason = 0, ErrPassExpired
	}
	for {
		left := time.Until(h.conf.self.Expires)
		switch {
		case left <= 0:
			log.Errorw(reason.Error(), "expired", h.conf.self.Expires)
		case left <= warning:
			log.Warnw("this node's membership credential expires soon: have the node admitted again", "expires", h.conf.self.Expires)
		}
		pause := expiryRepeat
		if left > warning {
			pause = left - warning
		}
		if !h.pauseUntil(ctx, pause, nil) {
			return
		}
	}
}
