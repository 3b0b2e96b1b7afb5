package hop

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/thread"
	"github.com/gohop/hop/internal/timerheap"
	"github.com/gohop/hop/internal/turn"
)

// LoopOptions are the options of a [Loop]; nil stands for the zero value.
type LoopOptions struct {
	// Name is shown in errors and reports, and finds a child again.
	Name string
	// Thread gives the loop an OS thread of its own, which no other goroutine runs on, which is never the process's first,
	// and which ends with the loop. With Manual, the thread of the goroutine that calls Run is locked meanwhile, and after it for as long as tasks
	// are suspended there.
	Thread bool
	// Host runs the loop inside this foreign loop, on its thread. It excludes Thread and Manual.
	Host Host
	// Manual leaves it to the caller to drive the loop with Run. What is submitted before is kept.
	Manual bool
	// Protected makes Close and Shutdown return ErrProtected: the loop stops with its parent, or with the
	// mainthread.Run or RunLoop that made it.
	Protected bool
	// QueueLimit is how many calls may wait to start; Submit returns ErrFull beyond. 0: no limit. A call whose context is over does not count; where
	// thousands wait, that may be seen some milliseconds later.
	QueueLimit int
	// StallAfter is how long a task may keep the loop before it is reported through Logger. 0: one second; negative: never.
	StallAfter time.Duration
	// OnPanic gets the panics that no caller can receive: those of posted functions, of functions given to OnDone (of a call or a Waiter),
	// OnCancel and OnUndelivered, and of the function of a call that was abandoned. It runs where the panic was: on the loop, but for an
	// OnDone function's of a call that another goroutine has ended, as by Cancel while it was queued; that one runs it then. nil: such a panic
	// crashes the process, as in plain Go; only that of an abandoned call is logged.
	OnPanic func(*PanicError)
	// Logger gets reports; nil: slog.Default().
	Logger *slog.Logger
}

// A Loop is a portal to one place: an event loop on a goroutine or OS thread of its own, on a goroutine that the caller
// gives it, or inside a foreign loop.
//
// It runs what enters it, in one order: posted functions, calls, timers as they fall due. Each runs as a task: a function that may
// wait, with any of this package's waits, in straight-line code; meanwhile the loop runs others. Between two waits a
// task has the loop for itself, so what belongs to a loop needs no lock. Tasks never leave the loop's thread.
//
// All methods are safe for concurrent use, also from the loop's own tasks. It follows async-kernel's Caller and Prefect's
// EventLoopThread.
type Loop struct {
	s      *sched
	self   Portal // itself: see portalRef
	o      LoopOptions
	id     uint64
	parent *Loop
	queued atomic.Int64 // calls that wait to start, where there is a QueueLimit
	looks  looking      // at a full queue

	childMu turn.Mutex // one Child at a time; taken before mu

	mu       turn.Mutex
	children []*Loop
	guests   []*Loop
	hooks    []func(context.Context) error
	stop     stopLevel   // what was asked for
	stops    atomic.Bool // anything was; read without mu
	below    bool        // children and guests have stopped
	telling  int         // how many stops have functions of cancelled calls to run yet
	untold   *tells      // what the stop of one above has left to the loop's own
	driver   uint64      // the number of the goroutine that drives a Manual loop; kept while tasks are suspended on it
	driving  bool
	last     uint64 // the number of the last goroutine that drove it
	run      int    // counts the Runs
	locked   bool   // the driver's thread, by Run: the driver's
	hope     hope
	stoppers stoppers
	ended    *Event
	ending   atomic.Int32 // how many of the stop's own goroutines, and calls of a host's Post, are to return before it has ended

	// On the loop only.
	hook   *Call // the shutdown function that runs
	host   hostState
	locals localValues
}

// NewLoop makes a loop and starts it, unless it is Manual. Contradictory options and a negative QueueLimit panic. The loop lives
// until Close or Shutdown; one that is forgotten without either goes on.
func NewLoop(o *LoopOptions) *Loop {
	l := newLoop(o, nil)
	l.startLoop()
	l.firstTick()
	return l
}

var lastLoopID atomic.Uint64

