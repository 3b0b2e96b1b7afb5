package hop

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/goid"
)

// A State is where a call is in its life.
type State uint8

// The states of a call. Waiting is Running, seen while the function is in one of this package's waits.
const (
	Created   State = iota // made, on no portal yet
	Queued                 // accepted by a portal
	Running                // its function runs
	Waiting                // its function waits
	Succeeded              // its function returned a nil error
	Failed                 // its function returned an error, panicked or ended its goroutine; or it will never run
	Cancelled              // it was cancelled
)

var stateNames = [...]string{"created", "queued", "running", "waiting", "succeeded", "failed", "cancelled"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Done reports whether a call in this state has ended.
func (s State) Done() bool { return s >= Succeeded }

// A Call is one deferred function call without its type: what portals carry, groups hold and diagnostics show.
// All methods are safe for concurrent use. It follows Prefect's Call.
//
// # Life
//
//	          accept              start              finish
//	Created ─────────▶ Queued ─────────▶ Running ───────────▶ Succeeded, Failed, Cancelled
//	   │                  │                 │  asked to cancel: flagCancel, and from then on only Cancelled
//	   ├──────────────────┼── cancel ───────┼─────────────────▶ Cancelled
//	   └──────────────────┴── Fail ─────────┴─ abandon ───────▶ Failed; Cancelled
//
// Every change of state happens under mu. start is the one that takes the function: it succeeds once, so a function
// runs at most once, and not at all after a cancel. finish succeeds once: the first completion wins. What finish
// wakes is woken under mu and never blocks; the functions of OnDone run after mu has been released.
//
// A call that is asked to cancel and a call that is done are two different things: flagCancel, which is set under mu while
// the state is not final, decides that the end will be Cancelled.
type Call struct {
	st      atomic.Uint32            // a State in the low four bits, flags above
	mu      sync.Mutex               // guards what follows, where it is not said otherwise
	waiters waitList                 // who waits until the call is done
	x       atomic.Pointer[callMore] // what few calls need; set once
	fb      atomic.Pointer[fiber]    // the goroutine that runs the function; set by it
	impl    callImpl                 // the Pending; set once
	parent  context.Context          // the submitter's; set once
	portal  Portal
	err     error // set once, before the state is final
	sets    *link // the groups and trackers it is made in; set once
	from    *sched
	pc      uintptr // the place in the source that made the call; set once
	fn      uintptr // its function's entry; set once
}

// callMore is what few calls need.
type callMore struct {
	id          atomic.Uint64
	name        string
	meta        []metaEntry
	timeout     time.Duration
	undelivered any // func(T)

	cause     error         // why it is asked to cancel
	first     error         // the first of several causes
	ctxDone   chan struct{} // of its context; made when somebody asks
	ctxEnded  bool          // and closed
	left      *atomic.Bool  // ctxDone was closed, where a weak hook may do that too
	until     time.Time     // when Timeout is up; from start
	timer     *time.Timer   // of Timeout
	kids      kidList       // what is told when the call's context ends
	unhook    func()        // takes back what hook has done
	hooked    bool          // the parent's end will be told
	onDone    []*doneFunc   // functions to run at the end
	dead      int           // how many of them were taken back
	doneCh    chan struct{} // closed at the end
	onCancel  []func(error) // a promise's
	returned  bool          // the function of an abandoned call has returned
	forReturn waitList      // who waits for that
	queue     *atomic.Int64 // the queue that the call still counts in
	waiter    *Waiter       // the goroutine that waits for the call and runs what is sent to it
	unlooked  *unlooked     // a failure that nobody may look at
	nodes     *linkNode     // where it is in its groups and trackers
	held      *heldCall     // its places in Groups with a Limit
	delay     *delayed      // its timer
}

// callImpl is the part of a Pending that knows its type.
type callImpl interface {
	invoke(ctx context.Context)
	release()
	takes(onUndelivered any) bool
}

// Flags beside the state.
const (
	stateMask     = 0xf
	flagCancel    = 1 << (iota + 4) // asked to cancel
	flagTimeout                     // by a deadline
	flagAbandon                     // ends at once when cancelled
	flagAbandoned                   // has done so while its function ran
	flagLooked                      // somebody has looked at the result
	flagTaken                       // one of hop's portals has it
	flagPortal                      // and was the first to
	flagJoined                      // is in its groups and trackers
	flagPromise                     // has no function
	flagPumped                      // the goroutine that waits for it runs what is sent to Origin
	flagLabels                      // the context carries profile labels
	flagMembers                     // left must be told at the end
	flagHeld                        // is in a group with a Limit
)

func (c *Call) set(flag uint32)      { c.st.Or(flag) }
func (c *Call) has(flag uint32) bool { return c.st.Load()&flag != 0 }
func (c *Call) raw() State           { return State(c.st.Load() & stateMask) }

func (c *Call) move(to State) {
	for {
		old := c.st.Load()
		if c.st.CompareAndSwap(old, old&^stateMask|uint32(to)) {
			return
		}
	}
}

// done reports whether the call has ended: when it has, value and err are there to read.
func (c *Call) done() bool   { return c.raw().Done() }
func (c *Call) isDone() bool { return c.raw().Done() }

// settled is done for those who look without waiting: a queued call whose context is over ends now.
func (c *Call) settled() bool {
	if c.done() {
		return true
	}
	if c.parentErr() != nil {
		c.parentEnded()
	}
	return c.done()
}

// more returns c.x, made if there is none. It needs mu, or a call that nobody else knows yet.
func (c *Call) more() *callMore {
	x := c.x.Load()
	if x == nil {
		x = new(callMore)
		c.x.Store(x)
	}
	return x
}

// init makes c, which is still unknown to others.
func (c *Call) init(ctx context.Context, impl callImpl, fn, pc uintptr, opts []Option) {
	if ctx == nil {
		misuse("nil context")
	}
	c.impl, c.parent, c.fn, c.pc = impl, ctx, fn, pc
	if fb := self(); fb != nil {
		c.from = fb.s
	}
	c.inherit(ctx)
	for _, o := range opts {
		if o == nil {
			misuse("nil Option")
		}
		o.apply(c)
	}
}

// Run runs the call's function on the calling goroutine and returns when it has. It does nothing if the call has run, runs
// or has ended. It is for portals. A panic of the function ends the call, not the caller; a runtime.Goexit ends both.
func (c *Call) Run() {
	fb := self()
	if fb == nil {
		fb = enter()
		defer fb.exit()
	}
	c.join()
	c.run(fb)
}

// run runs the function on goroutine fb, which is the caller's.
func (c *Call) run(fb *fiber) {
	if !c.start(fb) {
		return
	}
	below := fb.cur.Load()
	if below != nil {
		fb.under = append(fb.under, below)
	}
	fb.cur.Store(c)
	labelled := c.has(flagLabels)
	if labelled {
		setLabels(c.parent)
	}
	returned := false
	defer func() {
		if !returned {
			c.crashed(recover())
		}
		if below != nil {
			fb.under = fb.under[:len(fb.under)-1]
		}
		fb.cur.Store(below)
		if labelled {
			resetLabels(below)
		}
		c.fb.Store(nil)
		if c.has(flagAbandoned) {
			c.cameBack(fb)
		}
	}()
	c.impl.invoke((*callContext)(c))
	returned = true
}

// crashed ends a call whose function did not return: it panicked with r, or called runtime.Goexit if r is nil.
func (c *Call) crashed(r any) {
	var err error
	if r != nil {
		err = &PanicError{Value: r, Stack: debug.Stack(), call: c}
	} else {
		err = refuse(ErrGoexit, "%v: the function ended its goroutine with runtime.Goexit", c)
	}
	if c.parentErr() != nil {
		c.parentEnded()
	}
	c.mu.Lock()
	switch cause := c.endedBy(); {
	case c.isDone():
		c.mu.Unlock()
	case cause != nil:
		c.finishLocked(Cancelled, c.cancelled(errors.Join(cause, err)))
	default:
		c.finishLocked(Failed, err)
	}
}

// start takes the function to run, on fb; true once.
func (c *Call) start(fb *fiber) bool {
	if c.parentErr() != nil {
		c.parentEnded()
	}
	c.mu.Lock()
	if c.raw() > Queued || c.has(flagPromise) {
		c.mu.Unlock()
		return false
	}
	c.fb.Store(fb)
	c.move(Running)
	x := c.x.Load()
	if x == nil {
		c.mu.Unlock()
		return true
	}
	c.leaveQueue(x)
	c.mu.Unlock()
	if x.timeout > 0 {
		c.startTimeout()
	}
	return true
}

// leaveQueue stops counting the call in the queue it is in.
func (c *Call) leaveQueue(x *callMore) {
	if x.queue != nil {
		x.queue.Add(-1)
		x.queue = nil
	}
}

// accept makes the call on's, as hop's own portals do before they queue it. It reports whether there is something to
// queue: a call that was cancelled before is none.
func (c *Call) accept(on Portal, queue *atomic.Int64) (bool, error) {
	if c == nil || c.impl == nil {
		misuse("Submit of a call that New did not make")
	}
	c.join()
	if c.has(flagHeld) {
		if kept, err := c.hold(on); kept || err != nil {
			return false, err // it comes again when it has a place in its group
		}
	}
	c.mu.Lock()
	if state := c.raw(); c.has(flagTaken|flagPromise) || state == Running {
		c.mu.Unlock()
		return false, refuse(ErrMismatch, "%v was submitted before", c)
	} else if state.Done() {
		c.mu.Unlock()
		return false, nil
	}
	defer c.mu.Unlock()
	c.set(flagTaken)
	if c.portal == nil {
		c.portal = on
		c.set(flagPortal)
	}
	if c.raw() == Created {
		c.move(Queued)
	}
	if queue != nil {
		c.more().queue = queue
	}
	return true, nil
}

// unaccept takes accept back: the portal refuses after all.
func (c *Call) unaccept() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagPortal) {
		c.portal = nil // it was accept that set it
	}
	c.st.And(^uint32(flagTaken | flagPortal))
	if c.raw() == Queued {
		c.move(Created)
	}
	if x := c.x.Load(); x != nil {
		c.leaveQueue(x)
	}
}

