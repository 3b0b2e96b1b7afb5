package queue

// Turns: how values come to be handled on the portal.
//
// A turn is a call on the portal. While it runs it takes values off the ring and hands them to the function; q.active is
// the one that does so, so that one value at a time is handled. A turn that starts while another is active ends at once.
//
// On a loop, a queue of single values submits a turn for each value: that gives the value its place in the loop's own
// queue. A turn allows the values up to its own; if it finds another turn active (because the function waits), that one goes on
// to handle them. Elsewhere, and for batches, one turn handles all that is there, and another is submitted only when none
// runs or waits to run.
//
// What must never happen is that values wait and nothing will come to handle them. check decides under mu whether that is
// so and what to do; it is called after whatever may have brought it about:
//
//	a turn has ended          it was cancelled from outside, its function ended the goroutine, its portal stopped
//	a watched turn has ended  it was cancelled or failed before it ran: no code of ours has seen that
//	a submission was decided  the portal may have refused it
//	the timer                 a partial batch is due; a portal is to be tried again
//	Shutdown                  a partial batch is due
//
// Nor must a portal be asked without end, on the stack or as fast as it can answer, that takes turns and runs none: it is another way to say no.
//
//	Submit returns an error, or fails the turn   it is refused: Put returns the error; what Put has taken already is dropped
//	a turn fails later                           another is submitted at once; if that is no better, it is refused
//	hop.ErrFull is why                           after a rest another is submitted
//	a turn was cancelled                         so too; but if hop.ErrStopped is why, it is as one that has failed
//
// A turn that was cancelled just when it ran, and has handled nothing, is as one that did not run; its first time as one that has failed.

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
)

// A turn and its call. over is guarded by q.mu. It follows the state of the call, later by a moment, and is asked in its
// place: to ask a call can end it and run its OnDone functions, which must not happen under mu.
type turn[T any] struct {
	q    *Queue[T]
	p    *hop.Pending[struct{}]
	n    uint64 // the values up to this number may be handled
	ran  bool   // its function has begun
	over bool   // it has done, or will never do, what it is for
	did  bool   // it has handled something
}

// pending tells whether t may still run. It needs mu.
func (t *turn[T]) pending() bool { return t != nil && !t.over }

// eachItsTurn tells whether each value has a turn of its own.
func (q *Queue[T]) eachItsTurn() bool { return q.loop != nil && q.batch == nil }

func (q *Queue[T]) newTurn(ctx context.Context, n uint64) *turn[T] {
	q.checkMade() // here, so that most Puts are without it
	if !q.eachItsTurn() {
		n = math.MaxUint64
	}
	t := &turn[T]{q: q, n: n}
	t.p = hop.New(ctx, t.run, q.calls...)
	return t
}

// accepted notes that the portal has taken t. It needs mu.
func (q *Queue[T]) accepted(t *turn[T]) {
	if q.last == nil || t.n >= q.last.n {
		q.last = t
		q.notify()
	}
}

// run is the function of the call.
func (t *turn[T]) run(ctx context.Context) (none struct{}, _ error) {
	q := t.q
	q.mu.Lock()
	q.allowed = max(q.allowed, t.n)
	t.ran = true
	if q.active != nil {
		t.over = true
		q.mu.Unlock()
		return
	}
	q.active = t
	q.notify()
	q.unlock()
	defer t.end(ctx)

	handling := false
	defer func() {
		if handling {
			// The function neither returned nor panicked: it ended its goroutine, and nothing more can run here.
			t.p.OnDone(func() { t.p.Result() }) // OnError is told, so hop need not report that nobody looked
			q.opts.OnError(q.error(hop.ErrGoexit, ""))
		}
	}()
	// The context of a call that was cancelled, by the stop of its portal or from outside, is of no use to the next value:
	// end sees to that one.
	for again := false; ctx.Err() == nil; again = true {
		if again && q.loop != nil {
			q.mu.Lock()
			ready := q.ready()
			q.mu.Unlock()
			if !ready {
				return
			}
			hop.Yield(ctx) // the others on the loop wait too
			if ctx.Err() != nil {
				return
			}
		}
		q.mu.Lock()
		if !q.ready() {
			q.mu.Unlock()
			return
		}
		handling, t.did = true, true
		err := q.handle(ctx)
		handling = false
		if err != nil {
			q.opts.OnError(err)
		}
	}
	return
}

