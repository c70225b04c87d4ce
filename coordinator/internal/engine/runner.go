package engine

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// runner is one session from its first attempt to its end.
type runner struct {
	e   *Engine
	id  string
	req registry.NewSession

	durable   chan struct{} // closed when session.created is on disk, or is known not to be
	stillborn bool          // it is not; read after durable is closed

	place     *place                  // at work, or in the queue for it; nil: it waits for people
	presign   *presignature           // taken for the next attempt, and not named yet
	full      bool                    // no presignature is used any more: one has failed
	first     *attempt                // has begun together with the session
	isOurs    bool                    // the session's id was made here
	wary      bool                    // a party was gone that had lately shown itself: all are pinged
	asked     bool                    // the parties of the attempt that is being made were pinged
	crowded   map[protocol.PeerID]int // how often a party had no room
	pause     time.Duration           // before parties are asked again, one of which had no room
	pauses    int
	stuck     func()    // tells who waits that the end cannot be recorded now
	userShare string    // for the delegate of a signing; in memory only
	number    uint32    // of the next attempt
	resumed   *attempt  // to be finished first, after a restart
	quiet     time.Time // before this, a party that is missing may just not be connected yet
	suspects
	restored  bool              // taken up after a restart
	patient   bool              // it has waited for people: it waits for its turn for longer, see PatientTimeout
	begun     *registry.Batch   // the beginning of the last attempt; nil: it is in the log
	spared    int               // attempts that are not counted
	plain     int               // attempts that failed and taught nothing about the parties
	pinned    bool              // no others can take the place of the last attempt's parties
	previous  []registry.Party  // roster of the last attempt
	lastFault *registry.Problem // how the last attempt ended
	timedOut  bool              // the last attempt ran into its deadline
}

// ending is how an attempt ended.
type ending struct {
	done    bool // the session is complete, durably
	stopped bool // the coordinator stops; the session stays open
	ended   bool // a user has cancelled it
	timeout bool
	again   bool            // nobody is at fault and nothing was lost: it is not counted as an attempt
	absent  bool            // a party was gone before the attempt began
	crowded protocol.PeerID // has no room now
	crashed bool            // parties have nothing left of it, as they say, and no other reason is known
	pinned  bool            // keygen: some have saved a share, and take part in no other roster
	final   bool            // keygen: some hold the key, and take part in no other attempt
	problem *registry.Problem
	faults  []registry.PartyProblem // who must not be in the next attempt
	proven  []registry.PartyProblem // who has broken the protocol, which it signed
	pairs   []pair                  // who blames whom
	quits   map[protocol.PeerID]int // who gave up for no reason that it told, and how many say so
	waits   []pair                  // who says of whom that it waits for it
}

func (e *Engine) newRunner(id string, req registry.NewSession) *runner {
	return &runner{e: e, id: id, req: req, durable: make(chan struct{}), number: 1}
}

// run works until the session has ended or ctx has.
func (r *runner) run(ctx context.Context) {
	if r.shareLost() && r.resumed == nil {
		<-r.durable
		r.failWithoutShare()
		return
	}
	switch {
	case r.req.Wait != "":
		<-r.durable
		if r.stillborn || !r.await(ctx) {
			return
		}
	case r.resumed == nil && r.first == nil && !r.takeTurn(ctx): // an attempt that has begun must end, too
		return
	}
	r.attempts(ctx)
}

// shareLost reports whether a signing needs the user's share, which was in the
// memory of an earlier run.
func (r *runner) shareLost() bool { return r.req.Delegate && r.userShare == "" }

func (r *runner) failWithoutShare() {
	r.fail(&registry.Problem{
		Code:   registry.CodeUserShareNeeded,
		Detail: "the coordinator stops or was restarted, and it keeps no user's share: send the request again, with a new Idempotency-Key and request_id if it had them",
	})
}

func (r *runner) attempts(ctx context.Context) {
	ctx, cancel := context.WithDeadline(ctx, r.req.Expires)
	defer cancel()
	if a := cmp.Or(r.resumed, r.first); a != nil {
		end := a.run(ctx)
		<-r.durable
		if r.stillborn {
			r.e.unregister(a)
			a.cancel(registry.CodeStorage)
			a.spend()
			return
		}
		if !r.again(ctx, a, end) {
			return
		}
		if a == r.resumed { // the next one may have been proposed, and not be on record: its number is not used again
			r.number++
			r.spared++
		}
	}
	for r.once(ctx) {
	}
}

