package hop

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/timerheap"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// Every wait of this package goes through this file: for a call, a group, an event, a limiter, a timer, a channel. How it blocks is in block.go.
//
// A goroutine waits for one thing at a time. Its wait is one object that is used again and again; what it waits for
// keeps the wait in a list under its own lock. What ends a wait races: the thing itself, the end of the context, the
// stop of the loop. They meet in one word:
//
//	idle ──begin──▶ armed ──▶ blocked (goroutines only: spinning is over, the channel must be used)
//	                  │           │
//	                  ├───────────┴──▶ woken │ ended │ stopped │ refused     the first wins
//	                  ▼           ▼
//	                poked ────▶ armed      (there is something to run for Origin; then it waits on)
//
// The word also counts the waits, so that who comes late for one wait cannot end the next.
// Waking never blocks: for a task it puts the task into its loop's mailbox, for a goroutine it sends to a channel with
// room. It may be done under any lock but a mailbox's.

// A phase is where a wait is.
type phase uint64

const (
	idle phase = iota
	armed
	blocked
	poked
	woken   // by what was waited for
	ended   // by the context
	stopped // by the stop of the loop
	refused // by who has found it in a deadlock

	phaseBits = 3
	phaseMask = 1<<phaseBits - 1
)

type wait struct {
	state atomic.Uint64 // count of waits, and a phase
	fb    *fiber        // whose wait this is; nil: a goroutine that hop does not know
	co    *coro         // the task that waits; nil: a goroutine
	ch    chan struct{} // what a blocked goroutine receives from; made when it must
	alarm *time.Timer   // what wakes a goroutine that sleeps

	node   waitlist.Node // its place in the list that it is in, guarded by the lock of what is waited for
	armed  bool          // it can be woken, or has been; its own goroutine's
	yields bool          // the answer may come before it has to block, if others may run once;
	hope   *hope         // whether it has come so lately; nil: it may not
	pump   *Call         // run what is sent to the Origin of this call, which Do waits for; under that call's mu
	server *Waiter       // or to this one, whose Wait it is

	// What is waited for, as the search for deadlocks sees it.
	onCall atomic.Pointer[Call]
	onMany atomic.Pointer[manyWait]
	pc     atomic.Uintptr
	bound  atomic.Pointer[Call]      // the wait ends when this call's context does; the goroutine's own stays after the wait, see begin
	limit  atomic.Pointer[waitLimit] // or this one

	refusal atomic.Pointer[DeadlockError] // why it was refused while it stood
	timer   timerheap.Timer
}

// standing reports whether the goroutine waits.
func (w *wait) standing() bool {
	p := phase(w.state.Load() & phaseMask)
	return p == armed || p == blocked || p == poked
}

// wakeAs ends the wait if it is the seq-th and still stands.
func (w *wait) wakeAs(seq uint64, why phase) bool {
	switch w.end(seq, why) {
	case idle:
		return false
	case blocked:
		w.ch <- struct{}{}
	default:
		if w.co != nil {
			w.co.s.resumeLater(w.co)
		}
	}
	return true
}

// end is wakeAs without the waking. It returns the phase that the wait was in, idle if it does not end it.
func (w *wait) end(seq uint64, why phase) phase {
	for {
		turn.Race(w)
		old := w.state.Load()
		if !bug.StaleWake && old>>phaseBits != seq {
			return idle
		}
		switch p := phase(old & phaseMask); p {
		case armed, poked, blocked:
			if w.state.CompareAndSwap(old, seq<<phaseBits|uint64(why)) {
				return p
			}
		default:
			return idle
		}
	}
}

// Wake ends the current wait: for those in whose list it is, and who hold that list's lock.
func (w *wait) Wake() bool { return w.wakeAs(w.seq(), woken) }

func (w *wait) seq() uint64 { return w.state.Load() >> phaseBits }

// endFor ends the wait if it stands and is bound to the end of c's context.
func (w *wait) endFor(c *Call) {
	seq := w.seq()
	if w.bound.Load() == c {
		w.wakeAs(seq, ended)
	}
}

// poke makes a goroutine that waits look for something to run.
func (w *wait) poke() {
	for {
		turn.Race(w)
		old := w.state.Load()
		switch phase(old & phaseMask) {
		case armed:
			if w.state.CompareAndSwap(old, old&^phaseMask|uint64(poked)) {
				return
			}
		case blocked:
			if w.state.CompareAndSwap(old, old&^phaseMask|uint64(poked)) {
				w.ch <- struct{}{}
				return
			}
		default:
			return
		}
	}
}

