package hop

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gohop/hop/internal/ccall"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// A fiber is a goroutine that hop knows: a task's coroutine, a pool's worker, or one that runs a call.
type fiber struct {
	g     uintptr
	s     *sched               // the loop whose task runs here; nil elsewhere
	w     *worker              // the pool's worker whose goroutine this is
	cur   atomic.Pointer[Call] // the innermost call that runs here
	under []*Call              // those that it runs on top of, outermost first; the goroutine's own, but see calls
	mu    turn.Short           // held by the goroutine when it changes under, and by others
	opens atomic.Int32         // how many Locals it opens
	wait  wait
}

// fibers finds the calling goroutine's fiber.
var fibers goid.Map[fiber]

// self returns the calling goroutine's fiber; nil: hop does not know it.
func self() *fiber { return fibers.Load(goid.Self()) }

func (fb *fiber) register() {
	fb.g = goid.Self()
	fb.wait.fb = fb
	fibers.Store(fb.g, fb)
}

func (fb *fiber) leave() { fibers.Delete(fb.g) }

// enter makes the calling goroutine known while it runs a call; exit ends that.
func enter() *fiber {
	fb := guests.Get().(*fiber)
	fb.register()
	return fb
}

func (fb *fiber) exit() {
	fb.leave()
	if fb.s != nil {
		return // others may be looking at s
	}
	fb.wait.ch = nil
	guests.Put(fb) // who comes late with it finds another count of waits
}

var guests = sync.Pool{New: func() any { return new(fiber) }}

// mayWait is what comes before each wait: it reports why there is none, and prepares its end with ctx. fb may be nil.
//
// In a task, the call whose context ctx is, is told of its parent's end from here on. bind would see to that too, but there the stack is deeper,
// and what it takes for the first time would make the stacks of most tasks grow.
func (fb *fiber) mayWait(ctx context.Context) error {
	if fb == nil {
		return nil
	}
	if err := fb.canWait(ctx); err != nil {
		return err
	}
	if cc, ok := ctx.(*callContext); ok && fb.wait.co != nil && (*Call)(cc).unwatched() {
		(*Call)(cc).hook()
	}
	return nil
}

// canWait reports why the goroutine cannot wait, nil if it can. It and what waits below it have small frames: a task that waits
// should do with the stack that its coroutine began with.
func (fb *fiber) canWait(ctx context.Context) error {
	switch s := fb.s; {
	case s == nil:
		if fb.w == nil || !fb.w.p.closing.Load() {
			return nil
		}
	case fb.wait.co == nil || ccall.Inside():
	case !s.closing.Load():
		return nil
	}
	return fb.cannotWait(ctx)
}

func (fb *fiber) cannotWait(ctx context.Context) error {
	var place fmt.Stringer = fb.s
	switch {
	case fb.s == nil:
		place = fb.w.p
	case fb.wait.co == nil:
		return refuse(ErrCannotWait, "%s runs on the host's own goroutine of %s: a wait would stop the host; use Go or Post",
			callName(fb.cur.Load()), fb.s)
	case ccall.Inside():
		return refuse(ErrCannotWait, "%s on %s is inside a C function that called back into Go: a task cannot wait there; "+
			"start the call with Go or Post, or make the C call on a Pool", callName(fb.cur.Load()), fb.s)
	}
	if fb.cur.Load() != nil && CurrentCall(ctx) != nil {
		return nil
	}
	return refuse(ErrStopped, "%v stops: it waits no more, but with the context of a call", place)
}

// push puts the call that runs here below the next.
func (fb *fiber) push() {
	fb.mu.Lock()
	fb.under = append(fb.under, fb.cur.Load())
	fb.mu.Unlock()
}

// pop returns what push has put there last, nil if that is nothing.
func (fb *fiber) pop() *Call {
	if len(fb.under) == 0 {
		return nil
	}
	return fb.popped() // apart, so that this is inlined: most calls run on top of none
}

func (fb *fiber) popped() *Call {
	fb.mu.Lock()
	last := len(fb.under) - 1
	c := fb.under[last]
	fb.under[last] = nil // or the place keeps the call
	fb.under = fb.under[:last]
	fb.mu.Unlock()
	return c
}

// calls returns all calls that run on the goroutine, for any other to look at.
func (fb *fiber) calls() []*Call {
	fb.mu.Lock()
	defer fb.mu.Unlock()
	calls := slices.Clone(fb.under)
	if c := fb.cur.Load(); c != nil {
		calls = append(calls, c)
	}
	return calls
}

// stopping reports whether the goroutine is a task whose loop is being closed. fb may be nil.
func (fb *fiber) stopping() bool { return fb != nil && fb.s != nil && fb.s.closing.Load() }

// abandoned gives the place of c, which runs here, away: nobody waits for its function any more.
func (fb *fiber) abandoned(c *Call) {
	if fb != nil && fb.w != nil {
		fb.w.abandoned(c)
	}
}

// cameBack is told, on the goroutine, that c's function has returned, which was abandoned.
func (fb *fiber) cameBack(c *Call) {
	if fb.w != nil {
		fb.w.cameBack(c)
	}
}
