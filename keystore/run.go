package keystore

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// gcRatio is the share of garbage from which a file of the value log is rewritten.
const gcRatio = 0.5

// Run collects Badger's garbage every Config.GCEvery until ctx is done, and then returns
// nil. ErrClosed when the store is closed under it. Failures are logged: garbage
// is no reason to stop.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.GCEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.collect(ctx)
		switch {
		case errors.Is(err, ErrClosed):
			return fmt.Errorf("keystore garbage collection: %w", err)
		case err != nil && ctx.Err() == nil:
			logger.Warnw("garbage collection failed; it will be tried again", "error", err)
		}
	}
}

// collect rewrites files of the value log until none has enough garbage.
func (s *Store) collect(ctx context.Context) error {
	for {
		if err := s.enter(ctx); err != nil {
			return err
		}
		err := s.db.RunValueLogGC(gcRatio)
		s.leave()
		if errors.Is(err, badger.ErrNoRewrite) || errors.Is(err, badger.ErrRejected) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// enterWrite is enter for operations that need disk space.
func (s *Store) enterWrite(ctx context.Context) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.cfg.Dir, &st); err != nil {
		return fmt.Errorf("free disk space: %w", err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < s.cfg.MinFree {
		return fmt.Errorf("%w: %d MiB left at %s, %d are needed; make room", ErrDiskFull, free>>20, s.cfg.Dir, s.cfg.MinFree>>20)
	}
	return s.enter(ctx)
}
