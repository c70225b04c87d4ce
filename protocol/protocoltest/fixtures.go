package protocoltest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

var names = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"}

// Members returns a roster of n persistent members, alice, bob and so on.
func Members(n int) []protocol.Member {
	members := make([]protocol.Member, n)
	for i := range members {
		name := fmt.Sprintf("party-%d", i+1)
		if i < len(names) {
			name = names[i]
		}
		members[i] = protocol.Member{Peer: name, Role: protocol.Persistent}
	}
	return members
}

// preParams are the encoded sets that this process has made.
var preParams struct {
	sync.Mutex
	sets [][]byte
}

// PreParams returns n sets of pre-parameters, made once in a process (about a
// second of CPU each) and given out again in fresh copies, which real keys must
// never be.
func PreParams(tb testing.TB, n int) []*tss.PreParams {
	tb.Helper()
	preParams.Lock()
	defer preParams.Unlock()
	for len(preParams.sets) < n {
		set, err := tss.GeneratePreParams(context.Background(), runtime.GOMAXPROCS(0))
		if err != nil {
			tb.Fatalf("making pre-parameters: %v", err)
		}
		encoded, err := set.Encode()
		if err != nil {
			tb.Fatalf("encoding pre-parameters: %v", err)
		}
		preParams.sets = append(preParams.sets, encoded)
	}
	sets := make([]*tss.PreParams, n)
	for i := range sets {
		var err error
		if sets[i], err = tss.DecodePreParams(preParams.sets[i]); err != nil {
			tb.Fatalf("decoding pre-parameters: %v", err)
		}
	}
	return sets
}