var waits = sync.Pool{New: func() any { return new(wait) }}

// begin starts a wait on the calling goroutine, which is fb, or none that hop knows. From here on it can be woken.
// Every begin is followed by finish, or abort.
func begin(fb *fiber, ctx context.Context, pc uintptr) *wait {
	w := prepare(fb, ctx, pc)
	w.arm()
	return w
}

// prepare is begin up to where the wait can be woken: that comes with arm. Who puts the wait into a line arms it under the lock of that line. So
// who has seen that a call waits comes after it there.
func prepare(fb *fiber, ctx context.Context, pc uintptr) *wait {
	var w *wait
	if fb == nil {
		w = waits.Get().(*wait) // no search for deadlocks comes here: what it looks at is not set
	} else {
		w = &fb.wait
		if w.standing() {
			misuse("internal error: a goroutine waits twice")
		}
		if w.pc.Load() != pc {
			w.pc.Store(userPlace(pc))
		}
	}
	w.armed = false
	w.heed(ctx)
	return w
}

// heed prepares that the wait ends with ctx. It asks of ctx whatever has to be asked: its methods may be a user's, and may panic or end the goroutine.
// Once the wait stands, and a worker's place has been given back, none is called.
func (w *wait) heed(ctx context.Context) {
	var c *Call
	switch behind := behindValues(ctx).(type) {
	case *callContext:
		c = (*Call)(behind)
	case *groupContext:
		if w.fb != nil {
			w.bind(nil)
			w.limit.Store(&behind.g.limit)
			return
		}
	}
	if w.fb != nil {
		w.bind(c)
		if c != nil && c.fb.Load() == w.fb && !c.done() {
			if w.co != nil {
				c.watch() // a goroutine may get its answer before it has to block
			}
			return
		}
	}
	if done := ctx.Done(); done != nil {
		w.limitTo(ctx, done)
	}
}

// bind notes the call with whose context the wait ends, nil if it is none's. What the last wait was bound to stays, since most often this one is too.
// Anything else must go before the wait counts.
func (w *wait) bind(c *Call) {
	if w.bound.Load() != c {
		w.bound.Store(c)
	}
}

// A waitLimit is what ends a wait, beside what it waits for, and is not the call that waits.
type waitLimit struct {
	group *Group // whose context it is; nil: done says when it has ended
	done  chan0
	above *Call // whose context it is derived from

	// For a task:
	w     *wait
	seq   uint64      // which of its waits
	ended atomic.Bool // the context has, perhaps before the wait stood
	stop  func() bool // takes the registration of end back
}

type chan0 = <-chan struct{}

// limitTo has the wait end with ctx, whose Done is done.
//
//go:noinline
func (w *wait) limitTo(ctx context.Context, done chan0) {
	if w.fb == nil { // nobody else looks at it, so it is used again and again
		if w.limit.Load() == nil {
			w.limit.Store(new(waitLimit))
		}
		w.limit.Load().done = done
		return
	}
	l := &waitLimit{done: done, above: anchorOf(ctx).call}
	if w.co != nil {
		l.w, l.seq = w, w.seq()+1
		l.stop = context.AfterFunc(ctx, l.end)
	}
	w.limit.Store(l)
}

func (l *waitLimit) end() {
	l.ended.Store(true)
	l.w.wakeAs(l.seq, ended)
}

func (w *wait) arm() {
	w.armed = true
	w.state.Store((w.seq()+1)<<phaseBits | uint64(armed))
}

// finish ends what begin has started: nobody has the wait in a list any more. The word keeps what ended the wait, which is as good as idle.
func (w *wait) finish() {
	if w.onCall.Load() != nil {
		w.onCall.Store(nil)
	}
	if w.onMany.Load() != nil {
		w.onMany.Store(nil)
	}
	l := w.limit.Load()
	if l != nil {
		w.unlimit(l)
	}
	if c := w.bound.Load(); c != nil && c != w.fb.cur.Load() {
		w.bound.Store(nil) // or the goroutine keeps a call that is not its own
	}
	w.pump, w.server, w.alarm, w.hope = nil, nil, nil, nil
	if w.standing() { // poked, to run what was sent to it
		w.state.Store(w.state.Load() &^ phaseMask)
	}
	if w.fb == nil {
		w.ch = nil // it may belong to a testing/synctest bubble
		waits.Put(w)
	} else if l != nil && l.stop != nil {
		l.stop() // last: it may be a user's method
	}
}