func newLoop(o *LoopOptions, parent *Loop) *Loop {
	l := &Loop{parent: parent, id: lastLoopID.Add(1), ended: new(Event)}
	l.self = l
	if o != nil {
		l.o = *o
	}
	switch {
	case l.o.Host != nil && l.o.Thread:
		misuse("LoopOptions: Host and Thread exclude each other: a guest runs on its host's thread")
	case l.o.Host != nil && l.o.Manual:
		misuse("LoopOptions: Host and Manual exclude each other: a guest is driven by its host")
	case l.o.Host == Host((*Loop)(nil)):
		misuse("LoopOptions: Host is a nil *Loop")
	case isLoop(l.o.Host) && l.o.Host.(*Loop).s == nil:
		misuse("LoopOptions: Host is a zero Loop: make one with NewLoop")
	case l.o.QueueLimit < 0:
		misuse("LoopOptions: negative QueueLimit %d", l.o.QueueLimit)
	}
	if l.o.Name == "" {
		l.o.Name = "loop-" + strconv.FormatUint(l.id, 10)
	}
	l.s = newSched("loop "+strconv.Quote(l.o.Name), l)
	if l.o.Host == nil {
		l.s.signal = make(chan struct{}, 1)
	}
	if l.o.Thread {
		l.hope.thread = l.s
	}
	if l.o.StallAfter >= 0 {
		l.s.stall = newStall(l.s, l.o.StallAfter)
	}
	return l
}

func isLoop(h Host) bool { _, ok := h.(*Loop); return ok }

func (l *Loop) startLoop() {
	addLoop(l)
	switch {
	case l.o.Host != nil:
		l.startGuest()
	case l.o.Manual:
	case l.o.Thread:
		thread.Go(l.main)
	default:
		go l.main()
	}
}

// main is the goroutine of a loop that has its own.
func (l *Loop) main() {
	setLabels(context.Background()) // not those of who made it
	l.drive()
}

// drive runs the loop to its end.
func (l *Loop) drive() {
	l.s.drive()
	l.s.endIdle()
	l.gone()
}

// check panics for a loop that NewLoop did not make.
func (l *Loop) check() {
	if l == nil || l.s == nil {
		misuse("a nil or zero Loop: make one with NewLoop")
	}
}

// Submit has c run on the loop, after what was accepted before. It does not block. Errors: ErrStopped, ErrFull,
// ErrMismatch for a call that was submitted before; the call is then the caller's again.
func (l *Loop) Submit(c *Call) error { return l.submit(c, nil) }

// submit is Submit, but leaves functions of users to later, if that is not nil.
func (l *Loop) submit(c *Call, later *tells) error {
	l.check()
	if c == nil || c.kind == nil {
		misuse("Submit of a call that New did not make")
	}
	var queue *atomic.Int64
	if l.o.QueueLimit > 0 {
		if !l.reserve(later) {
			return refuse(ErrFull, "%s was refused by %v: %s to start: wait for one, or raise QueueLimit", callName(c), l,
				count(l.o.QueueLimit, "call waits", "calls wait"))
		}
		queue = &l.queued
	}
	some, err := c.accept(l, queue)
	if !some || err != nil {
		if queue != nil {
			queue.Add(-1)
		}
		return err
	}
	if l.s.send(c.item(), open) {
		return nil
	}
	// A delayed call is one that the loop has accepted before: it was due, and has got its places in a group.
	if maker := l.mayStillSubmit(c); maker != nil || c.has(flagDelayed) {
		closes := func() bool { return l.s.closing.Load() && (maker == nil || !maker.has(flagHook)) }
		if closes() && c.endsByStop(l.ended, later) {
			return nil
		}
		if l.s.send(c.item(), told) {
			if closes() {
				c.askToStop(later) // the Close that cancels everything may have passed
			}
			return nil
		}
	}
	c.unaccept(l, later)
	return refuse(ErrStopped, "%s was refused by %v: it %s", callName(c), l, stopsOrHas(l.ended))
}

// reserve counts one more call in the queue, if there is room.
func (l *Loop) reserve(later *tells) bool {
	if l.takeRoom() {
		return true
	}
	if !l.looks.due() {
		return false
	}
	began := time.Now()
	l.s.box.Sweep() // those that have ended are not to be looked at again the next time
	n := l.eachQueued(func(c *Call) { c.settledFor(later) })
	if l.takeRoom() {
		return true
	}
	l.looks.wasInVain(n, began)
	return false
}

