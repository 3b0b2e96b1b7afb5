package collect

// AsCompleted: the iterator, and the rules by which it pulls, yields and waits. What is known of the calls in between is
// in stream.go.

import (
	"context"
	"errors"
	"iter"
	"runtime"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
)

// AsCompleted returns an iterator over the Pendings of calls in the order in which they finish. Each is done when it is
// yielded, so its Result is there at once; one that failed or was cancelled is yielded like any other. Those that are
// done already come first, in the order of calls. The iterator ends when all have been yielded.
//
// Without [MaxConcurrent], calls is pulled to its end at once, before the first is yielded; it must have one. With it,
// calls is pulled only when fewer than n are unfinished and nothing that has finished waits to be yielded: a source that
// starts a call for each pull has never more than n unfinished, and memory is that of n however long it is.
//
// calls runs on the goroutine that ranges, between two yields, and may wait there. A Pending that calls gives again
// before it was yielded is yielded once. With MaxConcurrent one that it gives again after that is yielded again, as nothing is kept of those that
// have been: a source that gives some twice is for a range without. A nil one panics.
//
// Ranging blocks until the next one is done, and its OnDone functions have returned, so what they have noted is there: one of them that waited for the
// loop that ranges would wait for ever. Only those of a call that is done already when calls gives it may still run. On a loop it suspends the task, on a
// pool it gives back the place. It stops
// when ctx ends: what has finished is still yielded, nothing more is pulled (without MaxConcurrent all have been), and the
// iterator ends. The loop that ranges sees that in ctx.Err. It ends in the same way when the place that it runs on is
// stopped (a wait would return hop.ErrStopped), and panics where a wait would return hop.ErrCannotWait.
//
// When the iterator ends early (by break, a return or a panic in the loop, the end of ctx), the calls that it has pulled and
// that are not done are cancelled, in the order of calls, and not waited for; [KeepUnfinished] leaves them running.
//
// It panics with a *hop.DeadlockError when one of calls is the very call that ranges, or when all that are left wait for that one.
//
// Each call costs 0.1 to 0.5 µs and 100 to 140 bytes, some 80 of them while it is held, beside what it costs itself; calls that several iterators
// hold at once, or that come twice, cost more.
//
// The iterator may be ranged over again, which pulls calls again; by several goroutines at once if calls may be. It
// follows as_completed of async-kernel and asyncio.
func AsCompleted[T any](ctx context.Context, calls iter.Seq[*hop.Pending[T]], opts ...Option) iter.Seq[*hop.Pending[T]] {
	if ctx == nil {
		panic("hop: collect.AsCompleted: nil context")
	}
	if calls == nil {
		panic("hop: collect.AsCompleted: nil source")
	}
	var o options
	for _, opt := range opts {
		opt.apply(&o)
	}
	return func(yield func(*hop.Pending[T]) bool) {
		var at [1]uintptr
		runtime.Callers(2, at[:])
		s := newStream[T](at[0])
		defer func() { s.leave(ctx, o.keep) }()
		if o.max > 0 && ctx.Err() != nil {
			return
		}

		// The source is ranged over, not pulled with iter.Pull: that would run it in a coroutine of its own, where its
		// waits would not be those of the task or the worker that ranges.
		for p := range calls {
			s.add(p)
			if o.max == 0 {
				continue
			}
			if !s.flow(ctx, o.max-1, yield) {
				return
			}
			if ctx.Err() != nil {
				s.give(yield) // what has finished since flow has looked
				return
			}
		}
		s.flow(ctx, 0, yield)
	}
}

// flow yields what has finished and waits until at most rest calls are unfinished. It returns false when the iterator is
// to end: the consumer has left, or waiting is over.
func (s *stream[T]) flow(ctx context.Context, rest int, yield func(*hop.Pending[T]) bool) bool {
	for over := false; ; {
		if !s.give(yield) {
			return false
		}
		if over || s.n <= rest {
			return !over
		}
		// What finished just as the wait ended is yielded in the round after it.
		over = s.wait(ctx) != nil
	}
}

// give yields what has finished; false: the consumer has left.
func (s *stream[T]) give(yield func(*hop.Pending[T]) bool) bool {
	for p := s.take(); p != nil; p = s.take() {
		if !yield(p) {
			return false
		}
	}
	return true
}

// wait returns nil when a call has finished since take returned nil, and the reason why it will not wait otherwise.
func (s *stream[T]) wait(ctx context.Context) error {
	if s.stuck() {
		return noCallback(inside.Await(ctx, s.open.next.p.Call())) // which is refused, with the reason
	}
	err := s.sleep(ctx)
	refuseCycle(err)
	return noCallback(err)
}

// stuck tells whether none of the calls can end while this goroutine waits: see inside.NeedsCaller.
func (s *stream[T]) stuck() bool {
	for e := s.open.next; e != &s.open; e = e.next {
		if !inside.NeedsCaller(e.p.Call()) {
			return false
		}
	}
	return true
}

// ended tells whether c is done.
func ended(c *hop.Call) bool {
	switch c.State() {
	case hop.Succeeded, hop.Failed, hop.Cancelled:
		return true
	}
	return false
}

// failed tells whether c is done without success. A timeout cancels the call, so cancelled counts.
func failed(c *hop.Call) bool {
	s := c.State()
	return s == hop.Failed || s == hop.Cancelled
}

// refuseCycle panics if err, a wait's, says that the wait would never end.
func refuseCycle(err error) {
	if d := (*hop.DeadlockError)(nil); errors.As(err, &d) {
		panic(d)
	}
}

// noCallback panics if err, a wait's, says that nothing can wait here. An iterator that just ended would look as if all
// had been yielded.
func noCallback(err error) error {
	if errors.Is(err, hop.ErrCannotWait) {
		panic(err)
	}
	return err
}