// once makes one attempt and reports whether another one is to follow.
func (r *runner) once(ctx context.Context) bool {
	if r.shareLost() {
		r.failWithoutShare()
		return false
	}
	sleep(ctx, r.pause)
	parties, problem := r.find(ctx)
	defer r.unname()
	if lapsed := r.lapsed(); problem == nil && lapsed != nil {
		r.e.unbook(parties)
		parties, problem = nil, lapsed
	}
	<-r.durable
	if recorded := r.isRecorded(); problem == nil && recorded != nil {
		r.e.unbook(parties)
		parties, problem = nil, recorded
	}
	over := ctx.Err() != nil // looked at once: it may be cancelled at any moment
	if over || r.stillborn {
		r.e.unbook(parties)
	}
	switch {
	case r.stillborn, r.e.ctx.Err() != nil:
		return false
	case over && wasCancelled(ctx):
		r.cancelled(ctx)
		return false
	case over:
		late := registry.Problem{Code: registry.CodeSessionTimeout, Detail: "the session did not finish by its deadline"}
		if r.lastFault != nil {
			late.Parties = r.lastFault.Parties
			late.Detail += "; the last attempt: " + r.lastFault.Detail
		}
		r.fail(&late)
		return false
	case problem != nil:
		r.fail(problem)
		return false
	}
	a, problem := r.make(parties)
	if problem != nil {
		r.fail(problem)
		return false
	}
	return r.again(ctx, a, a.run(ctx))
}

// make prepares an attempt with parties that have been booked. After a restart its beginning is on
// disk before it is proposed: the number before it may have been used already.
func (r *runner) make(parties []registry.Party) (*attempt, *registry.Problem) {
	a, err := r.newAttempt(parties)
	if err == nil {
		if err = r.prepare(a); err != nil {
			a.spend()
		}
	}
	if err != nil {
		r.e.unbook(parties)
		log.Errorw("an attempt could not be made", "session", r.id, "error", err)
		return nil, &registry.Problem{Code: registry.CodeInternal, Detail: "the coordinator could not prepare the session: its log tells why"}
	}
	if r.restored {
		r.begun = a.begun
		if problem := r.isRecorded(); problem != nil {
			r.e.unregister(a)
			a.spend()
			return nil, problem
		}
	}
	return a, nil
}

// isRecorded waits until the last attempt's beginning is on disk. Only then the next one is proposed, so
// that after a crash no more than one number can have been used that is not on record (see restore).
func (r *runner) isRecorded() *registry.Problem {
	if r.begun == nil {
		return nil
	}
	if err := r.begun.Wait(); err != nil {
		log.Errorw("an attempt could not be recorded, so that no other one follows", "session", r.id, "error", err)
		return storageProblem()
	}
	return nil
}

// again records how an attempt ended and decides whether there is another one.
func (r *runner) again(ctx context.Context, a *attempt, end ending) bool {
	r.e.unregister(a)
	r.begun = a.begun
	if end.done {
		r.e.handOn(a)
		if a.isPresigned() {
			r.e.stock.served(a)
		}
	}
	if end.done || end.stopped {
		return false
	}
	if end.ended {
		a.cancel(registry.CodeCancelled)
		a.spend()
		r.cancelled(ctx)
		return false
	}
	a.cancel(end.problem.Code)
	log.Infow("attempt failed", "session", r.id, "sid", a.sid.Short(), "attempt", a.spec.Attempt, "code", end.problem.Code, "detail", end.problem.Detail)
	r.e.cfg.Registry.Note(nil, registry.Event{
		Stream: registry.SessionStream(r.id), Type: registry.AttemptFailed,
		Attempt: a.spec.Attempt, SID: a.sid.String(), Code: end.problem.Code, Problem: end.problem, Again: end.again && !a.isPresigned(),
	})
	if a.isPresigned() {
		r.fallBack(a, &end)
		return true
	}
	if !end.again && !r.mayTryAgain(a, &end) {
		r.fail(end.problem)
		return false
	}
	r.spare(&end)
	if end.crowded != "" && r.pauses >= mostBusy {
		r.fail(end.problem)
		return false
	}
	r.number = a.spec.Attempt + 1
	r.previous, r.lastFault, r.timedOut, r.pinned = a.parties, end.problem, end.timeout, end.pinned
	r.exclude(end.faults)
	return true
}

