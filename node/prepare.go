package node

import (
	"context"
	"fmt"
	"runtime"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Prepare makes sets of pre-parameters, on all cores, until a store has n fresh
// ones. A user's device has no pool that works in the background: it prepares
// before it joins an ECDSA keygen, which uses one set. A set takes seconds, and
// now and then a minute.
func Prepare(ctx context.Context, store *keystore.Store, n int) error {
	stock := newPool(store, new(idle), newCores(1), n)
	for {
		have, err := store.Count(ctx, kindPreParams, keystore.StateFresh)
		if err != nil || have >= n {
			return err
		}
		set, err := stock.generate(ctx, tss.Effort{Workers: runtime.GOMAXPROCS(0)})
		if err != nil {
			return fmt.Errorf("pre-parameters: %w", err)
		}
		if err := stock.put(ctx, set); err != nil {
			return err
		}
	}
}