// finish ends the call; false: it has ended before.
func (c *Call) finish(state State, err error) bool {
	c.mu.Lock()
	if c.isDone() {
		c.mu.Unlock()
		return false
	}
	c.finishLocked(state, err)
	return true
}

// finishLocked ends the call, wakes who waits and runs what is to run then. It is entered with mu held, and releases it.
func (c *Call) finishLocked(state State, err error) {
	var fs []*doneFunc
	c.err = err
	x := c.x.Load()
	if state == Failed && c.waiters.empty() && !c.has(flagLooked) {
		x = c.more()
		c.mayStayUnseen(x)
	}
	c.move(state)
	c.waiters.wakeAll()
	if x != nil {
		c.leaveQueue(x)
		fs, x.onDone = x.onDone, nil
		if x.doneCh != nil {
			close(x.doneCh)
		}
		c.unhookDone(x)
	}
	c.mu.Unlock()
	if x != nil && x.delay != nil {
		x.delay.drop()
	}
	if c.has(flagMembers) {
		c.left()
	}
	if len(fs) > 0 {
		c.runDone(fs)
	}
}

// runDone runs the functions of OnDone where a loop, a pool or a cancel ended the call.
func (c *Call) runDone(fs []*doneFunc) {
	if c.has(flagPromise) && c.raw() != Cancelled {
		// Resolve and Reject take their panics themselves.
		if p := runDoneFuncs(fs); p != nil {
			panic(p.Value)
		}
		return
	}
	if p := runDoneFuncs(fs); p != nil {
		c.escaped(p)
	}
}