// end is when t does no more. Its call, of ctx, is not over yet: a portal that shuts down takes the next turn from that.
func (t *turn[T]) end(ctx context.Context) {
	q := t.q
	var why error
	var again bool
	if !t.did && ctx.Err() != nil {
		why = reason(context.Cause(ctx))
		again = q.triesAgain(ctx, why)
	}
	q.mu.Lock()
	t.over = true
	if q.active == t {
		q.active = nil
	}
	q.notify()
	var do deed
	if why != nil {
		do = q.lost(why, again && q.failed) // first from here: from a call of its own a portal that shuts down still takes one
	} else {
		q.resting, q.failed = false, false // the portal runs what it takes
		do = q.check()
	}
	q.unlock()
	do.run(ctx)
}

// errAgain is why a turn did not run that was cancelled, but not by the stop of its portal.
var errAgain = errors.New("hop: queue: a turn was cancelled before it ran")

// reason is why a turn that was cancelled because of cause did not run.
func reason(cause error) error {
	if errors.Is(cause, hop.ErrStopped) {
		return cause
	}
	return errAgain
}

// unrun is why t, whose call has ended, never ran, if that is so.
func (t *turn[T]) unrun() error {
	_, err := t.p.Result() // it is seen to, so hop need not report that nobody looked
	if t.p.Call().State() == hop.Cancelled {
		return reason(err)
	}
	return err
}

// triesAgain tells whether a portal that did not run a turn because of why is to be asked again after a rest, by who has ctx.
func (q *Queue[T]) triesAgain(ctx context.Context, why error) bool {
	switch {
	case why == nil:
		return false
	case why == errAgain || errors.Is(why, hop.ErrFull):
		return true
	case errors.Is(why, hop.ErrStopped) && q.flushComes():
		by := hop.CurrentCall(ctx)
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.flusher == nil || q.flusher != by
	}
	return false
}

// gone is told that the call of t has ended, and why t never ran if it did not. It needs mu.
func (q *Queue[T]) gone(t *turn[T], why error, again bool) deed {
	lost := !t.ran && !t.over
	t.over = true
	if q.active == t {
		q.active = nil // its loop has no driver any more, and the function stays where it waits
		q.notify()
	}
	if lost {
		return q.lost(why, again)
	}
	return q.check()
}

// lost decides what becomes of the values that wait when the portal has taken a turn and did not run it. It needs mu.
func (q *Queue[T]) lost(why error, again bool) deed {
	if again || q.failed || q.cared() {
		return q.refused(why, again)
	}
	q.failed = true
	q.resting = false
	return q.check()
}

// refused decides what becomes of the values that wait when the portal does not run a turn for them. It needs mu.
func (q *Queue[T]) refused(why error, again bool) deed {
	switch {
	case q.cared():
		return q.check()
	case !again:
		return func(context.Context) deed {
			q.fail(why)
			return nil
		}
	}
	q.after(retryAfter)
	q.resting = true
	q.notify() // OnShutdown need not rest
	return nil
}

// cared tells whether no value waits, or another turn comes for those that do. It needs mu.
func (q *Queue[T]) cared() bool {
	return q.ring.len() == 0 || q.active != nil || q.inflight > 0 || q.last.pending()
}

// ready tells whether a value or a batch may be handled now. It needs mu.
func (q *Queue[T]) ready() bool {
	if q.ring.len() == 0 {
		return false
	}
	if q.batch != nil {
		return q.due()
	}
	n, _ := q.ring.first()
	return n <= q.allowed
}

// due tells whether the values that wait are to be handled at once, which only a partial batch is not. It needs mu.
func (q *Queue[T]) due() bool { return q.dueIn() <= 0 }

func (q *Queue[T]) dueIn() time.Duration {
	n := q.ring.len()
	if q.opts.BatchWait == 0 || q.ending || n == 0 ||
		q.opts.BatchSize > 0 && n >= q.opts.BatchSize || q.opts.Limit > 0 && n >= q.opts.Limit {
		return 0
	}
	_, at := q.ring.first()
	return at + q.opts.BatchWait - time.Since(q.made)
}

