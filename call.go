package hop

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// A State is where a call is in its life.
type State uint8

// The states of a call. Waiting is Running, seen while the function is in one of this package's waits: who sees it, and then waits for the same place,
// stands behind the call.
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
//	   │                  │                 │  asked to cancel: from then on only Cancelled
//	   ├──────────────────┼── cancel ───────┼─────────────────▶ Cancelled
//	   └──────────────────┴── Fail ─────────┴─ abandon ───────▶ Failed; Cancelled
type Call struct {
	// State and flags are one word. What ends a call happens under mu; accept and start, which every call passes, change the word by one
	// compare-and-swap each, without the lock. start is the one that takes the function: it succeeds once, so a function
	// runs at most once, and not at all after a cancel. The two sides meet in the word: who ends a call that may not have
	// started first sets flagCancel or flagEnding, and goes by the state that the word had at that moment; start does not succeed on a word with
	// either flag. finish succeeds once: the first completion wins. What finish
	// wakes is woken under mu and never blocks; the functions of OnDone run after mu has been released.
	//
	// A call that is asked to cancel and a call that is done are two different things: flagCancel, which is set under mu while
	// the state is not final, decides that the end will be Cancelled.

	st      atomic.Uint32            // a State in the low four bits, flags above
	mu      turn.Short               // guards what follows, where it is not said otherwise
	pc      code                     // the place in the source that made the call; set once
	fn      code                     // its function's entry; set once
	waiters waitlist.List            // who waits until the call is done
	x       atomic.Pointer[callMore] // what few calls need; set once
	fb      atomic.Pointer[fiber]    // the goroutine that runs the function; set by it
	kind    callKind                 // how to reach the Pending; set once
	under   parentRef                // the submitter's context, which the call's is a child of
	portal  *Portal                  // where it was submitted to, as portalRef has it
	sets    *link                    // the groups and trackers it is made in; set once
	from    *sched
}

// callMore is what some calls need: those that somebody looks at in another way than by waiting, that are in a second group, or did
// not succeed. A million calls may be alive at once, so this and Call are laid out to fill a size class of the allocator.
type callMore struct {
	name     string
	err      error                    // set once, before the state is final
	cause    error                    // why it was first asked to cancel
	ctxDone  chan struct{}            // of its context; made when somebody asks
	kids     kidList                  // what is told when the call's context ends
	hook     *hook                    // how the parent's end is told
	onDone   *doneFunc                // functions to run at the end, the latest first
	doneCh   chan struct{}            // closed at the end
	nodes    *linkNode                // where it is in its groups and trackers
	rare     atomic.Pointer[callRare] // set once
	mayDie   uint32                   // how many of onDone may be taken back before those are looked for
	hooked   bool                     // the parent's end will be told: hook is there, or about to be
	ctxEnded bool                     // ctxDone is closed
	moving   uint16                   // how many passOnce have kids of it in hand
}

// callRare is what few calls need.
type callRare struct {
	id          atomic.Uint64
	meta        []metaEntry
	timeout     time.Duration
	until       time.Time                // when Timeout is up; from start
	timer       *time.Timer              // of Timeout
	undelivered any                      // func(T)
	causes      error                    // all of why it was asked to cancel, where there are several
	left        *atomic.Bool             // ctxDone was closed, where a weak hook may do that too
	onCancel    []func(error)            // a promise's
	forReturn   waitlist.List            // who waits until the function of an abandoned call has returned
	returned    bool                     // it has
	told, back  bool                     // its pool has been told that it was abandoned; or, before that, that its function has returned; under the pool's mu
	further     uint8                    // how many causes there are beside the first
	queue       *atomic.Int64            // the queue that the call still counts in
	pump        *Waiter                  // the goroutine that is blocked in Do for the call, and runs what is sent to it; made when it is asked for
	pumper      uintptr                  // that goroutine, where the call may run on it
	waiter      *Waiter                  // the one whose Wait waits for the call
	unlooked    atomic.Pointer[unlooked] // a failure that nobody may look at
	held        *heldCall                // its places in Groups with a Limit
	places      atomic.Int32             // of Limiters, that it holds
	timed       int32                    // how many of its kids are timed
	made        []*Call                  // its deputies: see deputy.go
	holders     []*Call                  // whose deputy it is; set once
	telling     atomic.Bool              // a deputy has ended, and functions of OnDone have not returned
	teller      atomic.Pointer[fiber]    // the goroutine that they run on; nil: one that hop does not know
}