// unlimit takes limitTo back, up to the registration.
//
//go:noinline
func (w *wait) unlimit(l *waitLimit) {
	if w.fb == nil {
		l.done = nil
		return
	}
	w.limit.Store(nil)
	if l.stop != nil && !w.armed {
		w.state.Store(l.seq << phaseBits) // this count is used up, though nothing stood: end may be about to come
	}
}

// abort is finish for a wait that did not come to block. If it was woken all the same, a task's resumption is on
// its way and must be received.
func (w *wait) abort() {
	for w.armed {
		turn.Race(w)
		old := w.state.Load()
		switch phase(old & phaseMask) {
		case armed, poked:
			if !w.state.CompareAndSwap(old, old&^phaseMask) {
				continue
			}
		case woken, ended, stopped, refused:
			if w.co != nil {
				w.co.s.suspend(w.co)
			}
		}
		break
	}
	w.finish()
	if w.co != nil {
		w.co.wentOn()
	}
}

// waitOn waits on the calling goroutine for anything that can list a wait: add registers it, armed, and says false if there is
// nothing to wait for; remove takes it back when the wait ended otherwise.
func waitOn(ctx context.Context, pc uintptr, what string, add func(*wait) bool, remove func(*wait)) error {
	if ctx == nil {
		misuse("nil context")
	}
	if ctx.Err() != nil {
		return endedWait(what, ctx)
	}
	fb := self()
	if err := fb.mayWait(ctx); err != nil {
		return err
	}
	w := prepare(fb, ctx, pc)
	if !add(w) {
		w.abort()
		return nil
	}
	if fb != nil && (w.onMany.Load() != nil || w.onCall.Load() != nil) {
		lookAgain()
		if d := findDeadlock(fb, nil); d != nil {
			remove(w)
			w.abort()
			return d
		}
	}
	why := w.block(ctx)
	if why != woken {
		remove(w)
	}
	w.finish()
	return w.outcome(ctx, why, what)
}

// outcome is the error of a wait that has ended so.
func (w *wait) outcome(ctx context.Context, why phase, what string) error {
	switch why {
	case refused:
		return w.refusal.Swap(nil) // or the goroutine keeps its calls
	case ended:
		return endedWait(what, ctx)
	case stopped:
		return w.stopped(what)
	}
	return nil
}

// stopped is apart since its frame would be part of all others of a task whose wait is ended.
//
//go:noinline
func (w *wait) stopped(what string) error {
	return refuse(ErrStopped, "the wait for %s was ended: %s stops", what, w.place())
}

// place names what the waiting goroutine belongs to, which has ended the wait.
func (w *wait) place() string {
	switch fb := w.fb; {
	case fb != nil && fb.s != nil:
		return fb.s.name
	case fb != nil && fb.w != nil:
		return fb.w.p.String()
	}
	return "its place"
}

// over reports whether what limits the wait has ended, though the goroutine may not have noticed yet. It is for who searches for deadlocks: no context
// of a user's is asked.
func (w *wait) over() bool {
	if c := w.bound.Load(); c != nil && c.over() {
		return true
	}
	limit := w.limit.Load()
	return limit != nil && limit.over()
}

func (l *waitLimit) over() bool {
	if l.group != nil {
		return l.group.ctx.Err() != nil
	}
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// late reports whether the wait's own context is derived from that of a call which has ended, though it is not over yet: package context may
// tell it a moment later, from a goroutine. But one that does not end with the call can look the same.
func (w *wait) late() bool {
	limit := w.limit.Load()
	return limit != nil && limit.above != nil && limit.above.over()
}

// over reports whether the call's context has ended, and only looks: who asks may hold a lock.
func (c *Call) over() bool {
	for {
		if c.has(flagCancel) {
			return true
		}
		parent := c.parent()
		up, ok := parent.(*callContext)
		if !ok {
			return isOver(parent)
		}
		c = (*Call)(up)
	}
}

// isOver reports whether ctx has ended. It may be a user's: one that panics is not over, and whoever has to know will hear of the panic.
func isOver(ctx context.Context) (over bool) {
	defer func() {
		if !over {
			recover()
		}
	}()
	return ctx.Err() != nil
}
