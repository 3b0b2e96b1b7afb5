package hop

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/gohop/hop/internal/each"
)

// What a Waiter has accepted is finished before Wait returns, also when the wait is over sooner: on a plain goroutine by that goroutine itself, on a task by
// its loop. A wait of one of these calls for what the goroutine runs below could never end, so it is that wait which is refused, and not the Waiter's.

// eachKid yields the calls that were accepted and are not done.
func (w *Waiter) eachKid(yield func(*Call) bool) {
	w.mu.Lock()
	kids := w.kidsInOrder()
	w.mu.Unlock()
	for _, c := range kids {
		if !yield(c) {
			return
		}
	}
}

// kidsInOrder needs mu.
func (w *Waiter) kidsInOrder() []*Call {
	return slices.SortedFunc(maps.Keys(w.kids), func(a, b *Call) int { return cmp.Compare(w.kids[a], w.kids[b]) })
}

// eachWaited yields what the goroutine that waits finishes before Wait returns: those, and what else it runs, as the functions of abandoned calls and
// what was sent here by another Waiter's wait.
func (w *Waiter) eachWaited(yield func(*Call) bool) {
	seen := map[*Call]bool{nil: true}
	each := func(c *Call) bool {
		if seen[c] {
			return true
		}
		seen[c] = true
		return yield(c)
	}
	for c := range w.eachKid {
		if !each(c) {
			return
		}
	}
	var calls []*Call
	w.s.coros.each(func(co *coro) { calls = append(calls, co.calls()...) })
	for _, c := range calls {
		if !each(c) {
			return
		}
	}
}

// awaitKids waits, on a task, for what its loop runs for the Waiter. When ctx is over, or at once if cancel, it is cancelled first.
func (w *Waiter) awaitKids(ctx context.Context, pc uintptr, cancel bool) {
	var kids []*Call
	if cancel {
		kids = w.takeNoMore(ctx)
		cancelFor(ctx, kids)
	} else {
		kids = slices.Collect(w.eachKid)
	}
	for i, k := range kids {
		if !cancel && w.awaitKid(ctx, pc, k) == ended {
			cancel = true
			w.takeNoMore(ctx)
			cancelFor(ctx, kids[i:])
		}
		if cancel {
			w.awaitKid(context.WithoutCancel(ctx), pc, k)
		}
		k.unseen()
	}
}

// awaitKid waits for k, which was accepted and runs on the caller's loop, and says what has ended that: k's end or ctx's. If one of those accepted waits for
// what the caller runs, it is that wait which is refused.
func (w *Waiter) awaitKid(ctx context.Context, pc uintptr, k *Call) phase {
	fb := self()
	for !k.settled() {
		if errors.Is(fb.canWait(ctx), ErrCannotWait) {
			return woken // it is finished later
		}
		k.watch()
		wt := prepare(fb, ctx, pc)
		wt.onMany.Store(&manyWait{each: w.eachKid, deaf: true, of: ofWaiter})
		if !k.list(wt) {
			wt.abort()
			break
		}
		lookAgain()
		refuseStuck(w.kidFibers)
		why := wt.block(ctx)
		k.unlist(wt)
		wt.finish()
		if why == ended {
			return ended
		}
	}
	return woken
}

// kidFibers yields the goroutines that run those that were accepted.
func (w *Waiter) kidFibers(yield func(*fiber) bool) {
	for k := range w.eachKid {
		if fb := k.fb.Load(); fb != nil && !yield(fb) {
			return
		}
	}
}

// settle runs what was accepted to its end, on the calling goroutine, whose wait for the call has ended. When ctx is over, or
// at once if cancel, it is cancelled first.
func (w *Waiter) settle(ctx context.Context, pc uintptr, cancel bool) {
	fb := self()
	w.mu.Lock()
	w.w, w.fb = nil, fb
	w.mu.Unlock()
	if cancel {
		w.cancelKids(ctx)
	}
	for {
		w.s.drive()
		if w.s.tasks == 0 {
			break
		}
		bound := ctx
		if cancel {
			if bound = context.WithoutCancel(ctx); fb != nil && fb.cur.Load() != nil {
				bound = context.WithoutCancel((*callContext)(fb.cur.Load())) // the goroutine's place may be stopping: it carries its call
			}
		}
		wt := begin(fb, bound, pc)
		w.attach(wt)
		if fb != nil {
			refuseStuck(w.s.waiting) // one of them may wait for what runs below, which cannot go on before it
		}
		why := wt.block(bound)
		w.detach()
		wt.finish()
		if !cancel && (why == ended || why == stopped) {
			cancel = true
			w.cancelKids(ctx)
		}
	}
	w.s.endIdle()
	w.s.stopAlarm()
	w.s.closing.Store(false)
}

// awaitLeft waits for what a loop still runs of what was accepted, as a Wait of one of its tasks was refused.
func (w *Waiter) awaitLeft(ctx context.Context, pc uintptr) {
	for _, k := range slices.Collect(w.eachKid) {
		if k.await(ctx, pc) != nil {
			cancelFor(ctx, []*Call{k})
			k.await(context.WithoutCancel(ctx), pc)
		}
		k.unseen()
	}
}

// cancelKids cancels what was accepted, on the goroutine that runs it, and ends its waits.
func (w *Waiter) cancelKids(ctx context.Context) {
	var later tells
	defer later.tell()
	later.cancelFor(ctx, w.takeNoMore(ctx))
	w.s.closing.Store(true)
	for c := range w.s.coros.suspended { // those that do not heed their context; at once, so that waits which they begin after the cancel go on
		c.wait.wakeAs(c.wait.seq(), stopped)
	}
}

// takeNoMore has what is submitted from now on cancelled, until Wait returns, and returns what was accepted before: each is one or the other.
func (w *Waiter) takeNoMore(ctx context.Context) []*Call {
	cause := causeOf(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuseLocked(cause)
	return w.kidsInOrder()
}

func (w *Waiter) refuseLocked(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	if w.over == nil {
		w.over = cause
	}
}

// cancelFor cancels the calls of one whose wait has ended, because ctx has or for another reason.
func cancelFor(ctx context.Context, calls []*Call) {
	var later tells
	defer later.tell()
	later.cancelFor(ctx, calls)
}

func (t *tells) cancelFor(ctx context.Context, calls []*Call) {
	cause := causeOf(ctx) // nil: context.Canceled
	defer asking.enter()()
	each.Do(calls, func(k *Call) { k.ask(cause, 0, t) })
}