// callImpl is the part of a Pending that knows its type.
type callImpl interface {
	invoke(ctx context.Context)
	release()
	takes(onUndelivered any) bool
}

// A callKind is which type a call's Pending is of: the first word of a callImpl. The second, the Pending, is the call itself, which stands
// first in it; so it is not kept. The word leads to what the runtime keeps of types, never to the heap.
type callKind unsafe.Pointer

// kindOf returns the kind of impl, whose call must stand first in what it points to.
func kindOf(impl callImpl) callKind { return *(*callKind)(unsafe.Pointer(&impl)) }

// impl returns the Pending.
func (c *Call) impl() (impl callImpl) {
	*(*[2]unsafe.Pointer)(unsafe.Pointer(&impl)) = [2]unsafe.Pointer{unsafe.Pointer(c.kind), unsafe.Pointer(c)}
	return impl
}

// Flags beside the state.
const (
	stateMask     = 0xf
	flagCancel    = 1 << (iota + 4) // asked to cancel
	flagEnding                      // failed by who says that it will never run
	flagLoose                       // made by New: several may submit it
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
	flagHeld                        // is in a group with a Limit
	flagDelayed                     // has a timer of its loop's
	flagByHand                      // Resolve or Reject ends it
	flagNamed                       // has the name of an option
	flagHook                        // is one of the loop's own, that runs when it stops
	flagMarked                      // somebody who streams the ends of calls has it
	flagHooked                      // until it is done, it is told of the parent's end
	flagHub                         // is a hub
	flagHolder                      // has had a place of a Limiter
	flagUnder                       // made, perhaps through others, by one that has: it may release that place
	flagMember                      // has a node for one of its sets before it,
	flagInOwn                       // and is in that set with it
	flagEndless                     // the submitter's context never ends, and is no call's
)

func (c *Call) set(flag uint32)      { c.st.Or(flag) }
func (c *Call) has(flag uint32) bool { return c.st.Load()&flag != 0 }
func (c *Call) raw() State           { return State(c.st.Load() & stateMask) }

func (c *Call) move(to State) {
	for {
		turn.Race(c)
		old := c.st.Load()
		if c.st.CompareAndSwap(old, old&^stateMask|uint32(to)) {
			return
		}
	}
}

// advance changes the state from one to another; false: it was not in the first.
func (c *Call) advance(from, to State) bool {
	for {
		turn.Race(c)
		old := c.st.Load()
		if State(old&stateMask) != from {
			return false
		}
		if c.st.CompareAndSwap(old, old&^stateMask|uint32(to)) {
			return true
		}
	}
}

// begin changes the state of a call that has not begun to Running; false: it has, or has ended. It may be queued meanwhile, by a portal's Submit
// that has let it run already.
func (c *Call) begin() bool {
	for {
		turn.Race(c)
		old := c.st.Load()
		if State(old&stateMask) > Queued {
			return false
		}
		if c.st.CompareAndSwap(old, old&^stateMask|uint32(Running)) {
			return true
		}
	}
}

// done reports whether the call has ended: when it has, value and err are there to read.
func (c *Call) done() bool { return c.raw().Done() }

// settled is done for those who look without waiting: a queued call whose context is over ends now.
func (c *Call) settled() bool { return c.settledFor(nil) }