// spare takes note of an attempt that does not count: a party had no room, or was gone
// before it began.
func (r *runner) spare(end *ending) {
	r.pause = 0
	if !end.again {
		return
	}
	r.spared++
	r.wary = r.wary || end.absent
	if end.crowded == "" {
		return
	}
	if r.crowded == nil {
		r.crowded = make(map[protocol.PeerID]int)
	}
	r.crowded[end.crowded]++
	r.pauses++
	r.pause = min(busyFirst<<min(r.pauses-1, 8), busyMost)
	if r.pauses > busySoon {
		r.pause = busyLong
	}
	r.pause += rand.N(r.pause / 2)
}

// mayTryAgain learns from an attempt, and bounds the attempts: maxAttempts, not
// counting those that have shown whom to leave out, nor signings that failed
// without a fault, because other signers may do better (see chooseNow). With those a session has
// no more than mostAttempts.
func (r *runner) mayTryAgain(a *attempt, end *ending) bool {
	learned, doubted := r.learn(end.proven, end.pairs), r.doubt(a.parties, end)
	if s := r.e.cfg.Registry.Session(r.id); s != nil { // proofs of earlier attempts may have come
		learned = r.recall(s) || learned
	}
	if !learned && r.together {
		return false // these have accused each other before, and there are no others
	}
	if !learned && !doubted && (r.req.Kind != protocol.KindSign || len(end.faults) > 0) {
		r.plain++
	}
	return !end.final && r.plain < maxAttempts && int(a.spec.Attempt)-r.spared < r.mostAttempts()
}

// mostAttempts is enough to leave out a party that accuses everybody, or spoils
// each attempt that it is in: as many as the key has members, twice for signings because there
// may be several such parties.
func (r *runner) mostAttempts() int {
	n := max(maxAttempts, r.req.Threshold.N)
	if r.req.Kind == protocol.KindSign {
		return 2 * n
	}
	return n
}

// exclude keeps parties from the next attempt. A user's device that was lost is
// waited for: it may have changed its network, or been started anew.
func (r *runner) exclude(faults []registry.PartyProblem) {
	for _, f := range faults {
		if f.Role == protocol.External && f.Code == protocol.CodeUnreachable {
			r.quiet = time.Now().Add(deviceGrace)
			continue
		}
		r.excluded = append(r.excluded, f)
	}
}

// fail ends the session for good.
func (r *runner) fail(p *registry.Problem) {
	kind := registry.SessionFailed
	if p.Code == registry.CodeSessionTimeout {
		kind = registry.SessionExpired
	}
	r.end(kind, p, nil)
}

func wasCancelled(ctx context.Context) bool {
	var c *cancellation
	return errors.As(context.Cause(ctx), &c)
}

// cancelled ends the session because a user has asked for it.
func (r *runner) cancelled(ctx context.Context) {
	var c *cancellation
	if !errors.As(context.Cause(ctx), &c) {
		return
	}
	r.end(registry.SessionCancelled, &registry.Problem{Code: registry.CodeCancelled, Detail: "the session was cancelled on request"}, &c.meta)
}

// end records how a session ended without a result.
func (r *runner) end(kind registry.Type, p *registry.Problem, meta *registry.Meta) {
	own := *p
	own.Session = r.id
	events := []registry.Event{{Stream: registry.SessionStream(r.id), Type: kind, Code: p.Code, Problem: &own}}
	if meta != nil {
		events[0].Actor, events[0].Idem = meta.Actor, meta.Idem
	}
	if r.req.Kind == protocol.KindKeygen {
		events = append(events, registry.Event{
			Stream: registry.AccountStream(r.req.Account), Type: registry.AccountFailed, Code: p.Code, Problem: &own,
		})
	}
	r.record(events...)
	log.Warnw("session ended without a result", "session", r.id, "kind", r.req.Kind, "account", r.req.Account, "code", p.Code, "detail", p.Detail)
}

// record makes events durable, however often that takes: a session whose end is
// not recorded would have nobody who looks after it. It is false if the
// coordinator stops before; the session is taken up again at the next start.
func (r *runner) record(events ...registry.Event) bool {
	for pause := recordFirst; ; pause = min(2*pause, recordMost) {
		err := r.e.cfg.Registry.Append(events...)
		if err == nil {
			return true
		}
		log.Errorw("what became of a session could not be recorded; trying again", "session", r.id, "event", events[0].Type, "pause", pause, "error", err)
		if r.stuck != nil {
			r.stuck()
		}
		if !sleep(r.e.ctx, pause) {
			return false
		}
	}
}
