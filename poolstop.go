package hop

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/gohop/hop/internal/mailbox"
	"github.com/gohop/hop/internal/turn"
)

// Shutdown stops the pool in order: it accepts no more, but what its unfinished calls still start with their ctx;
// everything that was accepted is finished; calls of After that are not due are cancelled. Shutdown waits for the end. If
// ctx ends first, the rest is cancelled, and Shutdown returns at once with an error that is ctx's and says how many calls that
// were. It may be called many times, from anywhere; from a call that the pool would wait for it starts the stop and returns
// ErrDeadlock. Functions of abandoned calls are not waited for.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.check()
	if ctx == nil {
		misuse("nil context")
	}
	if p.shared {
		return refuse(ErrProtected, "%v is shared by the whole process", p)
	}
	p.beginStop(graceful)
	err := p.awaitEnd(ctx)
	if err == errNeeded {
		return refuse(ErrDeadlock, "Shutdown of %v is called by what it would wait for; the stop has begun", p)
	}
	if err == nil || ctx.Err() == nil {
		return err
	}
	n := p.unfinished()
	p.beginStop(hard)
	return refuse(endedWait("the shutdown", ctx), "shutdown of %v: %s: %v", p, count(n, "call was cancelled", "calls were cancelled"), causeOf(ctx))
}

// Close stops the pool as Shutdown does, but cancels everything first: calls end with a [CancelError] whose cause is
// ErrStopped. It returns when the functions that run have returned, but for abandoned ones; see [Loop.Close].
func (p *Pool) Close() error {
	p.check()
	if p.shared {
		return refuse(ErrProtected, "%v is shared by the whole process", p)
	}
	p.beginStop(hard)
	if err := p.awaitEnd(context.Background()); err != errNeeded {
		return err
	}
	return refuse(ErrDeadlock, "Close of %v is called by what it would wait for; the stop has begun", p)
}

func (p *Pool) awaitEnd(ctx context.Context) error {
	if p.stoppers.here() && !p.ended.IsSet() {
		return errNeeded
	}
	return awaitEnd(ctx, p.ended, p.needs, p.eachKept)
}

// beginStop raises what is asked for.
func (p *Pool) beginStop(to stopLevel) {
	turn.At(turn.Stop, p)
	p.mu.Lock()
	if p.stop >= to {
		p.mu.Unlock()
		return
	}
	p.stop = to
	if to == hard {
		p.closing.Store(true)
	}
	p.queue.Raise(told)
	// Maps have no order, but what is told first matters to those who are told: it is always the same.
	cancel := slices.SortedFunc(maps.Keys(p.delayed), func(a, b *Call) int { return cmp.Compare(p.delayed[a].n, p.delayed[b].n) })
	for _, d := range p.delayed {
		d.timer.Stop()
	}
	clear(p.delayed) // they are cancelled: what is due from now on is not submitted
	type stood struct {
		w   *wait
		seq uint64
	}
	var waits []stood // what begins later, perhaps to clean up after the cancel, goes on
	if to == hard {
		calls, _ := p.unread() // first, so that none of them begins because one that runs has ended by its cancel
		cancel = append(cancel, calls...)
		for _, w := range slices.SortedFunc(maps.Keys(p.all), func(a, b *worker) int { return cmp.Compare(p.all[a], p.all[b]) }) {
			if w.base != nil {
				cancel = append(cancel, w.base)
			}
			cancel = append(cancel, w.fb.calls()...)
			if many := w.fb.wait.onMany.Load(); many == nil || !many.deaf {
				waits = append(waits, stood{&w.fb.wait, w.fb.wait.seq()})
			}
		}
	}
	for _, w := range p.idle {
		w.ch <- item{}
	}
	p.idle = nil
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.step()
	p.mu.Unlock()
	defer known()()
	defer p.stoppers.enter()()
	var later tells
	defer later.tell()
	defer func() {
		for _, s := range waits {
			s.w.wakeAs(s.seq, stopped)
		}
	}()
	later.cancel(cancel, ErrStopped)
}

// step ends the pool if nothing is left of it. It needs mu.
func (p *Pool) step() {
	if p.stop == running || p.stop == finished || p.running > 0 || p.waiting > 0 || p.dues > 0 {
		return
	}
	for w := range p.all {
		if w.place != out {
			return // it is about to end
		}
	}
	if !p.queue.Seal(dead) {
		return // who has sent it is on the way to feed the pool
	}
	p.stop = finished
	p.ended.raise()
}

func (p *Pool) unfinished() int {
	s := p.Stats()
	return s.Running + s.Waiting + s.Queued
}

// mayStillSubmit reports whether a stopping pool accepts c: because a call of the pool that is not finished made it.
func (p *Pool) mayStillSubmit(c *Call) bool {
	for a := anchorOf(c.parent()); a.call != nil; a = anchorOf(a.call.parent()) {
		if !a.call.done() && a.call.Portal() == Portal(p) {
			return true
		}
	}
	return false
}

// takes reports whether what is of level may be submitted. It needs mu.
func (p *Pool) takes(level mailbox.Level) bool {
	return p.stop == running || level == told && p.stop < finished
}

// needs reports whether the end of the pool needs that goroutine: it is one of the workers, and runs no abandoned function.
func (p *Pool) needs(who party) bool {
	if who.fb == nil || who.fb.w == nil || who.fb.w.p != p {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return who.fb.w.place != out
}