// settledFor is settled, but leaves functions of users to later, if that is not nil.
func (c *Call) settledFor(later *tells) bool {
	turn.Race(c)
	if c.done() {
		return true
	}
	if c.parentErr() != nil {
		if later == nil {
			c.parentEnded()
		} else {
			c.askParentEnded(later)
		}
		if st := c.st.Load(); st&flagCancel != 0 && State(st&stateMask) < Running {
			return c.doneLocked() // who cancels it, and has mu, is about to end it
		}
	}
	return c.done()
}

func (c *Call) doneLocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
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

// rare returns more().rare, made if there is none. It needs what more does.
func (c *Call) rare() *callRare {
	x := c.more()
	r := x.rare.Load()
	if r == nil {
		r = new(callRare)
		x.rare.Store(r)
	}
	return r
}

// hasRare returns what rare has made, nil if it has made nothing.
func (c *Call) hasRare() *callRare {
	if x := c.x.Load(); x != nil {
		return x.rare.Load()
	}
	return nil
}

// init makes c, which is still unknown to others.
func (c *Call) init(ctx context.Context, known anchor, impl callImpl, fn, pc uintptr, opts []Option) {
	c.kind, c.under, c.fn, c.pc = kindOf(impl), parentOf(ctx), codeAt(fn), codeAt(pc)
	fb := self()
	if fb != nil {
		c.from = fb.s
	}
	c.sets = known.sets
	if labelsIn(ctx) {
		c.set(flagLabels)
	}
	above := known.call
	if above != nil && above.has(flagHolder|flagUnder) {
		c.madeBy(above)
	}
	if fb != nil {
		if cur := fb.cur.Load(); cur != nil && cur != above && cur.has(flagHolder|flagUnder) {
			c.madeBy(cur)
		}
	}
	for _, o := range opts {
		if o == nil {
			misuse("nil Option")
		}
		o.apply(c)
	}
}

// Done returns a channel that is closed when the call is done.
func (c *Call) Done() <-chan struct{} {
	c.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done() {
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

// Err returns the call's error, nil if it succeeded, and ErrNotDone until it is done. It does not block; see State for what it may run.
func (c *Call) Err() error {
	if !c.settled() {
		return c.notDone()
	}
	return c.seen()
}

// notDone is the error of who asks too early.
//
//go:noinline
func (c *Call) notDone() error {
	s := c.seenNow()
	return refuse(ErrNotDone, "%s is not done (%s): Wait for it", s.where(), s.what())
}

// failure returns the error of a call that is done, nil if it succeeded.
func (c *Call) failure() error {
	if c.raw() == Succeeded {
		return nil
	}
	return c.x.Load().err
}

// seen is failure for a user's eyes.
func (c *Call) seen() error {
	err := c.failure()
	if err != nil {
		c.look()
	}
	return err
}

// State returns where the call is in its life. Like Err and Result, it ends a queued call whose context is over, and so may run its
// OnDone functions on the calling goroutine.
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
	x := c.rare()
	c.mu.Unlock()
	if id := x.id.Load(); id != 0 {
		return id
	}
	x.id.CompareAndSwap(0, lastCallID.Add(1))
	return x.id.Load()
}

var lastCallID atomic.Uint64

// Context returns the context that the function gets: a child of the submitter's that ends when the call is cancelled.
func (c *Call) Context() context.Context { return (*callContext)(c) }

// Portal returns where the call was submitted to, nil if nowhere yet.
func (c *Call) Portal() Portal {
	if flags := c.st.Load(); flags&flagTaken != 0 && flags&flagLoose == 0 {
		return portalAt(c.portal) // set by who made and submitted the call, before that flag, and not changed any more
	}
	return c.portalNow() // apart, so that this has a small frame: see mayWait
}

func (c *Call) portalNow() Portal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return portalAt(c.portal)
}

// Meta returns the value that the option [Meta] gave for key, or nil.
func (c *Call) Meta(key any) any {
	if x := c.hasRare(); x != nil {
		for i := len(x.meta) - 1; i >= 0; i-- {
			if x.meta[i].key == key {
				return x.meta[i].value
			}
		}
	}
	return nil
}
