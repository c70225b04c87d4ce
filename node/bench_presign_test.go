package node

import (
	"runtime"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// benchPresigned signs with presignatures, which are made in between, unmeasured. Beside
// time and CPU it reports the memory that one takes while it is held (held-KB), the
// session that has made it forgotten, and with that session, which answers pulls for a
// minute (fresh-KB). All nodes are in this process; both are of one of them.
func benchPresigned(b *testing.B) {
	const batch = 32
	c := newCluster(b, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
	key, cert := c.key(protocol.ECDSA, 2)
	c.signed(c.coord.use(c.presign(key, 0, 2), digest(0)), cert)
	var (
		stock []*protocol.Spec
		cpu   time.Duration
		i     int
	)
	fill := func(n int) {
		for range n {
			stock = append(stock, c.presign(key, 0, 2))
		}
	}
	c.forgetEnded()
	before := heapBytes()
	fill(batch)
	fresh := heapBytes()
	c.forgetEnded()
	held := heapBytes()
	b.ResetTimer()
	for b.Loop() {
		if len(stock) == 0 {
			b.StopTimer()
			fill(batch)
			b.StartTimer()
		}
		start := cpuTime(b)
		i++
		c.signed(c.coord.use(stock[0], digest(i)), cert)
		cpu += cpuTime(b) - start
		stock = stock[1:]
	}
	b.ReportMetric(float64(cpu)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(held-before)/batch/2/1024, "held-KB")
	b.ReportMetric(float64(fresh-before)/batch/2/1024, "fresh-KB")
}

// forgetEnded makes all nodes forget the sessions that have ended.
func (c *cluster) forgetEnded() {
	c.awaitQuiet()
	for _, p := range c.parties {
		p.node.forgetEnded(time.Now().Add(2 * linger))
	}
}

// heapBytes is what is live in this process, in bytes.
func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers have let go
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