// takeRoom counts one more call if it is within the limit; never one more, for a moment, that would keep another out.
func (l *Loop) takeRoom() bool {
	for {
		n := l.queued.Load()
		turn.Race(&l.queued)
		if n >= int64(l.o.QueueLimit) {
			return false
		}
		if l.queued.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// eachQueued calls f for the calls in the mailbox that have not ended, and returns how much there is in it.
func (l *Loop) eachQueued(f func(*Call)) (n int) {
	var calls []*Call
	l.s.box.Each(func(it item) bool {
		n++
		if deadItem(it) {
			return true
		}
		switch it.kind() {
		case itemCall:
			calls = append(calls, it.call())
		case itemDeed:
			if held, ok := it.deed().(dueHeld); ok {
				calls = append(calls, held.c)
			}
		}
		return true
	})
	each.Do(calls, f)
	return n
}

// Post has f run on the loop, as a task without a result: the cheapest way in, about 15 ns on a busy loop, including what the loop does to
// run it, and no allocation. It does not block. f may wait; when the loop is closed, its wait ends with ErrStopped. A panic of f goes to
// OnPanic. The error is ErrStopped.
//
// Where much comes from other processors, a loop that has nothing else to do lets more come, for at most some 12 µs, before it goes on; but not while
// a goroutine waits for one of its calls. Post follows async-kernel's call_direct.
func (l *Loop) Post(f func()) error {
	l.check()
	if f == nil {
		misuse("Post: nil function")
	}
	turn.At(turn.Submit, l)
	if !l.s.send(posted(f), open) {
		return refuse(ErrStopped, "%v takes no more functions: it %s", l, stopsOrHas(l.ended))
	}
	return nil
}

// submitAfter has c run on the loop in d.
func (l *Loop) submitAfter(c *Call, d time.Duration) error {
	l.check()
	var some bool
	var err error
	if c.has(flagHeld) { // it gets its places in groups with a Limit when it is due
		some, err = c.acceptDelayed()
	} else {
		some, err = c.accept(l, nil)
	}
	if !some || err != nil {
		return err
	}
	c.set(flagDelayed)
	l.mu.Lock()
	if !bug.DelaysAfterStop && l.stop != running {
		l.mu.Unlock()
		c.st.And(^uint32(flagDelayed))
		c.unaccept(l, nil)
		return refuse(ErrStopped, "%s was refused by %v: it %s", callName(c), l, stopsOrHas(l.ended))
	}
	if !c.done() {
		l.s.startTimer(&l.s.timers.delays, c.timer(), l.s.in(d)) // under mu: a stop that comes later finds it
	}
	l.mu.Unlock()
	if c.done() {
		c.dropTimer()
	}
	return nil
}

// A delayedPending is what After makes: the timer stands right before the call. It is found by that: a million timers may wait, and each
// word in them counts.
type delayedPending[T any] struct {
	timer timerheap.Timer
	Pending[T]
}

// timer returns the timer of a call that After has made.
func (c *Call) timer() *timerheap.Timer {
	return (*timerheap.Timer)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Sizeof(timerheap.Timer{}))))
}

// delayedCall returns the call whose timer t is.
func delayedCall(t *timerheap.Timer) *Call {
	return (*Call)(unsafe.Add(unsafe.Pointer(t), unsafe.Sizeof(*t)))
}

// due sends a delayed call into the mailbox, or has it get its places first.
func (c *Call) due(s *sched) {
	if c.has(flagHeld) {
		s.send(boxedDeed(dueHeld{c}), internal)
		return
	}
	s.send(c.item(), internal)
}

// A dueHeld is a delayed call that is due, and is to get its places.
type dueHeld struct{ c *Call }

func (d dueHeld) do(fb *fiber) { d.c.submitDue(fb.s.loop) }

// dropTimer takes the timer back: the call has ended.
func (c *Call) dropTimer() {
	s := portalAt(c.portal).(*Loop).s
	s.stopTimer(&s.timers.delays, c.timer())
}

// delayedCalls returns the calls of After that are not due yet, in the order of their times.
func (s *sched) delayedCalls() []*Call {
	var calls []*Call
	s.timers.mu.Lock()
	defer s.timers.mu.Unlock()
	s.timers.delays.Sorted(func(t *timerheap.Timer) { calls = append(calls, delayedCall(t)) })
	return calls
}

// Here reports whether the calling goroutine is on the loop: runs one of its tasks, or is the one that a foreign [Host] runs the loop on,
// also between the loop's tasks: then Do runs its call right there, and CurrentLoop is nil. A task of a loop that is the host is on that loop
// only. It follows Prefect's in_global_loop.
func (l *Loop) Here() bool {
	l.check()
	return l.here(self())
}

func (l *Loop) here(fb *fiber) bool {
	if fb != nil && fb.s == l.s {
		return true
	}
	return l.o.Host != nil && fb.plain() && l.onHost()
}

// ID returns a number that no other loop of the process has.
func (l *Loop) ID() uint64 {
	l.check()
	return l.id
}

// Name returns the loop's name.
func (l *Loop) Name() string {
	l.check()
	return l.o.Name
}

func (l *Loop) String() string {
	if l == nil || l.s == nil {
		return "no loop"
	}
	return l.s.name
}
