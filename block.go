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
	if w.fb.hasPlaces() || !w.bind(ctx) && ctx.Done() != nil {
		return w.block(ctx)
	}
	turn.At(turn.Block, w)
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
	switch {
	case w.co != nil:
		if w.bind(ctx) || ctx.Done() == nil {
			w.co.s.suspend(w.co)
		} else {
			w.suspendUnder(ctx)
		}
	case w.fb != nil && w.fb.w != nil && !bug.KeepsPlace:
		w.fb.w.stepAside()
		if w.fb.canWait(ctx) != nil { // a Close came after the look at it, and perhaps before the wait stood
			w.wakeAs(w.seq(), stopped)
		}
		w.blockGoroutine(ctx)
		w.fb.w.stepBack()
	default:
		w.blockGoroutine(ctx)
	}
}

// suspendUnder suspends the task until it is resumed, or ctx ends.
func (w *wait) suspendUnder(ctx context.Context) {
	seq := w.seq()
	ctx = behindValues(ctx)
	if gc, ok := ctx.(*groupContext); ok {
		n := &endNode{w: w, seq: seq}
		gc.g.addEnd(n)
		defer gc.g.dropEnd(n)
	} else {
		defer context.AfterFunc(ctx, func() { w.wakeAs(seq, ended) })()
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

// bind has the wait end with ctx, if ctx is that of a call that the goroutine runs. This, the usual case, costs no registration:
// the call's cancel looks here.
func (w *wait) bind(ctx context.Context) bool {
	cc, ok := ctx.(*callContext)
	if !ok {
		if cc, ok = behindValues(ctx).(*callContext); !ok {
			return false
		}
	}
	c := (*Call)(cc)
	if w.fb == nil || c.fb.Load() != w.fb || c.done() {
		return false
	}
	if w.bound.Load() != c {
		w.bound.Store(c)
	}
	if c.has(flagCancel) && !bug.MissesEnd {
		w.wakeAs(w.seq(), ended)
	} else {
		c.watch()
	}
	return true
}

// blockGoroutine blocks the goroutine in a channel, if the answer does not come before; see spin.go.
func (w *wait) blockGoroutine(ctx context.Context) {
	if w.hope != nil && w.linger() {
		return
	}
	if w.ch == nil {
		w.ch = make(chan struct{}, 1)
	}
	var done <-chan struct{}
	if !w.bind(ctx) {
		done = ctx.Done()
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
