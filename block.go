package hop

import (
	"context"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// How a wait blocks once it has begun: a task is suspended, a goroutine receives from a channel, and both give back the places that they have. wait.go says
// what ends it.

// block waits until the wait is ended, and says by what. ctx ends it.
func (w *wait) block(ctx context.Context) phase {
	turn.At(turn.Block, w)
	if fb := w.fb; fb != nil && fb.hasPlaces() {
		w.blockAside(ctx)
	} else {
		w.blockHere(ctx)
	}
	turn.At(turn.Resume, w)
	return phase(w.state.Load() & phaseMask)
}

// blockTask is block in a task. Most have no places, and wait with the context of their call or with one that never ends: for these it does without
// what stands between, see suspend.
func (w *wait) blockTask(ctx context.Context) phase {
	if w.limit.Load() != nil || w.fb.hasPlaces() {
		return w.block(ctx)
	}
	turn.At(turn.Block, w)
	w.endWithCall()
	w.co.s.suspend(w.co)
	turn.At(turn.Resume, w)
	return phase(w.state.Load() & phaseMask)
}

// blockAside is blockHere on a goroutine whose calls have places in groups, which they give back meanwhile.
func (w *wait) blockAside(ctx context.Context) {
	w.fb.stepAside()
	defer w.fb.stepBack()
	w.blockHere(ctx)
}

func (w *wait) blockHere(ctx context.Context) {
	l := w.limit.Load()
	switch {
	case w.co != nil && l != nil:
		w.suspendUnder(l)
	case w.co != nil:
		w.endWithCall()
		w.co.s.suspend(w.co)
	case w.fb != nil && w.fb.w != nil && !bug.KeepsPlace:
		w.fb.w.stepAside()
		if w.fb.w.p.closing.Load() && !w.carriesCall(ctx, l) { // a Close came after the look at it, and perhaps before the wait stood
			w.wakeAs(w.seq(), stopped)
		}
		w.blockGoroutine(l)
		w.fb.w.stepBack()
	default:
		w.blockGoroutine(l)
	}
}

// carriesCall reports whether ctx, which l belongs to, is a call's or derived from one.
func (w *wait) carriesCall(ctx context.Context, l *waitLimit) (carries bool) {
	if w.fb.cur.Load() == nil {
		return false
	}
	if l != nil {
		return l.above != nil
	}
	defer func() {
		if !carries {
			recover() // a user's context, as one that never ends
		}
	}()
	return w.bound.Load() != nil || CurrentCall(ctx) != nil
}

// suspendUnder suspends the task until it is resumed, or the context that l is for ends.
func (w *wait) suspendUnder(l *waitLimit) {
	if l.group != nil {
		n := &endNode{w: w, seq: w.seq()}
		l.group.addEnd(n)
		defer l.group.dropEnd(n)
	} else if l.ended.Load() {
		w.wakeAs(l.seq, ended)
	}
	w.co.s.suspend(w.co)
}

// An endNode is the place of a wait in the list of those that end with a group's context.
type endNode struct {
	node waitlist.Node
	w    *wait
	seq  uint64
}

func (n *endNode) Wake() bool { return n.w.wakeAs(n.seq, ended) }

// endWithCall has the wait end with the call that it is bound to, where it has no other limit. This, the usual case, costs no registration: the call's
// cancel looks here.
func (w *wait) endWithCall() {
	if c := w.bound.Load(); c != nil && c.has(flagCancel) && !bug.MissesEnd {
		w.wakeAs(w.seq(), ended)
	}
}

// blockGoroutine blocks the goroutine in a channel, if the answer does not come before; see spin.go.
func (w *wait) blockGoroutine(l *waitLimit) {
	if w.hope != nil && w.linger() {
		return
	}
	if w.ch == nil {
		w.ch = make(chan struct{}, 1)
	}
	var done chan0
	switch {
	case l == nil:
		w.endWithCall()
		if c := w.bound.Load(); c != nil && c.unwatched() {
			c.watchQuietly()
		}
	case l.group != nil:
		done = l.group.ctx.Done()
	default:
		done = l.done
	}
	var due <-chan time.Time
	if w.alarm != nil {
		due = w.alarm.C
	}
	for {
		turn.Race(w)
		old := w.state.Load()
		switch phase(old & phaseMask) {
		case poked:
			if w.pump == nil && w.server == nil {
				return
			}
			// Armed again first: what is sent while it runs what was sent must poke again.
			if w.state.CompareAndSwap(old, old&^phaseMask|uint64(armed)) {
				turn.At(turn.Resume, w)
				w.runSent()
			}
			continue
		case armed:
			if !w.state.CompareAndSwap(old, old&^phaseMask|uint64(blocked)) {
				continue
			}
		default:
			return
		}
		if done == nil && due == nil {
			<-w.ch
			continue
		}
		// Whoever takes the wait out of blocked, one of these lines or another goroutine, sends once.
		select {
		case <-w.ch:
		case <-done:
			w.wakeAs(w.seq(), ended)
			if bug.LeavesToken {
				return
			}
			<-w.ch
		case <-due:
			w.wakeAs(w.seq(), woken)
			<-w.ch
		}
	}
}
