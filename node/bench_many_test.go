package node

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// The benchmarks of many signings at once: how many a second by as many clients, with
// a floor that keeps all cores busy.

func BenchmarkManyECDSA(b *testing.B) { benchMany(b, protocol.ECDSA, 16) }
func BenchmarkManyEdDSA(b *testing.B) { benchMany(b, protocol.EdDSA, 16) }

func benchMany(b *testing.B, scheme protocol.Scheme, clients int) {
	b.Run("floor", func(b *testing.B) {
		sign := floorSigner(b, scheme)
		concurrently(b, runtime.NumCPU(), sign)
	})
	b.Run("nodes", func(b *testing.B) {
		c := newCluster(b, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
		key, cert := c.key(scheme, 2)
		concurrently(b, clients, func(i int) {
			spec := c.coord.sign(key, digest(i), c.peers(0, 2))
			spec.Expires = time.Now().Add(maxSessionLife - time.Minute).Unix() // on a busy machine they wait for each other for long
			checkSignatures(b, spec, cert, c.coord.run(spec))
		})
	})
}

// concurrently is measure with so many at a time.
func concurrently(b *testing.B, clients int, op func(i int)) {
	b.Helper()
	turns := make(chan int)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := range turns {
				op(i)
			}
		})
	}
	measure(b, func(i int) {
		turns <- i
		if i == b.N-1 {
			close(turns)
			all.Wait()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign/s")
}

// BenchmarkEnded measures what an ended session keeps of memory.
func BenchmarkEnded(b *testing.B) {
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		b.Run(string(scheme), func(b *testing.B) {
			c := newCluster(b, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
			key, cert := c.key(scheme, 2)
			sign := func(i int) {
				spec := c.coord.sign(key, digest(i), c.peers())
				checkSignatures(b, spec, cert, c.coord.run(spec))
				c.coord.mu.Lock()
				delete(c.coord.answers, spec.SID())
				delete(c.coord.outcomes, spec.SID())
				delete(c.coord.progress, spec.SID())
				c.coord.mu.Unlock()
			}
			for i := range 10 {
				sign(b.N + i)
			}
			before := liveHeap()
			for i := range b.N {
				sign(i)
			}
			b.ReportMetric(float64(liveHeap()-before)/float64(2*b.N)/1024, "KB/ended")
		})
	}
}

// liveHeap is what the collector leaves.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// floorSigner returns a signing by machines alone.
func floorSigner(b *testing.B, scheme protocol.Scheme) func(i int) {
	b.Helper()
	roster := protocoltest.Members(3)
	key := floorKeygen(b, scheme, roster, 0)
	shares := make(map[protocol.PeerID]*tss.Share)
	for peer, r := range key {
		share, err := tss.DecodeShare(r.Share)
		if err != nil {
			b.Fatal(err)
		}
		shares[peer] = share
	}
	signers := []protocol.Member{roster[0], roster[2]}
	return func(i int) {
		results := runMachines(b, signers, func(self protocol.PeerID) (protocol.Machine, error) {
			return tss.NewSign(tss.SignConfig{SID: benchSID(i), Roster: signers, Self: self, Share: shares[self], Payload: digest(i)})
		})
		for peer, r := range results {
			if err := protocol.VerifySignature(scheme, key[peer].PublicKey, digest(i), r.Signature); err != nil {
				b.Error(err)
			}
		}
	}
}