type doneFunc struct{ f func() } // f nil: taken back

// runDoneFuncs runs each, whatever the others do, and returns the first panic; further ones are only logged.
func runDoneFuncs(fs []*doneFunc) (first *PanicError) {
	for i, d := range fs {
		func() {
			returned := false
			defer func() {
				if returned {
					return
				}
				if r := recover(); r != nil {
					p := &PanicError{Value: r, Stack: debug.Stack()}
					if first == nil {
						first = p
					} else {
						logger(nil).Error("hop: another OnDone function panicked too", "panic", p.Value, "stack", string(p.Stack))
					}
					return
				}
				runDoneFuncs(fs[i+1:]) // runtime.Goexit ends this goroutine: the rest is for now or never
			}()
			if d.f != nil {
				d.f()
			}
			returned = true
		}()
	}
	return first
}

// guard runs f, a function of the user's that nobody waits for; its panic goes the way of a posted function's.
func (c *Call) guard(f func()) {
	if p := runDoneFuncs([]*doneFunc{{f}}); p != nil {
		c.escaped(p)
	}
}

// escaped is told of a panic that no caller can receive.
func (c *Call) escaped(p *PanicError) {
	var s *sched
	if fb := self(); fb != nil {
		s = fb.s
	}
	s.escaped(p)
}

