package queue

// The end of a queue: Shutdown, Close, and a portal that stops under it.

import (
	"context"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/each"
)

// Shutdown takes no more values, has those that wait handled (a partial batch at once) and returns nil when all have been:
// handled, not merely taken off the queue. Puts that wait for room end with hop.ErrStopped.
//
// It blocks as [hop.Pending.Wait] does, so a task of the loop that the queue is on may shut it down. It may be called many
// times and from many goroutines. Called from the queue's own function, or from what that waits for, it starts the end and
// returns a *hop.DeadlockError instead of waiting for its caller.
//
// When ctx ends first, the error is ctx.Err() and says how many values were left; the queue goes on with them, and
// Shutdown may be called again to wait on, or Close to drop them. When values had to be dropped because the portal had
// stopped or Close was called, the error is hop.ErrStopped. It follows drain of Prefect's services.
func (q *Queue[T]) Shutdown(ctx context.Context) error {
	if ctx == nil {
		panic("hop: queue: Shutdown with a nil context")
	}
	q.checkMade()
	by := hop.CurrentCall(ctx)
	q.mu.Lock()
	q.ending = true
	q.refuseAll()
	do := q.checkAs(by)
	q.unlock()
	do.run(ctx)
	if err := q.wait(ctx); err != nil {
		return err
	}
	q.cancel(hop.ErrStopped) // nothing runs with it; whoever holds on to it is to know
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// Close takes no more values, gives those that wait to OnDrop, cancels the context of the function if it runs, with a cause that is
// hop.ErrStopped, and returns nil when the function has returned. It may be called many times, from many goroutines, and
// after Shutdown. Called from the queue's own function, or from what that waits for in spite of its context, it does all but wait and returns
// a *hop.DeadlockError. It blocks as [hop.Pending.Wait] does. It follows queue_close of async-kernel.
func (q *Queue[T]) Close() error {
	q.checkMade()
	q.drop(nil, "was closed")
	return q.wait(context.Background())
}

// fail ends a queue whose portal takes no more.
func (q *Queue[T]) fail(err error) { q.drop(err, "lost its portal") }

// drop ends the queue: values that wait go to OnDrop, the function's context is cancelled. cause is why, if it was not
// asked for; what says it in words.
func (q *Queue[T]) drop(cause error, what string) {
	q.mu.Lock()
	q.ending = true
	vs := q.ring.all()
	if len(vs) > 0 && q.err == nil {
		if cause == nil {
			cause = hop.ErrStopped
		}
		q.err = q.error(cause, what+", "+count(len(vs), "value was dropped", "values were dropped"))
	}
	q.noTick()
	q.refuseAll()
	q.notify()
	q.unlock()
	q.cancel(q.error(hop.ErrStopped, what))
	each.Do(vs, func(v T) { q.opts.OnDrop(v) })
}

// loopEnds is OnShutdown of the queue's loop: the last moment for what waits.
func (q *Queue[T]) loopEnds(ctx context.Context) error {
	q.mu.Lock()
	q.flusher = hop.CurrentCall(ctx)
	idle := q.ring.len() == 0 && q.active == nil
	q.mu.Unlock()
	err := q.Shutdown(ctx)
	if idle {
		return nil // an error is of what was lost before, and known
	}
	return err
}

// wait waits until no value waits and none is being handled.
func (q *Queue[T]) wait(ctx context.Context) error {
	by := hop.CurrentCall(ctx)
	for {
		q.mu.Lock()
		if q.left() == 0 {
			q.mu.Unlock()
			return nil
		}
		// Waiting for the call itself, where there is one, makes the wait an edge of hop's wait graph: a function that
		// waits for its own queue to end is found, however many calls are in between.
		var t *turn[T]
		var changed *hop.Event
		if q.active != nil {
			t = q.active
		} else if q.last.pending() {
			t = q.last
		} else {
			if q.changed == nil {
				q.changed = new(hop.Event)
			}
			changed = q.changed
		}
		q.mu.Unlock()

		var err error
		if changed != nil {
			if err = changed.Wait(ctx); err == nil {
				q.mu.Lock()
				do := q.checkAs(by) // what another could not submit, OnShutdown may
				q.unlock()
				do.run(ctx)
			}
		} else if _, err = t.p.Wait(ctx); t.p.Call().State().Done() {
			why := t.unrun() // which is the call's own error, and perhaps err
			again := q.triesAgain(ctx, why)
			err = nil
			q.mu.Lock()
			do := q.gone(t, why, again)
			q.unlock()
			do.run(ctx)
		}
		if err != nil {
			q.mu.Lock()
			left := q.left() // by now
			q.mu.Unlock()
			if left == 0 {
				return nil
			}
			return q.error(err, "has "+count(left, "value", "values")+" to handle")
		}
	}
}

// left returns how many values wait or are being handled, a batch counting as one. It needs mu.
func (q *Queue[T]) left() int {
	n := q.ring.len()
	if q.active != nil {
		n++
	}
	return n
}
