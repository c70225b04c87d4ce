package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Times of a ceremony.
const (
	pullFirst = time.Second     // without progress, before the first pull
	pullMost  = 4 * time.Second // between later pulls
	farewell  = 2 * time.Second // for the last messages of a ceremony that failed
)

// ceremony is one attempt of a session at this party. Its run method is the one
// goroutine that drives the protocol.Session; after it has ended, the session
// only answers pulls.
type ceremony struct {
	node  *Node
	sid   protocol.SID
	spec  *protocol.Spec
	user  string      // the user's share that came with the proposal, until it is looked at
	after []*ceremony // earlier attempts at the same key, which must have ended
	log   *zap.SugaredLogger
	inbox *inbox

	meeting string // its topic's name
	shared  bool   // the topic serves other sessions of its members, too

	session *protocol.Session
	request *writing      // how the request is remembered, until it is durable
	presign *presignature // what a presigning is to be held as
	topic   *p2p.Topic
	began   time.Time         // when it was accepted
	settled func()            // the watch need not know the session any more
	told    bool              // a result is told, and settled called when it is safe
	live    func()            // ends that the session holds up what nobody waits for; nil: it does not
	lost    *protocol.Failure // what the other members were told
	judged  judgement         // on the attempt's failure, see judge
	senders sync.WaitGroup
	pulls   pulls

	order    uint64    // of beginning, at this party
	progress *progress // nil before the session has begun

	mu       sync.Mutex // guards what follows, and session once done is closed
	answered *protocol.Answer
	endedAt  time.Time
	done     chan struct{}
}

func newCeremony(n *Node, sid protocol.SID, p proposal) *ceremony {
	spec := p.spec
	meeting, shared := spec.Topic()
	return &ceremony{
		meeting: meeting, shared: shared,
		node: n, sid: sid, spec: spec, user: p.userShare, inbox: newInbox(&n.room), done: make(chan struct{}),
		order: n.begun.Add(1),
		log:   log.With("party", n.cfg.Host.ID(), "session", spec.Session, "attempt", spec.Attempt, "sid", sid.Short(), "kind", spec.Kind),
	}
}

func (c *ceremony) job() string { return "session " + c.sid.String() }

func (c *ceremony) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// finish marks the end; from now on the session belongs to receive.
func (c *ceremony) finish() {
	c.node.learn(c)
	if c.session != nil { // hundreds of ended ones are kept
		c.session.Retire()
	}
	c.topic, c.progress, c.request, c.settled, c.judged, c.lost = nil, nil, nil, nil, judgement{}, nil
	c.endedAt = time.Now()
	close(c.done)
	c.inbox.close()
	c.node.retire(c)
	c.node.leaveIdle()
	c.node.beat()
}

// receive takes what another party has sent over its stream: an envelope or a pull.
// It does not block: what does not fit is dropped, and pulled again. Who is no member
// has nothing to say here, and nothing of it is looked at.
func (c *ceremony) receive(from protocol.PeerID, f *protocol.DirectFrame, size int) {
	if roleIn(c.spec, from) == "" {
		return
	}
	if f.Pull != nil {
		c.receivePull(packet{from: from, pull: f.Pull, size: size})
		return
	}
	if !c.inbox.mayOpen(from, size) {
		c.log.Debugw("too much of one member; a message was dropped and will be pulled", "peer", from)
		return
	}
	o, err := protocol.OpenEnvelope(f.Envelope, p2p.Verify)
	if err != nil || o.Header().From != from || o.Header().SID != c.sid {
		c.log.Debugw("message dropped", "peer", from, "reason", "not an envelope of the member's for this session", "error", err)
		return
	}
	c.inbox.put(packet{from: from, opened: o, size: size})
}

// answerAfter is how long a signing that is accepted does without an answer: most have
// ended by then, and their outcome says it.
const answerAfter = 100 * time.Millisecond

// decide sets what the coordinator is told about whether this party takes part.
func (c *ceremony) decide(refused error) {
	a := protocol.Answer{SID: c.sid}
	if refused != nil {
		a.Code, a.Detail, a.Peers = codeOf(refused), refused.Error(), peersOf(refused)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = &a
}

// accepted tells whether this party takes part, or took part.
func (c *ceremony) accepted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered != nil && c.answered.Code == ""
}