// OnDone has f called once, when the call is done: on the goroutine that ends it, in the order of registration,
// never under a lock; at once and here if the call is done already. stop takes f back and reports whether it
// prevented it, as context.AfterFunc's does. A panic of f does not stop the next: it goes to the caller of Resolve or
// Reject or, where a loop or pool ended the call, to OnPanic. It follows Pending.add_done_callback.
func (c *Call) OnDone(f func()) (stop func() bool) {
	if f == nil {
		misuse("OnDone: nil function")
	}
	c.watch()
	c.mu.Lock()
	if c.isDone() {
		c.mu.Unlock()
		f()
		return func() bool { return false }
	}
	d := &doneFunc{f}
	x := c.more()
	x.onDone = append(x.onDone, d)
	c.mu.Unlock()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if d.f == nil || c.isDone() {
			return false
		}
		d.f = nil
		x.dead++
		if x.dead > 16 && x.dead > len(x.onDone)/2 {
			kept := x.onDone[:0]
			for _, o := range x.onDone {
				if o.f != nil {
					kept = append(kept, o)
				}
			}
			clear(x.onDone[len(kept):])
			x.onDone, x.dead = kept, 0
		}
		return true
	}
}

// Fail ends a call that will never run with err, and reports whether it was the first to end it. It is for portals:
// what Submit has accepted must end by Run or Fail. A call whose function runs cannot be failed.
func (c *Call) Fail(err error) bool {
	if err == nil {
		misuse("Fail: nil error")
	}
	c.mu.Lock()
	if c.raw() > Queued {
		c.mu.Unlock()
		return false
	}
	c.impl.release()
	if cause := c.endedBy(); cause != nil {
		c.finishLocked(Cancelled, c.cancelled(cause))
		return true
	}
	c.finishLocked(Failed, err)
	return true
}

// Done returns a channel that is closed when the call is done.
func (c *Call) Done() <-chan struct{} {
	c.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isDone() {
		return closedChan
	}
	x := c.more()
	if x.doneCh == nil {
		x.doneCh = make(chan struct{})
	}
	return x.doneCh
}

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Err returns the call's error, nil if it succeeded, and ErrNotDone until it is done.
func (c *Call) Err() error {
	if !c.settled() {
		return refuse(ErrNotDone, "%v is not done: Wait for it", c)
	}
	if c.err != nil {
		c.look()
	}
	return c.err
}

// State returns where the call is in its life.
func (c *Call) State() State {
	c.settled()
	s := c.raw()
	if s == Running {
		if fb := c.fb.Load(); fb != nil && fb.wait.standing() {
			return Waiting
		}
	}
	return s
}

// ID returns a number that no other call of the process has.
func (c *Call) ID() uint64 {
	c.mu.Lock()
	x := c.more()
	c.mu.Unlock()
	if id := x.id.Load(); id != 0 {
		return id
	}
	x.id.CompareAndSwap(0, lastCallID.Add(1))
	return x.id.Load()
}

var lastCallID atomic.Uint64

// Name returns the name given by the option [Name], or that of the function.
func (c *Call) Name() string {
	if x := c.x.Load(); x != nil && x.name != "" {
		return x.name
	}
	if c.has(flagPromise) {
		return "promise"
	}
	if f := runtime.FuncForPC(c.fn); f != nil {
		return f.Name()
	}
	return "?"
}

// Context returns the context that the function gets: a child of the submitter's that ends when the call is cancelled.
func (c *Call) Context() context.Context { return (*callContext)(c) }

// Portal returns where the call was submitted to, nil if nowhere yet.
func (c *Call) Portal() Portal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.portal
}

// Meta returns the value that the option [Meta] gave for key, or nil.
func (c *Call) Meta(key any) any {
	if x := c.x.Load(); x != nil {
		for i := len(x.meta) - 1; i >= 0; i-- {
			if x.meta[i].key == key {
				return x.meta[i].value
			}
		}
	}
	return nil
}

// String names the call, its place and its state: `call "load" (7) on loop "ui": running`.
func (c *Call) String() string {
	if c == nil {
		return "no call"
	}
	s := callName(c) + " (" + strconv.FormatUint(c.ID(), 10) + ")"
	if p := c.Portal(); p != nil {
		s += " on " + portalName(p)
	}
	state := c.raw()
	if state == Running {
		state = c.State()
	}
	s += ": " + state.String()
	if !state.Done() && c.has(flagCancel) {
		s += ", asked to cancel"
	}
	return s
}

func callName(c *Call) string {
	if c == nil {
		return "a function without a call"
	}
	return "call " + strconv.Quote(c.Name())
}

