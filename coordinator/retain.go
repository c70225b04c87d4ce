package coordinator

import (
	"cmp"
	"context"
	"path/filepath"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/hooks"
)

// forgetEvery is how often what is too old is dropped.
const forgetEvery = time.Hour

// forget drops what is older than the retention, until ctx ends.
func (c *Coordinator) forget(ctx context.Context) error {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		n, err := c.registry.Prune(ctx, c.cfg.Retention)
		if err != nil {
			log.Errorw("old sessions could not be dropped; it is tried again in an hour", "error", err)
		}
		if n > 0 {
			log.Infow("old sessions were dropped", "events", n, "retention", c.cfg.Retention)
		}
		select {
		case <-tick.C:
		case <-c.registry.Crowded():
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *Coordinator) newHooks() (*hooks.Hooks, error) {
	return hooks.New(hooks.Config{
		DB: c.db, Registry: c.registry, KeyFile: cmp.Or(c.cfg.WebhookKey, filepath.Join(c.cfg.Dir, "webhooks.key")),
		Loopback: c.cfg.WebhookLoopback, Private: c.cfg.WebhookPrivate, Version: c.cfg.Version,
	})
}
