package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

const (
	poolDirEnv = "NODE_TEST_POOL_DIR" // for the child: the keystore of its pool
	poolTakers = 3
	poolStock  = 5
)

// quickSet makes something that has the form of a set, in no time: of random numbers
// that are not prime.
func quickSet(ctx context.Context, effort tss.Effort) (*tss.PreParams, error) {
	for {
		if effort.Pause != nil {
			if err := effort.Pause(ctx); err != nil {
				return nil, err
			}
		}
		set, err := fakeSet()
		if err == nil || ctx.Err() != nil { // two numbers of a set may have a common factor
			return set, errors.Join(err, ctx.Err())
		}
	}
}

func fakeSet() (*tss.PreParams, error) {
	fields := map[int]any{1: 1}
	for i, bits := range []uint{1024, 1024, 1023, 1023, 1000, 1000} {
		v, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits-2))
		if err != nil {
			return nil, err
		}
		for _, bit := range []int{0, int(bits) - 1, int(bits) - 2} {
			v.SetBit(v, bit, 1)
		}
		fields[i+2] = v.Bytes()
	}
	data, err := protocol.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return tss.DecodePreParams(data)
}

// nameOf tells sets apart.
func nameOf(set *tss.PreParams) (string, error) {
	data, err := set.Encode()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}

// takeUntilKilled is a party's pool at work: a refill, and keygens that take so many sets as
// fast as they can, each of which is named once it is out. The argument is how many each
// of them takes, a colon, and the keystore's folder.
func takeUntilKilled(work string) error {
	number, dir, _ := strings.Cut(work, ":")
	each, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	store, err := crashStore(dir)
	if err != nil {
		return err
	}
	p := newPool(store, new(idle), newCores(2), poolStock)
	p.generate, p.hurry = quickSet, quickSet
	failed := make(chan error)
	go func() { failed <- p.run(context.Background(), NewJobs(logJob)) }()
	for range poolTakers {
		go func() {
			for range each {
				set, err := p.take(context.Background(), 0)
				if err != nil {
					failed <- err
					return
				}
				name, err := nameOf(set)
				if err != nil {
					failed <- err
					return
				}
				if _, err := os.Stdout.WriteString(name + "\n"); err != nil { // one write: not torn
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// A party is killed at any moment, with kill -9, while its pool is refilled and
// emptied: no set is handed out twice, before or after, and none that was handed out
// is fresh on the disk.
func TestAKillNeverLetsASetServeTwoKeys(t *testing.T) {
	const rounds, longest = 25, 10 * time.Second
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	random, dir := mathrand.New(mathrand.NewPCG(seed, 0)), t.TempDir()
	handed, stocked, most := map[string]int{}, 0, 40*time.Millisecond
	for round := range rounds {
		each, life := 1+random.IntN(12), time.Duration(random.Int64N(int64(most))) // the pool is full at some of the kills
		for _, name := range killChild(t, fmt.Sprintf("%s=%d:%s", poolDirEnv, each, dir), life) {
			if before, twice := handed[name]; twice {
				t.Fatalf("round %d: the set %s was handed out in round %d already", round, name, before)
			}
			handed[name] = round
		}
		if stocked += checkStock(t, dir, handed); stocked == 0 { // on a slow machine the refill comes to nothing so soon
			most = min(2*most, longest)
		}
	}
	t.Logf("%d sets handed out; %d in stock after the kills", len(handed), stocked)
	if len(handed) < rounds || stocked == 0 {
		t.Error("the kills left nothing to be handed out again: nothing was tested")
	}
	checkPurged(t, dir)
}

// checkPurged wants a pool to delete what others have used. Only one that lives can be asked: each of
// the killed ones may have left some of its own, and those of the ones before, which it deletes
// while sets are taken out already.
func checkPurged(t *testing.T, dir string) {
	t.Helper()
	store, err := crashStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(store, new(idle), newCores(2), 0)
	set, err := quickSet(t.Context(), tss.Effort{}) // there may be no other
	if err == nil {
		err = p.put(t.Context(), set)
	}
	if err == nil {
		_, err = store.Take(t.Context(), kindPreParams, keystore.StateFresh, keystore.StateUsed)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, NewJobs(logJob)) }()
	eventually(t, "the used sets are deleted", func() bool {
		used, err := store.Count(ctx, kindPreParams, keystore.StateUsed)
		return err == nil && used == 0
	})
	cancel()
	if err := errors.Join(<-ended, store.Close()); err != nil {
		t.Error(err)
	}
}

// checkStock looks for sets that were handed out among the fresh ones, which it counts.
func checkStock(t *testing.T, dir string, handed map[string]int) (fresh int) {
	t.Helper()
	store, err := crashStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	headers, err := store.List(t.Context(), kindPreParams)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		record, err := store.Get(t.Context(), kindPreParams, h.ID)
		if err != nil {
			t.Fatal(err)
		}
		set, err := tss.DecodePreParams(record.Payload)
		if err != nil {
			t.Fatal(err)
		}
		name, err := nameOf(set)
		if err != nil {
			t.Fatal(err)
		}
		if record.State == keystore.StateUsed {
			continue // the next pool that lives for long enough deletes it
		}
		fresh++
		if round, out := handed[name]; out {
			t.Errorf("the set %s was handed out in round %d and is %s", name, round, record.State)
		}
	}
	return fresh
}
