package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// fakeBinder counts what becomes of a presignature.
type fakeBinder struct{ bound, dropped int }

func (f *fakeBinder) Bind([]byte) (protocol.Machine, error) { f.bound++; return nil, nil }
func (f *fakeBinder) Drop()                                 { f.dropped++ }

func fakePresignature(i int, key string, until time.Time) *presignature {
	s := &protocol.Spec{Kind: protocol.KindPresign, Key: key, Coordinator: "coordinator", Roster: members([]string{"a", "b"})}
	return &presignature{sid: protocol.SID(digest(i)), spec: s, made: protocol.SID(digest(0)), machine: &fakeBinder{}, until: until, ends: until}
}

// fakeOf is one of a coordinator, which is held for an hour.
func fakeOf(coordinator protocol.PeerID, i int, key string) *presignature {
	x := fakePresignature(i, key, time.Now().Add(time.Hour))
	x.spec.Coordinator = coordinator
	return x
}

// signingOf names a presignature.
func signingOf(x *presignature) *protocol.Spec {
	s := *x.spec
	s.Kind, s.Presign = protocol.KindSign, slices.Clone(x.sid[:])
	return &s
}

// What a signing takes has to be of the same coordinator, key, epoch, members and path.
func TestOnlyTheRightSigningTakesAPresignature(t *testing.T) {
	now := time.Now()
	p := newPresigns(func() {})
	x := fakePresignature(1, "key", now.Add(time.Minute))
	if !p.put(x) || p.put(x) {
		t.Fatal("it is held twice, or not at all")
	}
	for name, change := range map[string]func(*protocol.Spec){
		"another presignature": func(s *protocol.Spec) { s.Presign[0]++ },
		"another coordinator":  func(s *protocol.Spec) { s.Coordinator = "other" },
		"another key":          func(s *protocol.Spec) { s.Key = "other" },
		"another epoch":        func(s *protocol.Spec) { s.Epoch++ },
		"another member":       func(s *protocol.Spec) { s.Roster = members([]string{"a", "c"}) },
		"another order":        func(s *protocol.Spec) { s.Roster = members([]string{"b", "a"}) },
		"another path":         func(s *protocol.Spec) { s.Path = []uint32{1} },
	} {
		s := signingOf(x)
		change(s)
		if _, err := p.take(s, x.made, now); codeOf(err) != protocol.CodeNoPresign {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.take(signingOf(x), protocol.SID(digest(9)), now); codeOf(err) != protocol.CodeNoPresign {
		t.Errorf("another session made the key: %v", err)
	}
	if _, err := p.take(signingOf(x), x.made, x.until); codeOf(err) != protocol.CodeNoPresign {
		t.Errorf("expired: %v", err)
	}
	if err := p.check(signingOf(x), x.made, now); err != nil {
		t.Error(err)
	}
	if _, err := p.take(signingOf(x), x.made, now); err != nil {
		t.Error(err)
	}
	if _, err := p.take(signingOf(x), x.made, now); codeOf(err) != protocol.CodeNoPresign || len(p.ofKey) != 0 {
		t.Errorf("again: %v", err)
	}
}

// However many take, drop and expire at once: each presignature is taken once, or dropped.
func TestAPresignatureIsTakenOrDroppedOnce(t *testing.T) {
	now, p := time.Now(), newPresigns(func() {})
	var all []*presignature
	for i := range 200 {
		all = append(all, fakePresignature(i, fmt.Sprint("key ", i%3), now.Add(time.Duration(i%2)*time.Hour)))
		p.put(all[i])
	}
	var (
		working sync.WaitGroup
		mu      sync.Mutex
		taken   = make(map[binder]int)
	)
	for range 4 {
		working.Go(func() { p.expire(now.Add(time.Minute)) })
		working.Go(func() { p.drop("test", func(x *presignature) bool { return x.spec.Key == "key 1" }) })
		working.Go(func() {
			for _, x := range all {
				if b, err := p.take(signingOf(x), x.made, now); err == nil {
					mu.Lock()
					taken[b]++
					mu.Unlock()
				}
			}
		})
	}
	working.Wait()
	p.close()
	if late := fakePresignature(500, "key", now.Add(time.Hour)); p.put(late) {
		t.Error("it holds something after its end")
	}
	for i, x := range all {
		if f := x.machine.(*fakeBinder); taken[f]+f.dropped != 1 {
			t.Errorf("presignature %d: taken %d times, dropped %d times", i, taken[f], f.dropped)
		}
	}
	if held := p.count(); held != 0 || len(p.ofKey) != 0 || len(p.all) != 0 {
		t.Errorf("%d are held, %v, %v", held, p.all, p.ofKey)
	}
}

// A clock that is set back does not prolong a presignature's life, nor does one that
// stands still.
func TestWhicheverClockIsFirstEndsAPresignature(t *testing.T) {
	now := time.Now()
	wall, monotonic := lifeUntil(now.Add(time.Hour).Unix())
	if strings.Contains(wall.String(), " m=") || !strings.Contains(monotonic.String(), " m=") {
		t.Fatalf("the two are %v and %v, want the second alone with a monotonic reading", wall, monotonic)
	}
	if left := monotonic.Sub(now); left > time.Hour || left < 59*time.Minute {
		t.Errorf("it ends in %v", left)
	}
	for name, set := range map[string]func(*presignature){
		"the wall clock was set back": func(x *presignature) { x.until = x.until.Add(24 * time.Hour) },
		"the machine slept":           func(x *presignature) { x.ends = x.ends.Add(24 * time.Hour) },
	} {
		p, x := newPresigns(func() {}), fakePresignature(1, "key", wall)
		x.ends = monotonic
		set(x)
		p.put(x)
		p.expire(now)
		if err := p.check(signingOf(x), x.made, now); err != nil {
			t.Errorf("%s, before its end: %v", name, err)
		}
		end := now.Add(time.Hour)
		if err := p.check(signingOf(x), x.made, end); codeOf(err) != protocol.CodeNoPresign {
			t.Errorf("%s: it can be used: %v", name, err)
		}
		p.expire(end)
		if held := p.count(); held != 0 {
			t.Errorf("%s: it is held", name)
		}
	}
}

// What a party holds and makes at a time is bounded, for all keys and each.
func TestPresignaturesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, func(cfg *Config) { cfg.MaxPresignatures = 400 })
		p := c.parties[0]
		busy := func(why string, want protocol.Code) *protocol.Spec {
			t.Helper()
			time.Sleep(time.Second) // the coordinator's pace is another bound
			spec := c.coord.presigning(key, c.peers(0, 1))
			if a := c.coord.answer(p.ID(), spec); a.Code != want {
				t.Errorf("%s: %+v, want %q", why, a, want)
			}
			return spec
		}
		one, two := busy("the first", ""), busy("the second", "")
		busy("a third one at a time", protocol.CodeBusy)
		c.cancel(one)
		c.cancel(two)
		c.awaitQuiet()
		for i := range MaxPresignaturesPerKey {
			p.node.presigns.put(fakeOf(c.coord.host.ID(), i, key.Key))
		}
		busy("too many of one key", protocol.CodeBusy)
		p.node.presigns.drop("test", func(x *presignature) bool { return x.sid == protocol.SID(digest(0)) })
		c.cancel(busy("one less", ""))
		c.awaitQuiet()
		for i := range 400 - MaxPresignaturesPerKey {
			p.node.presigns.put(fakeOf(c.coord.host.ID(), 1000+i, fmt.Sprint("key ", i)))
		}
		busy("one less than too many", "") // and with it as many as may be
		busy("too many of all keys", protocol.CodeBusy)
		if got := p.held(); got != 399 {
			t.Errorf("%d presignatures in the heartbeat, want 399", got)
		}
		c.coord.send(p.ID(), protocol.Frame{Forget: &protocol.Forget{}})
		c.awaitQuiet()
		p.node.presigns.drop("test", func(*presignature) bool { return true })
		c.signed(c.coord.use(c.presign(key, 0, 1), digest(1)), cert)
	})
}