// handle hands the next value or batch to the function and returns its error; a panic is one. It is entered with mu held,
// and releases it.
func (q *Queue[T]) handle(ctx context.Context) (err error) {
	var v T
	var vs []T
	if q.batch == nil {
		v = q.ring.pop()
	} else {
		n := q.ring.len()
		if q.opts.BatchSize > 0 {
			n = min(n, q.opts.BatchSize)
		}
		vs = make([]T, n)
		for i := range vs {
			vs[i] = q.ring.pop()
		}
	}
	q.grant()
	q.unlock()
	defer func() {
		if r := recover(); r != nil {
			err = &hop.PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	if q.batch == nil {
		return q.one(ctx, v)
	}
	return q.batch(ctx, vs)
}

// A deed is what check has decided on, to be done once mu is released; nil: nothing. It returns the next.
type deed func(ctx context.Context) deed

func (do deed) run(ctx context.Context) {
	for do != nil {
		do = do(ctx)
	}
}

// check decides what must be done so that the values that wait will be handled. It needs mu.
func (q *Queue[T]) check() deed {
	if q.ring.len() == 0 {
		q.noTick()
		return nil
	}
	if q.active != nil || q.inflight > 0 {
		return nil // who is active, or in flight, checks again
	}
	if q.last.pending() {
		if q.watched {
			return nil
		}
		q.watched = true
		t := q.last
		return func(context.Context) deed {
			t.p.OnDone(func() {
				var why error
				again := false
				q.mu.Lock()
				if !t.ran && !t.over {
					q.mu.Unlock()
					why = t.unrun()
					again = q.triesAgain(q.ctx, why)
					q.mu.Lock()
				}
				q.watched = false
				do := q.gone(t, why, again)
				q.unlock()
				do.run(q.ctx)
			})
			return nil
		}
	}
	if d := q.dueIn(); d > 0 {
		if !q.ticking {
			q.after(d)
		}
		return nil
	}
	if q.resting {
		return nil
	}
	q.inflight++
	n := q.ring.last
	return func(ctx context.Context) deed { return q.submit(ctx, n) }
}

// checkAs is check by who has call by: that of OnShutdown may find its turn taken where others did not, and need not rest. It needs mu.
func (q *Queue[T]) checkAs(by *hop.Call) deed {
	if by != nil && by == q.flusher {
		q.resting = false
	}
	return q.check()
}

// retryAfter is how long to wait before a portal is asked again to take values that Put has accepted.
const retryAfter = 10 * time.Millisecond

// submit submits a turn for values that have none, and returns what is to be done then. q.inflight counts it.
func (q *Queue[T]) submit(ctx context.Context, n uint64) deed {
	t := q.newTurn(q.ctx, n)
	err := q.submitTurn(t, 0)
	if errors.Is(err, hop.ErrStopped) && hop.CurrentCall(ctx) != nil {
		t, err = q.submitFrom(ctx, n, 0)
	}
	again := q.triesAgain(ctx, err)
	q.mu.Lock()
	defer q.unlock()
	q.inflight--
	if err != nil {
		return q.refused(err, again)
	}
	q.accepted(t)
	return q.check()
}

// submitFrom submits a turn as a call of who asks for it: a loop that shuts down still takes what its own unfinished calls start. That is all the turn has
// from there: the function's context is the queue's own.
func (q *Queue[T]) submitFrom(ctx context.Context, n, put uint64) (*turn[T], error) {
	t := q.newTurn(inside.Bare(ctx), n)
	stop := context.AfterFunc(q.ctx, func() { t.p.Cancel(context.Cause(q.ctx)) })
	t.p.OnDone(func() { stop() })
	err := q.submitTurn(t, put)
	if err != nil {
		stop() // it will never be done
	}
	return t, err
}

// flushComes tells whether the queue's loop has still to call OnShutdown, if it has not yet: until it has stopped.
func (q *Queue[T]) flushComes() bool {
	if q.loop == nil || q.batch == nil {
		return false
	}
	select {
	case <-q.loop.Stopped():
		return false
	default:
		return true
	}
}

// after has the values checked on in d. It needs mu.
func (q *Queue[T]) after(d time.Duration) {
	q.ticking = true
	if q.timer != nil {
		q.timer.Reset(d)
		return
	}
	q.timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		q.ticking, q.resting = false, false
		do := q.check()
		q.unlock()
		do.run(q.ctx)
	})
}

// noTick takes after back. It needs mu.
func (q *Queue[T]) noTick() {
	q.resting = false
	if q.ticking {
		q.ticking = false
		q.timer.Stop()
	}
}
