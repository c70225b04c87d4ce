package node

import (
	"context"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// Redelivery of outcomes.
const (
	redeliverFirst = 2 * time.Second
	redeliverMost  = 30 * time.Second
	outcomeLife    = 7 * 24 * time.Hour // a signature nobody has asked for in a week is dropped
)

// outcomes keeps how sessions ended until their coordinators have acknowledged
// it, across restarts.
type outcomes struct {
	store *keystore.Store
	send  func(context.Context, protocol.PeerID, protocol.Frame) error

	mu      sync.Mutex
	pending map[protocol.SID]*pendingOutcome
	to      map[protocol.PeerID]*addressee // of what is pending
	turns   sync.WaitGroup
	added   chan struct{}
	wakeAt  time.Time // when run looks at pending next
	desk    outcomeDesk
}

type pendingOutcome struct {
	to    protocol.PeerID
	frame protocol.Frame
	size  int // of the outcome, encoded
	since time.Time
	next  time.Time
	wait  time.Duration
	paper // of a result that is told before it is on disk
}

// stored is the payload of an outcome record.
type stored struct {
	To      protocol.PeerID  `cbor:"1,keyasint"`
	Since   int64            `cbor:"2,keyasint"` // Unix seconds
	Outcome protocol.Outcome `cbor:"3,keyasint"`
}

func newOutcomes(s *keystore.Store, send func(context.Context, protocol.PeerID, protocol.Frame) error) *outcomes {
	return &outcomes{
		store: s, send: send, pending: make(map[protocol.SID]*pendingOutcome), to: make(map[protocol.PeerID]*addressee),
		added: make(chan struct{}, 1), desk: outcomeDesk{wake: make(chan struct{}, 1)},
	}
}

// record returns an outcome as it is kept until it is acknowledged. Its owner
// writes it together with what it is the outcome of, and then offers it: a crash in
// between costs nothing but time.
func (o *outcomes) record(to protocol.PeerID, out *protocol.Outcome) (keystore.Record, error) {
	payload, err := protocol.Marshal(stored{To: to, Since: time.Now().Unix(), Outcome: *out})
	if err != nil {
		return keystore.Record{}, err
	}
	return keystore.Record{Header: keystore.Header{Kind: kindOutcome, ID: out.SID.String(), State: keystore.StatePending}, Payload: payload}, nil
}

// offer sends an outcome, and goes on sending it until it is acknowledged. A result
// is on disk; a failure is in memory only, and is not told once there is a result.
func (o *outcomes) offer(ctx context.Context, to protocol.PeerID, out protocol.Outcome) {
	o.tell(ctx, newPending(to, out))
}

func newPending(to protocol.PeerID, out protocol.Outcome) *pendingOutcome {
	now := time.Now()
	return &pendingOutcome{
		to: to, frame: protocol.Frame{Outcome: &out}, size: sizeOf(&out), since: now, next: now.Add(redeliverFirst), wait: redeliverFirst,
	}
}

func sizeOf(out *protocol.Outcome) int {
	data, err := protocol.Marshal(out)
	if err != nil { // then it cannot be told, either
		return maxFrame
	}
	return len(data)
}

func (o *outcomes) tell(ctx context.Context, p *pendingOutcome) {
	if !o.add(p) {
		p.settle()
		return
	}
	to, out := p.to, p.frame.Outcome
	ctx, cancel := context.WithTimeout(ctx, sendLimit) // the session ends when this returns
	defer cancel()
	if err := o.send(ctx, to, p.frame); err != nil {
		log.Infow("an outcome could not be sent yet; it will be sent again", "sid", out.SID.Short(), "coordinator", to, "error", err)
	}
}

// add makes an outcome the one to be told of its session, unless that is a result already.
func (o *outcomes) add(p *pendingOutcome) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.pending[p.sid()]; known != nil {
		if known.result() {
			return false
		}
		o.leave(known)
	}
	o.enter(p)
	if p.next.Before(o.wakeAt) {
		o.nudge()
	}
	if p.unwritten {
		o.desk.unwritten = append(o.desk.unwritten, p)
		if len(o.desk.unwritten) == 1 {
			o.desk.nudge()
		}
	}
	return true
}

func (p *pendingOutcome) sid() protocol.SID { return p.frame.Outcome.SID }

// result tells whether the outcome is one that is on disk.
func (p *pendingOutcome) result() bool { return p.frame.Outcome.Record != nil }

func (o *outcomes) nudge() {
	select {
	case o.added <- struct{}{}:
	default:
	}
}

// acknowledge forgets an outcome that a coordinator has made durable. A result is
// not forgotten for the acknowledgement of a failure that was told before it.
func (o *outcomes) acknowledge(from protocol.PeerID, ack *protocol.Ack) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pending[ack.SID]
	if p == nil || p.to != from || ack.Failure && p.result() {
		return
	}
	o.leave(p)
	o.dismiss(p)
}

// again has an outcome that is not acknowledged told once more, at once; false if there
// is none in memory. Its coordinator has asked for it, so that it is there.
func (o *outcomes) again(sid protocol.SID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pending[sid]
	if p == nil {
		return false
	}
	p.next = time.Now()
	o.to[p.to].wake()
	o.nudge()
	return true
}

// run reads what was left undelivered and sends it again, with growing pauses,
// until ctx ends.
func (o *outcomes) run(ctx context.Context) error {
	if err := o.load(ctx); err != nil {
		if ctx.Err() != nil { // it was stopped before it had begun
			return nil
		}
		return err
	}
	defer o.turns.Wait()
	for {
		next := o.sendDue(ctx, time.Now())
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-o.added:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (o *outcomes) load(ctx context.Context) error {
	headers, err := o.store.List(ctx, kindOutcome)
	if err != nil {
		return err
	}
	for _, h := range headers {
		record, err := o.store.Get(ctx, kindOutcome, h.ID)
		if err != nil {
			log.Errorw("an undelivered outcome cannot be read", "sid", h.ID, "error", err)
			continue
		}
		var s stored
		if err := protocol.Unmarshal(record.Payload, &s); err != nil {
			log.Errorw("an undelivered outcome cannot be read", "sid", h.ID, "error", err)
			continue
		}
		o.add(&pendingOutcome{
			to: s.To, frame: protocol.Frame{Outcome: &s.Outcome}, size: len(record.Payload), since: time.Unix(s.Since, 0), wait: redeliverFirst,
		})
	}
	return nil
}
