package p2p

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/time/rate"
)

const (
	circuitsPerGuest = 16       // circuits from and to one guest
	guestBurst       = 64 << 20 // bytes that a guest may send through the relay at once
	guestRate        = 1 << 20  // and a second, later on; a key generation needs less than 2 MB a pair
)

// ledger bounds what guests do with a relay, so that two of them have no free
// tunnel: how many circuits each has, and what each sends through all of them.
// What comes too fast waits, and its sender with it.
type ledger struct {
	h           *Host
	burst, rate int // bytes, and bytes a second

	mu       sync.Mutex
	accounts map[peer.ID]*account
}

// account is a guest's at the relay. It outlives its circuits until its budget is
// full again.
type account struct {
	streams int // open streams of circuits, and of requests for one or a slot
	budget  *rate.Limiter
}

func newLedger(h *Host) *ledger {
	return &ledger{h: h, burst: guestBurst, rate: guestRate, accounts: map[peer.ID]*account{}}
}

// open counts a stream of a guest's. It is false if there would be more than limit.
func (l *ledger) open(p peer.ID, limit int) (*account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tidy()
	a := l.accounts[p]
	if a == nil {
		a = &account{budget: rate.NewLimiter(rate.Limit(l.rate), l.burst)}
		l.accounts[p] = a
	}
	if a.streams >= limit {
		return nil, false
	}
	a.streams++
	return a, true
}

// tidy drops the accounts of guests without streams whose budget is full; the
// caller holds mu.
func (l *ledger) tidy() {
	maps.DeleteFunc(l.accounts, func(_ peer.ID, a *account) bool {
		return a.streams == 0 && a.budget.Tokens() >= float64(l.burst)
	})
}

func (l *ledger) closed(a *account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.streams--
}

// busy tells how many streams a guest has; 0 for a member.
func (l *ledger) busy(p peer.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[p]; a != nil {
		return a.streams
	}
	return 0
}

// mayCall tells whether a guest may have the circuit that it asks for on a stream
// that is counted already, and whether the other end, if it is one, may.
func (l *ledger) mayCall(src, dest peer.ID) bool {
	return l.busy(src) <= circuitsPerGuest && l.busy(dest) < circuitsPerGuest
}

// meter makes a guest's stream one that counts. A request that is no circuit in
// the end holds its place for a moment, which is why there are some more places
// than circuits.
func (l *ledger) meter(s network.Stream, limit int) (network.Stream, error) {
	p := s.Conn().RemotePeer()
	if !l.h.peers.isGuest(p) {
		return s, nil
	}
	a, ok := l.open(p, limit)
	if !ok {
		return nil, fmt.Errorf("%w: guest %s has all its circuits", ErrUnreachable, p)
	}
	return &meteredStream{Stream: s, ctx: l.h.ctx, account: a, done: sync.OnceFunc(func() { l.closed(a) })}, nil
}

// meteredStream is an end of a circuit that belongs to a guest.
type meteredStream struct {
	network.Stream
	ctx     context.Context // of the host
	account *account
	done    func()
}

// Read takes no more than the budget allows: whoever reads on waits.
func (s *meteredStream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	if n > 0 {
		// It fails only when the host ends, as then the streams do.
		s.account.budget.WaitN(s.ctx, n) //nolint:errcheck // see above
	}
	return n, err
}

func (s *meteredStream) Close() error {
	defer s.done()
	return s.Stream.Close()
}

func (s *meteredStream) Reset() error {
	defer s.done()
	return s.Stream.Reset()
}

func (s *meteredStream) ResetWithError(code network.StreamErrorCode) error {
	defer s.done()
	return s.Stream.ResetWithError(code)
}

// servingHost is the host that the relay sees: the streams of guests are metered.
type servingHost struct{ *relayHost }

// SetStreamHandler is called for the protocol of requests.
func (r *servingHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	r.relayHost.SetStreamHandler(id, func(s network.Stream) {
		metered, err := r.h.ledger.meter(s, 2*circuitsPerGuest)
		if err != nil {
			s.Reset() //nolint:errcheck // nothing can be done about it
			return
		}
		if m, ok := metered.(*meteredStream); ok {
			defer func() {
				if r := recover(); r != nil {
					m.done()
					panic(r) // the guard's
				}
			}()
		}
		handle(metered)
	})
}

// NewStream tells a peer that somebody calls, over the connection on which it was
// heard last.
func (r *servingHost) NewStream(ctx context.Context, p peer.ID, protocols ...protocol.ID) (network.Stream, error) {
	s, err := r.callOver(ctx, p, protocols)
	if err != nil {
		return nil, err
	}
	metered, err := r.h.ledger.meter(s, circuitsPerGuest)
	if err != nil {
		s.Reset() //nolint:errcheck // nothing can be done about it
		return nil, err
	}
	return metered, nil
}

func (r *servingHost) callOver(ctx context.Context, p peer.ID, protocols []protocol.ID) (network.Stream, error) {
	c, several := r.h.peers.freshest(p)
	if !several || len(protocols) != 1 {
		return r.relayHost.NewStream(ctx, p, protocols...)
	}
	s, err := openOn(ctx, c, protocols[0])
	if err != nil {
		return nil, fmt.Errorf("%w: stream to %s: %w", ErrUnreachable, p, err)
	}
	return hopStream{s}, nil
}