// answer tells the coordinator what was decided, if it was.
func (c *ceremony) answer(ctx context.Context) error {
	c.mu.Lock()
	a := c.answered
	c.mu.Unlock()
	if a == nil {
		return nil // still deciding; the answer comes by itself
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	return c.node.sendFrame(ctx, c.spec.Coordinator, protocol.Frame{Answer: a})
}

// answerAgain repeats the answer for a copy of the proposal, or gives it late.
func (c *ceremony) answerAgain() {
	c.node.start("answer "+c.sid.String(), sendLimit, func(ctx context.Context) error {
		if err := c.answer(ctx); err != nil {
			c.log.Infow("the answer was not delivered; the coordinator will ask again", "error", err)
		}
		return nil
	})
}

// run is the job of the session.
func (c *ceremony) run(ctx context.Context) (err error) {
	defer c.finish()
	defer func() {
		if v := recover(); v != nil { // the job reports the panic; the coordinator must hear of it as well
			c.tellFailure(fmt.Errorf("%w: %v", ErrJobPanic, v))
			panic(v)
		}
	}()
	c.wake() // from now on: a presigning's next step would hold up already what is checked here
	defer c.rest()
	a, err := c.admit(ctx)
	if err == nil {
		c.request, c.settled = a.request, c.watched()
		defer func() {
			if !c.told {
				c.settled()
			}
		}()
	}
	if err != nil {
		c.rest() // a coordinator that does not read its answer holds up nobody
	}
	c.decide(err)
	if err == nil && c.spec.Kind == protocol.KindSign {
		defer time.AfterFunc(answerAfter, c.answerAgain).Stop()
	} else if sent := c.answer(context.WithoutCancel(ctx)); sent != nil {
		c.log.Infow("the answer was not delivered; the coordinator will ask again", "error", sent)
	}
	if err != nil {
		c.log.Warnw("refused a session", "code", codeOf(err), "error", err)
		return nil
	}
	defer c.dropPresign()
	c.began = time.Now()
	tell := c.log.Infow
	if c.spec.Kind == protocol.KindSign { // how it ended is told in a moment
		tell = c.log.Debugw
	}
	tell("takes part in a session", "threshold", c.spec.Threshold, "members", len(c.spec.Roster), "scheme", c.spec.Scheme)
	if err := c.participate(ctx, a); err != nil {
		err = c.because(ctx, err)
		c.tellFailure(err)
		return err
	}
	if !c.told { // see whenSafe
		c.log.Infow("session completed", "duration", time.Since(c.began))
	}
	return nil
}

// admit decides whether this party takes part. An earlier attempt at the same
// key, which its coordinator has given up, must not write what a later one has
// written.
func (c *ceremony) admit(ctx context.Context) (admission, error) {
	for _, earlier := range c.after {
		select {
		case <-earlier.done:
		case <-ctx.Done():
			return admission{}, refuse(protocol.CodeBusy, "an earlier attempt at the key has not ended")
		}
	}
	c.after = nil
	defer func() { c.user = "" }()
	return c.node.admit(ctx, proposal{spec: c.spec, userShare: c.user})
}

// participate runs the ceremony to its end.
func (c *ceremony) participate(ctx context.Context, a admission) error {
	peers := slices.DeleteFunc(c.spec.Peers(), func(p protocol.PeerID) bool { return p == c.node.cfg.Host.ID() })
	if !c.shared { // the topic keeps them
		defer c.node.cfg.Host.Keep(peers...)()
	}
	if err := c.node.connect(ctx, c.node.others(c.spec)); err != nil {
		return err
	}
	machine, err := c.machine(ctx, a)
	if err != nil {
		return err
	}
	cfg := protocol.SessionConfig{Spec: c.spec, Signer: c.node.cfg.Host, Verify: p2p.Verify, Machine: machine}
	if c.spec.Kind == protocol.KindKeygen {
		cfg.Contribution = make([]byte, protocol.ContributionSize)
		rand.Read(cfg.Contribution) //nolint:errcheck // never fails, see crypto/rand
	}
	session, err := protocol.NewSession(cfg)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.session = session
	c.mu.Unlock()
	return c.meet(ctx)
}

// loop is the ceremony's event loop.
func (c *ceremony) loop(ctx context.Context, seen <-chan error) error {
	pause := c.pullWait()
	pull := time.NewTimer(pause)
	defer pull.Stop()
	for {
		var (
			out protocol.Output
			err error
		)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err = <-seen:
			if err == nil {
				out, err = c.compute(ctx, "", c.session.Ready)
			}
		case <-c.inbox.ready:
			p, any := c.inbox.take()
			if !any {
				continue
			}
			out, err = c.handle(ctx, p)
			if out.Dropped == "" {
				pause = c.pullWait()
				pull.Reset(pause)
			}
		case <-pull.C:
			c.pull(ctx, pause >= pullFirst)
			if pause >= pullMost {
				c.rest() // it waits for a member that is not there
			}
			pause = min(2*pause, pullMost)
			pull.Reset(pause)
		case <-c.progress.due.C:
			c.reportDue(ctx)
		}
		if done, err := c.perform(ctx, out, err); done || err != nil {
			return err
		}
	}
}

