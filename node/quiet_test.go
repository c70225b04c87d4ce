package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// warnings collects what is logged, warnings and errors, until the function that it
// returns is called.
func warnings(t *testing.T) func() []string {
	t.Helper()
	pipe := logging.NewPipeReader(logging.PipeFormat(logging.JSONOutput), logging.PipeLevel(logging.LevelWarn))
	var (
		reading sync.WaitGroup
		lines   []string
	)
	reading.Go(func() {
		scan := bufio.NewScanner(pipe)
		for scan.Buffer(nil, 1<<24); scan.Scan(); {
			lines = append(lines, scan.Text())
		}
	})
	return func() []string {
		if err := pipe.Close(); err != nil {
			t.Error(err)
		}
		reading.Wait()
		return lines
	}
}

// What one member says without end takes a few lines of the log, and short ones.
func TestAMemberCannotFillTheLog(t *testing.T) {
	const times = 300
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
	p, member := c.parties[0], c.parties[1]
	key, cert := c.key(protocol.EdDSA, 2)
	gone := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	gone.Expires = time.Now().Add(-time.Hour).Unix()
	wrong, lie := question(cert, nil), question(cert, nil)
	wrong.Reply, wrong.Abandon = true, &protocol.Abandon{SID: key.SID(), Party: strings.Repeat("x", 200<<10)}
	lie.Reply, lie.Abandon = true, protocol.SignAbandon(member.Host, key.SID())
	for name, e := range map[string]*protocol.Endorse{"a word that does not hold": wrong, "questions": asked(gone), "a contradiction": lie} {
		lines, start := warnings(t), time.Now()
		for range times {
			if _, err := p.node.takeEndorsement(t.Context(), member.ID(), e); err != nil {
				t.Fatal(err)
			}
		}
		text := lines()
		if few := fewLines(times, start); len(text) > few || len(strings.Join(text, "")) > few<<10 {
			t.Errorf("%s: %d lines of %d bytes", name, len(text), len(strings.Join(text, "")))
		}
		named := slices.DeleteFunc(text, func(line string) bool { return !strings.Contains(line, member.ID()) })
		if name == "a contradiction" && len(named) != 1 {
			t.Errorf("the member that says two things is named %d times", len(named))
		}
	}
	lines, start := warnings(t), time.Now()
	for range times {
		p.node.receiveDispatch(c.coord.host.ID(), []byte("no frame"))
		logJob(JobEvent{Name: "settle", Err: fmt.Errorf("asking: %w", ErrJobReplace)})
		logJob(JobEvent{Name: "settle", Err: fmt.Errorf("asking: %w", context.Canceled)})
	}
	if text := lines(); len(text) > fewLines(times, start) {
		t.Errorf("frames and jobs: %d lines", len(text))
	}
}

// fewLines is how many lines may be logged about so many events since some time: a tenth, and one
// more for each second that they took.
func fewLines(events int, start time.Time) int {
	return events/10 + int(time.Since(start)/time.Second)
}

// A coordinator that proposes without end uses up its own questions, and hears all the
// same who has to come back.
func TestEveryCoordinatorHasQuestionsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		p.interrupt(t, key)
		greedy, other := retry(key), retry(key)
		greedy.Coordinator = "greedy"
		for p.node.resolver.prompt.allow(greedy.Coordinator) {
		}
		var r *refusal
		if err := p.node.resolveEarlier(t.Context(), greedy); !errors.As(err, &r) || r.code != protocol.CodeReplay || len(r.peers) != 2 {
			t.Errorf("a coordinator with no questions left hears %+v", err)
		}
		if err := p.node.resolveEarlier(t.Context(), other); !errors.As(err, &r) || !errors.Is(err, errHaveKey) {
			t.Errorf("another one hears %v, which is not that the key was completed", err)
		}
	})
}