// One coordinator begins presignings at a bounded pace, and does not use up another's.
func TestPresigningsHaveAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, _ := newSigners(t, p2ptest.Simulated, 2, nil)
		p, other := c.parties[0], c.second()
		c.awaitQuiet()
		for p.node.presignPaces.allow(c.coord.host.ID()) {
		}
		if a := c.coord.answer(p.ID(), c.coord.presigning(key, c.peers(0, 1))); a.Code != protocol.CodeBusy {
			t.Errorf("beyond its pace: %+v", a)
		}
		if a := other.answer(p.ID(), other.presigning(key, c.peers(0, 1))); a.Code != "" {
			t.Errorf("another coordinator: %+v", a)
		}
	})
}

// What a presigning may not be.
func TestPresigningsAreRefused(t *testing.T) {
	c, key, _ := newSigners(t, p2ptest.QUIC, 2, func(cfg *Config) { cfg.MaxPresignatures = 1 })
	for name, r := range map[string]struct {
		want   protocol.Code
		change func(*protocol.Spec)
	}{
		"held for too long":    {protocol.CodeInvalid, func(s *protocol.Spec) { s.HoldUntil = s.Expires + int64(maxHold/time.Second) + 1 }},
		"with a late deadline": {protocol.CodeInvalid, func(s *protocol.Spec) { s.Expires += 180; s.HoldUntil += 180 }},
		"of another key":       {protocol.CodeUnknownKey, func(s *protocol.Spec) { s.Key = newID(t) }},
		"of another account":   {protocol.CodeInvalid, func(s *protocol.Spec) { s.Account = newID(t) }},
		"of another scheme":    {protocol.CodeInvalid, func(s *protocol.Spec) { s.Scheme = protocol.EdDSA }},
		"with a delegate":      {protocol.CodeInvalid, func(s *protocol.Spec) { s.Roster[0].Role = protocol.Delegate }},
		"with a device":        {protocol.CodeInvalid, func(s *protocol.Spec) { s.Roster[1].Role = protocol.External }},
		"too late":             {protocol.CodeExpired, func(s *protocol.Spec) { s.Expires = time.Now().Unix() - 1 }},
		"of others":            {protocol.CodeNotMember, func(s *protocol.Spec) { s.Roster = membersOf(key, c.peers(1, 2)) }},
	} {
		c.awaitQuiet()
		spec := c.coord.presigning(key, c.peers(0, 1))
		r.change(spec)
		eventually(t, name, func() bool { return c.parties[0].node.presignPaces.allow(c.coord.host.ID()) })
		eventually(t, name, func() bool { // what was used up comes again
			a := c.coord.answer(c.parties[0].ID(), spec)
			if a.Code == protocol.CodeBusy {
				c.coord.forget(spec.SID(), c.parties[0].ID())
				return false
			}
			if a.Code != r.want {
				t.Errorf("%s: %+v, want %q", name, a, r.want)
			}
			return true
		})
	}
	c.presign(key, 0, 1)
	if err := c.parties[0].node.presignRoom(key); !errors.As(err, new(*refusal)) || codeOf(err) != protocol.CodeBusy {
		t.Errorf("one more than may be held: %v", err)
	}
	none := &Node{cfg: Config{MaxPresignatures: -1}, presigns: newPresigns(func() {})}
	if err := none.presignRoom(key); codeOf(err) != protocol.CodeBusy {
		t.Errorf("none may be held: %v", err)
	}
}

func (n *Node) presignRoom(s *protocol.Spec) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.presignRoomLocked(s)
}

// settle waits for a moment without live sessions, and for as long as it was told.
func TestSettleWaitsForAMomentOfQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var i idle
		start := time.Now()
		if err := i.settle(t.Context(), time.Second); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v, when nothing was ever live", err, time.Since(start))
		}
		ends := []func(){i.begin(), i.begin()}
		settled := make(chan time.Duration)
		go func() {
			if err := i.settle(t.Context(), time.Second); err != nil {
				t.Error(err)
			}
			settled <- time.Since(start)
		}()
		for _, end := range ends {
			time.Sleep(10 * time.Second)
			end()
		}
		time.Sleep(500 * time.Millisecond)
		i.begin()()
		if took := <-settled; took != 21500*time.Millisecond {
			t.Errorf("it took %v, want a second after the last one's end", took)
		}
		defer i.begin()()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := i.settle(ctx, time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v when its context has ended", err)
		}
	})
}