// await waits until c is done; a nil error says that it is. The other errors are Wait's.
func (c *Call) await(ctx context.Context, pc uintptr) error {
	return c.awaitAs(ctx, pc, false)
}

func (c *Call) awaitAs(ctx context.Context, pc uintptr, pump bool) error {
	if ctx == nil {
		misuse("nil context")
	}
	fb := self()
	if ctx.Err() != nil {
		if c.settled() {
			return nil
		}
		return endedWait(c.String(), ctx)
	}
	if fb != nil {
		if err := fb.canWait(ctx); err != nil {
			if c.settled() {
				return nil
			}
			return err
		}
	}
	w := begin(fb, pc)
	if pump && w.s != nil {
		pump = false // a task's loop runs what is sent to Origin
	}
	if fb != nil {
		w.limitTo(ctx)
	}
	w.onCall.Store(c)
	c.mu.Lock()
	if c.isDone() {
		c.mu.Unlock()
		w.abort()
		return nil
	}
	c.waiters.add(w)
	if l, ok := c.portal.(*Loop); ok && l.o.Thread && !l.s.asleep.Load() {
		w.spins = true
	}
	if pump {
		w.pump = c
		if x := c.x.Load(); x != nil && x.waiter != nil {
			x.waiter.attach(w)
		}
	}
	c.mu.Unlock()
	if !sameContext(ctx, c.parent) {
		c.watch()
	}
	if fb != nil {
		if d := findDeadlock(fb, c); d != nil {
			c.forget(w)
			if c.done() {
				return nil
			}
			return d
		}
	}
	why := w.block(ctx)
	if why != woken {
		c.mu.Lock()
		c.waiters.remove(w)
		c.mu.Unlock()
	}
	w.finish()
	if pump && !c.done() {
		c.endPump(ctx, pc)
	}
	if c.settled() {
		return nil
	}
	switch why {
	case woken:
		panic("hop: internal error: woken for a call that is not done")
	case refused:
		return w.refusal.Load()
	case stopped:
		return refuse(ErrStopped, "the wait for %v was ended: the loop stops", c)
	}
	return endedWait(c.String(), ctx)
}

// forget takes back a wait that has not begun to block.
func (c *Call) forget(w *wait) {
	c.mu.Lock()
	c.waiters.remove(w)
	c.mu.Unlock()
	w.abort()
}

// grace is how long an owner whose context is over waits for a function to heed its own.
const grace = 500 * time.Millisecond

// awaitOwned is await by the call's owner; see WaitOrCancel.
func (c *Call) awaitOwned(ctx context.Context, pc uintptr) error {
	pump := c.has(flagPumped)
	err := c.awaitAs(ctx, pc, pump)
	if err != nil && pump {
		c.closeWaiter()
	}
	if err == nil || errors.Is(err, ErrDeadlock) || ctx.Err() == nil && !errors.Is(err, ErrStopped) {
		if err != nil {
			c.Cancel(err) // nobody will wait for it any more
		}
		return err
	}
	cause := context.Cause(ctx)
	if ctx.Err() == nil {
		cause = err // the waiting loop stops
	}
	if !c.Cancel(cause) || c.done() {
		return nil // it is done
	}
	if fb := self(); fb == nil || !fb.stopping() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if c.awaitAs(short, pc, false) == nil {
			return nil
		}
	}
	return c.cancelled(cause)
}

// CancelWait cancels the call with cause and waits until its function has really returned, also when the call was
// abandoned. It returns nil then, whatever the call's result; ctx bounds the wait: when it ends first, the error is that of Wait.
// A call cannot wait for its own end: that is a [DeadlockError]. It follows async-kernel's Pending.cancel_wait.
//
//go:noinline
func (c *Call) CancelWait(ctx context.Context, cause error) error {
	return c.cancelWait(ctx, cause, goid.CallerPC())
}

func (c *Call) cancelWait(ctx context.Context, cause error, pc uintptr) error {
	if ctx == nil {
		misuse("nil context")
	}
	c.Cancel(cause)
	if !c.done() {
		if err := c.await(ctx, pc); err != nil {
			return err
		}
	}
	if !c.has(flagAbandoned) {
		return nil
	}
	return waitOn(ctx, pc, "the function of "+c.String(), func(w *wait) bool {
		w.onCall.Store(c)
		c.mu.Lock()
		defer c.mu.Unlock()
		x := c.more()
		if x.returned {
			return false
		}
		x.forReturn.add(w)
		return true
	}, func(w *wait) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.more().forReturn.remove(w)
	})
}
