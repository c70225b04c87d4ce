package tss

import (
	"runtime"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
)

// The library computes on as many goroutines as it is given cores, however many
// threads the process may have.
func TestAKeygenTakesTheCoresThatItHas(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	s, err := suiteOf(protocol.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	for cores, want := range map[int]int{2: 2, 0: 8} {
		got, recorded := 0, *s
		recorded.newKeygen = func(setup *keygenSetup) (runner, error) {
			got = setup.params.Concurrency()
			return s.newKeygen(setup)
		}
		roster := []protocol.Member{{Peer: "alice"}, {Peer: "bob"}}
		if _, err := recorded.keygenMachine(KeygenConfig{Threshold: 2, Roster: roster, Self: "alice", Cores: cores}); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%d goroutines with %d cores, want %d", got, cores, want)
		}
	}
}
