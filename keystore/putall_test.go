package keystore

import (
	"context"
	"fmt"
	"os"
	"testing"
)

const kindOutcome = Kind("outcome")

// pair is two records of different scopes that must not be without each other.
func pair(id string) []Record {
	share := aRecord(id)
	outcome := Record{Header: Header{Kind: kindOutcome, ID: id, State: StatePending}, Payload: make([]byte, 40<<10)}
	return []Record{share, outcome}
}

// childPut writes pairs and reports them until it is killed.
func childPut() error {
	s, err := openDoomed()
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), i)
		if err := s.PutAll(context.Background(), pair(id)...); err != nil {
			return err
		}
		_, _ = os.Stdout.WriteString(id + "\n") // as in childTake
	}
}

// A process is killed while it writes pairs, again and again: what was reported is
// there, and no record is there without the other one.
func TestKillWhileRecordsAreWrittenTogether(t *testing.T) {
	const rounds = 15
	dir := t.TempDir()
	noError(t, openAt(t, dir).Close())
	random := seeded(t)
	life := lives{most: firstLife}
	written, round := 0, 0
	for ; life.next(round, rounds); round++ {
		reported := runCrash(t, "put", dir, random.Uint64(), life.most)
		written += len(reported)
		life.done = written > 0
		s := openAt(t, dir)
		for _, id := range reported {
			for _, r := range pair(id) {
				_, err := s.Get(t.Context(), r.Kind, r.ID)
				noError(t, err)
			}
		}
		ids := make(map[string]int)
		for _, kind := range []Kind{kindShare, kindOutcome} {
			list, err := s.List(t.Context(), kind)
			noError(t, err)
			for _, h := range list {
				ids[h.ID]++
			}
		}
		for id, n := range ids {
			if n != 2 {
				t.Errorf("%d of the two records %s are there", n, id)
			}
		}
		noError(t, s.Close())
	}
	t.Logf("%d pairs in %d rounds", written, round)
	if written == 0 {
		t.Fatal("every child died too early: nothing was tested")
	}
}

// One record that cannot be stored keeps the others out as well.
func TestRecordsAreWrittenTogetherOrNotAtAll(t *testing.T) {
	s := openAt(t, t.TempDir())
	erased, invalid := aRecord("erased"), aRecord("")
	erased.Key = "gone"
	put(t, s, erased)
	noError(t, s.EraseEpoch(t.Context(), erased.Key, erased.Epoch))
	for name, last := range map[string]struct {
		record Record
		is     error
	}{"an erased epoch": {erased, ErrErased}, "no id": {invalid, ErrInvalid}} {
		wantError(t, s.PutAll(t.Context(), poolRecord(1), last.record), last.is)
		if _, err := s.Get(t.Context(), kindPool, poolRecord(1).ID); err == nil {
			t.Errorf("%s: the other record was written", name)
		}
	}
}
