package node

import (
	"syscall"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// The benchmarks compare a ceremony's bare computation (floor: the machines of
// all members in this process) with the same ceremony by real nodes over QUIC on
// loopback, with keystores on disk (nodes). cpu-ms/op is the CPU time of the
// whole process, heartbeats included.

func BenchmarkSignECDSA(b *testing.B) {
	benchSign(b, protocol.ECDSA)
	b.Run("presigned", benchPresigned)
}

func BenchmarkSignEdDSA(b *testing.B) { benchSign(b, protocol.EdDSA) }

func benchSign(b *testing.B, scheme protocol.Scheme) {
	b.Run("floor", func(b *testing.B) {
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
		measure(b, func(i int) {
			results := runMachines(b, signers, func(self protocol.PeerID) (protocol.Machine, error) {
				return tss.NewSign(tss.SignConfig{SID: benchSID(i), Roster: signers, Self: self, Share: shares[self], Payload: digest(i)})
			})
			for peer, r := range results {
				if err := protocol.VerifySignature(scheme, key[peer].PublicKey, digest(i), r.Signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("nodes", func(b *testing.B) {
		c := newCluster(b, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
		key, cert := c.key(scheme, 2)
		measure(b, func(i int) {
			spec := c.coord.sign(key, digest(i), c.peers(0, 2))
			checkSignatures(b, spec, cert, c.coord.run(spec))
		})
	})
}

func BenchmarkKeygenECDSA(b *testing.B) {
	protocoltest.PreParams(b, 3) // made once, before anything is measured
	b.Run("floor", func(b *testing.B) {
		measure(b, func(i int) { floorKeygen(b, protocol.ECDSA, protocoltest.Members(3), i) })
	})
	b.Run("nodes", func(b *testing.B) {
		c := newCluster(b, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
		measure(b, func(int) { c.key(protocol.ECDSA, 2) })
	})
}

// floorKeygen makes a 2-of-n key with machines alone.
func floorKeygen(b *testing.B, scheme protocol.Scheme, roster []protocol.Member, i int) map[protocol.PeerID]*protocol.Result {
	b.Helper()
	sets := make(map[protocol.PeerID]*tss.PreParams)
	if scheme == protocol.ECDSA {
		for j, set := range protocoltest.PreParams(b, len(roster)) {
			sets[roster[j].Peer] = set
		}
	}
	return runMachines(b, roster, func(self protocol.PeerID) (protocol.Machine, error) {
		return tss.NewKeygen(tss.KeygenConfig{
			SID: benchSID(i), Scheme: scheme, Threshold: 2, Roster: roster, Self: self, PreParams: sets[self],
		})
	})
}

// runMachines runs one ceremony in memory.
func runMachines(b *testing.B, roster []protocol.Member, machine func(protocol.PeerID) (protocol.Machine, error)) map[protocol.PeerID]*protocol.Result {
	b.Helper()
	parties := make([]protocoltest.Party, len(roster))
	for i, m := range roster {
		made, err := machine(m.Peer)
		if err != nil {
			b.Fatal(err)
		}
		parties[i] = protocoltest.Party{Peer: m.Peer, Machine: made}
	}
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return results
}

func benchSID(i int) protocol.SID { return protocol.SID(digest(i)) }

// measure runs op b.N times and reports the CPU time of each.
func measure(b *testing.B, op func(i int)) {
	b.Helper()
	before := cpuTime(b)
	b.ResetTimer()
	for i := range b.N {
		op(i)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
}

// cpuTime is what this process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
