package keystore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	s := openAt(t, t.TempDir())
	_, err := s.Take(t.Context(), kindPool, StateFresh, StateUsed)
	wantError(t, err, ErrNotFound)
	put(t, s, poolRecord(1), poolRecord(0))
	r, err := s.Take(t.Context(), kindPool, StateFresh, StateUsed)
	noError(t, err)
	if r.ID != "set-000" || r.State != StateUsed || string(r.Payload) != "set-000" {
		t.Fatalf("took %+v", r)
	}
	stored, err := s.Get(t.Context(), kindPool, r.ID)
	noError(t, err)
	if stored.State != StateUsed {
		t.Fatalf("stored as %s", stored.State)
	}
}

func TestTakePassesOverTheDamaged(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, poolRecord(0), poolRecord(1), poolRecord(2))
	// Used ones turned fresh again on disk must not be handed out.
	_, err := s.Take(t.Context(), kindPool, StateFresh, StateUsed)
	noError(t, err)
	raw := reheader(t, rawValue(t, s, kindPool, "set-000"), func(r *sealedRecord) { r.header.State = StateFresh })
	setRaw(t, s, kindPool, "set-000", raw)
	for _, want := range []string{"set-001", "set-002"} {
		r, err := s.Take(t.Context(), kindPool, StateFresh, StateUsed)
		noError(t, err)
		if r.ID != want {
			t.Fatalf("took %s, want %s", r.ID, want)
		}
	}
	_, err = s.Take(t.Context(), kindPool, StateFresh, StateUsed)
	wantError(t, err, ErrNotFound)
	if list, err := s.Quarantined(t.Context()); err != nil || len(list) != 1 || list[0].ID != "set-000" {
		t.Fatalf("quarantine %v, %v", list, err)
	}
}

func TestConcurrentTakesAreDistinct(t *testing.T) {
	s := openAt(t, t.TempDir())
	const n = 32
	for i := range n - 2 {
		put(t, s, poolRecord(i))
	}
	var mu sync.Mutex
	taken, none := map[string]bool{}, 0
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			r, err := s.Take(t.Context(), kindPool, StateFresh, StateUsed)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrNotFound):
				none++
			case err != nil:
				t.Error(err)
			case taken[r.ID]:
				t.Errorf("%s was taken twice", r.ID)
			default:
				taken[r.ID] = true
			}
		})
	}
	wg.Wait()
	if len(taken) != n-2 || none != 2 {
		t.Fatalf("%d taken, %d went away without", len(taken), none)
	}
}

const (
	crashDirEnv  = "KEYSTORE_TEST_DIR"
	crashSeedEnv = "KEYSTORE_TEST_SEED"
	crashLifeEnv = "KEYSTORE_TEST_LIFE"
	crashTakers  = 2

	firstLife = 8 * time.Millisecond // of a child, at the most
	longLife  = 10 * time.Second
)

// lives gives children longer lives as long as all have died before they did anything, as on
// a machine that is slow or whose disk is.
type lives struct {
	most time.Duration
	done bool
}

// next is what the next child is told; ok is false when more rounds are no use.
func (l *lives) next(round, rounds int) (ok bool) {
	if round > 0 && !l.done {
		l.most = min(2*l.most, longLife)
	}
	return round < rounds || (!l.done && round < rounds+20)
}

// openDoomed opens the store of a child, which is killed at a random moment soon.
func openDoomed() (*Store, error) {
	seed, err := strconv.ParseUint(os.Getenv(crashSeedEnv), 10, 64)
	if err != nil {
		return nil, err
	}
	master, err := ParseMasterKey(strings.Repeat("a7", keySize))
	if err != nil {
		return nil, err
	}
	s, err := Open(Config{Dir: os.Getenv(crashDirEnv), Master: master, Party: testParty})
	if err != nil {
		return nil, err
	}
	most, err := time.ParseDuration(os.Getenv(crashLifeEnv))
	if err != nil {
		return nil, err
	}
	life := time.Duration(rand.New(rand.NewPCG(seed, 1)).Int64N(int64(most)))
	time.AfterFunc(life, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	return s, nil
}

// childTake takes and reports until it is killed.
func childTake() error {
	s, err := openDoomed()
	if err != nil {
		return err
	}
	for range crashTakers {
		go func() {
			for {
				r, err := s.Take(context.Background(), kindPool, StateFresh, StateUsed)
				if errors.Is(err, ErrNotFound) {
					return
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(2)
				}
				_, _ = os.Stdout.WriteString(r.ID + "\n") // one write call: not torn, not buffered
			}
		}()
	}
	select {}
}

// A party is killed between taking and using, again and again: no record is handed out
// twice, none disappears, and at most what was being taken is marked without use.
func TestKillBetweenTakeAndUse(t *testing.T) {
	const records, rounds = 400, 12
	dir := t.TempDir()
	s := openAt(t, dir)
	for i := range records {
		put(t, s, poolRecord(i))
	}
	noError(t, s.Close())
	random := seeded(t)
	handed := map[string]int{}
	life := lives{most: firstLife}
	round := 0
	for ; life.next(round, rounds); round++ {
		for _, id := range runCrash(t, "take", dir, random.Uint64(), life.most) {
			handed[id]++
			if handed[id] > 1 {
				t.Fatalf("round %d: %s was handed out twice", round, id)
			}
		}
		life.done = len(handed) > 0
		checkPool(t, dir, handed, records, (round+1)*crashTakers)
	}
	t.Logf("%d of %d handed out in %d rounds", len(handed), records, round)
	if len(handed) == 0 {
		t.Fatal("every child died too early: nothing was tested")
	}
}

func runCrash(t *testing.T, child, dir string, seed uint64, life time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+child, crashDirEnv+"="+dir,
		fmt.Sprintf("%s=%d", crashSeedEnv, seed), crashLifeEnv+"="+life.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was to be killed: %v", err)
	}
	return strings.Fields(string(out))
}

func checkPool(t *testing.T, dir string, handed map[string]int, records, maxUnused int) {
	t.Helper()
	s := openAt(t, dir)
	list, err := s.List(t.Context(), kindPool)
	noError(t, err)
	used := 0
	for _, h := range list {
		r, err := s.Get(t.Context(), kindPool, h.ID)
		noError(t, err)
		if r.State == StateUsed {
			used++
		} else if handed[h.ID] > 0 {
			t.Fatalf("%s was handed out and is %s", h.ID, r.State)
		}
	}
	if len(list) != records || used < len(handed) || used > len(handed)+maxUnused {
		t.Fatalf("%d records, %d used, %d handed out", len(list), used, len(handed))
	}
	noError(t, s.Close())
}