// handle gives one packet to the session.
func (c *ceremony) handle(ctx context.Context, p packet) (protocol.Output, error) {
	if p.pull != nil {
		c.pulled(ctx, p)
		return protocol.Output{Dropped: "a pull"}, nil
	}
	// What is of no use waits for no turn, and makes no session live that only waits: else one
	// member could hold up, as long as that lasts, all that gives way to live ones.
	if reason := c.session.Useless(p.opened, !p.gossip); reason != "" {
		c.log.Debugw("message dropped", "peer", p.from, "reason", reason)
		return protocol.Output{Dropped: reason}, nil
	}
	return c.compute(ctx, p.opened.Header().Type, func() (protocol.Output, error) { return c.session.Take(p.opened, !p.gossip) })
}

// perform does what the session asks for, in the order that its contract names.
func (c *ceremony) perform(ctx context.Context, out protocol.Output, err error) (done bool, _ error) {
	for {
		outcome, saved := c.commit(context.WithoutCancel(ctx), out)
		if saved != nil {
			return false, refuse(protocol.CodeStorage, "the result could not be saved: %w", saved)
		}
		if err := c.remembered(ctx); err != nil {
			return false, err
		}
		for _, envelope := range out.Broadcast {
			if sent := c.topic.Publish(ctx, envelope); sent != nil && err == nil {
				err = fmt.Errorf("session topic: %w", sent)
			}
		}
		for _, d := range out.Direct {
			c.sendLater(ctx, d.To, protocol.DirectFrame{SID: c.sid, Envelope: d.Envelope})
		}
		c.report(ctx, nil)
		switch {
		case out.Held:
			c.hold(ctx)
			return true, nil
		case outcome != nil: // whatever else went wrong: the session has ended well
			c.told = outcome.unwritten // from here on the desk calls settled
			c.node.outcomes.tell(context.WithoutCancel(ctx), outcome)
			return true, nil
		case err != nil:
			return false, err
		case out.Save == nil:
			return false, nil
		}
		out, err = c.session.Resume()
	}
}

// sendLater sends to one member without holding up the ceremony for a slow one. The
// ceremony bounds how often that happens.
func (c *ceremony) sendLater(ctx context.Context, to protocol.PeerID, f protocol.DirectFrame) {
	c.senders.Go(func() {
		if err := c.node.sendDirect(ctx, to, f); err != nil && ctx.Err() == nil {
			c.log.Infow("a message could not be sent; the member will pull it", "peer", to, "error", err)
		}
	})
}

// whenSafe returns what is called when a signature is on disk, or its coordinator has it
// there: only then nothing can lose it.
func (c *ceremony) whenSafe() func() {
	settled, log, took := c.settled, c.log, time.Since(c.began)
	return func() {
		settled()
		log.Infow("session completed", "duration", took)
	}
}

// commit makes durable what an output wants to be saved, and returns the outcome if
// this is the end. A key's is saved with its share; a signature is told first.
func (c *ceremony) commit(ctx context.Context, out protocol.Output) (*pendingOutcome, error) {
	var (
		outcome *pendingOutcome
		records []keystore.Record
	)
	if out.Done != nil {
		told := protocol.Outcome{SID: c.sid, Record: protocol.SignRecord(c.node.cfg.Host, *out.Done)}
		outcome = newPending(c.spec.Coordinator, told)
		if out.Save == nil {
			outcome.unwritten, outcome.settled = true, c.whenSafe()
			return outcome, nil
		}
		record, err := c.node.outcomes.record(c.spec.Coordinator, &told)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	if out.Save != nil {
		return outcome, c.node.save(ctx, out.Save, records...)
	}
	return nil, nil
}
