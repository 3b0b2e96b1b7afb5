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
//	a watched turn has ended  it was cancelled before it ran: no code of ours has seen that
//	a submission was decided  the portal may have refused it
//	the timer                 a partial batch is due; a full portal is to be tried again
//	Shutdown                  a partial batch is due

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
	over bool   // it has done, or will never do, what it is for
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
		handling = true
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
	q.mu.Lock()
	t.over = true
	if q.active == t {
		q.active = nil
	}
	q.notify()
	do := q.check()
	q.unlock()
	do.run(ctx)
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

// A deed is what check has decided on, to be done once mu is released; nil: nothing.
type deed func(ctx context.Context)

func (do deed) run(ctx context.Context) {
	if do != nil {
		do(ctx)
	}
}

// check decides what must be done so that the values that wait will be handled. It needs mu.
func (q *Queue[T]) check() deed {
	if q.ring.len() == 0 {
		if q.ticking {
			q.ticking = false
			q.timer.Stop()
		}
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
		return func(context.Context) {
			t.p.OnDone(func() {
				q.mu.Lock()
				lost := !t.over
				q.watched, t.over = false, true
				do := q.check()
				q.unlock()
				if lost {
					t.p.Result() // it is seen to, so hop need not report that nobody looked
				}
				do.run(q.ctx)
			})
		}
	}
	if d := q.dueIn(); d > 0 {
		if !q.ticking {
			q.after(d)
		}
		return nil
	}
	q.inflight++
	n := q.ring.last
	return func(ctx context.Context) { q.submit(ctx, n) }
}

// retryAfter is how long to wait before a portal is asked again to take values that Put has accepted.
const retryAfter = 10 * time.Millisecond

// submit submits a turn for values that have none. q.inflight counts it.
func (q *Queue[T]) submit(ctx context.Context, n uint64) {
	t := q.newTurn(q.ctx, n)
	err := q.submitTurn(t, 0)
	if errors.Is(err, hop.ErrStopped) && hop.CurrentCall(ctx) != nil {
		t, err = q.submitFrom(ctx, n, 0)
	}
	flushed := errors.Is(err, hop.ErrStopped) && q.flushComes()
	q.mu.Lock()
	q.inflight--
	switch {
	case err == nil:
		q.accepted(t)
	case errors.Is(err, hop.ErrFull), flushed && (q.flusher == nil || q.flusher != hop.CurrentCall(ctx)):
		q.after(retryAfter)
		q.notify()
		q.unlock()
		return
	default:
		q.mu.Unlock()
		q.fail(err)
		return
	}
	do := q.check()
	q.unlock()
	do.run(ctx)
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
		q.ticking = false
		do := q.check()
		q.unlock()
		do.run(q.ctx)
	})
}
