package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

const (
	crashDirEnv = "NODE_TEST_CRASH_DIR" // for the child: the keystore to write to
	crashParty  = "alice"
)

func crashStore(dir string) (*keystore.Store, error) {
	master, err := keystore.ParseMasterKey(strings.Repeat("a7", 32))
	if err != nil {
		return nil, err
	}
	return keystore.Open(keystore.Config{Dir: dir, Master: master, Party: crashParty})
}

// saveUntilKilled makes one key active after the other, a party's own and a
// user's, and says so.
func saveUntilKilled(dir string) error {
	store, err := crashStore(dir)
	if err != nil {
		return err
	}
	keys, users, told := newKeyring(store), newUserShares(store, nil), newOutcomes(store, nil)
	for i := 0; ; i++ {
		spec := protocol.Spec{Version: protocol.SpecVersion, Kind: protocol.KindKeygen, Key: fmt.Sprintf("%d-%d", os.Getpid(), i), Account: "account"}
		outcome, err := told.record("coordinator", &protocol.Outcome{SID: spec.SID()})
		if err != nil {
			return err
		}
		for _, active := range []bool{false, true} {
			save, also := &protocol.Save{Active: active, Key: protocol.KeyRecord{Version: protocol.KeyRecordVersion, Spec: spec}}, []keystore.Record(nil)
			if active {
				also = []keystore.Record{outcome}
			}
			if i%2 == 0 {
				err = keys.save(context.Background(), save, also...)
			} else {
				err = users.save(context.Background(), save, also...)
			}
			if err != nil {
				return err
			}
		}
		if _, err := os.Stdout.WriteString(spec.Key + "\n"); err != nil {
			return err
		}
	}
}

// A party is killed at any moment, with kill -9: an active share is never on its
// disk without its outcome.
func TestAKillBetweenShareAndOutcomeLosesNothing(t *testing.T) {
	const rounds, most = 25, 60 // more while no child has come far enough
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random, dir := rand.New(rand.NewPCG(seed, 0)), t.TempDir()
	active := 0
	for round := 0; round < rounds || (active == 0 && round < most); round++ {
		killChild(t, crashDirEnv+"="+dir, time.Duration(random.Int64N(int64(40*time.Millisecond))))
		store, err := crashStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		active = 0
		for _, kind := range []keystore.Kind{kindShare, kindUserShare} {
			headers, err := store.List(t.Context(), kind)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range headers {
				record, state, err := heldShare(t.Context(), store, h.Key, h.Epoch)
				if err != nil {
					t.Fatal(err)
				}
				_, err = store.Get(t.Context(), kindOutcome, record.Spec.SID().String())
				if want := state == keystore.StateActive; (err == nil) != want || (err != nil && !errors.Is(err, keystore.ErrNotFound)) {
					t.Errorf("%s %s is %s; its outcome: %v", kind, h.Key, state, err)
				} else if want {
					active++
				}
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d active shares", active)
	if active == 0 {
		t.Fatal("every child died too early: nothing was tested")
	}
}

// killChild lets a child, which env chooses, write until some time after its first
// word, and returns the lines that it wrote.
func killChild(t *testing.T, env string, life time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 1)
	if _, err := out.Read(said); err != nil {
		t.Errorf("the child wrote nothing: %v", err)
	}
	time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	rest, err := io.ReadAll(out) // until it is killed
	if err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was to be killed: %v", err)
	}
	return strings.Fields(string(append(said, rest...)))
}

// What was on the disk and never told is told after the next start, whether a
// keygen's session or the other members' signatures have completed the key.
func TestAnOutcomeThatWasNeverOfferedIsOfferedAfterARestart(t *testing.T) {
	for _, later := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
			c.coord.mutely(true)
			key := c.coord.keygen(protocol.EdDSA, 2, c.peers())
			key.Roster[2].Role = protocol.Delegate
			certificate(t, c.coord.run(key))
			if later {
				for _, p := range c.parties {
					if err := p.store.Delete(t.Context(), kindOutcome, key.SID().String()); err != nil {
						t.Fatal(err)
					}
					p.interrupt(t, key)
				}
				for _, p := range c.parties {
					p.node.start("resolve", resolveLimit, func(ctx context.Context) error { return p.node.resolve(ctx, nil) })
				}
				c.awaitActive(t, key, 0, 1, 2)
			}
			for _, p := range c.parties {
				p.node.outcomes.mu.Lock()
				clear(p.node.outcomes.pending) // as if it had been killed before it could offer anything
				p.node.outcomes.mu.Unlock()
				p.restart()
			}
			c.coord.mu.Lock()
			clear(c.coord.outcomes)
			c.coord.mu.Unlock()
			c.net.Mesh(c.hosts()...)
			certificate(t, c.coord.result(key))
		})
	}
}
