package hop

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/mailbox"
	"github.com/gohop/hop/internal/turn"
)

// A sched runs tasks on one goroutine: a Loop's, or one that waits and runs meanwhile what is sent to it.
//
// Everything that enters goes through one mailbox, in one order: posted functions, calls, timers that fall due,
// and tasks to be resumed. Senders touch the mailbox and the timers only; the rest belongs to the goroutine that drives, and
// to the coroutines that it resumes, of which only one runs at a time. See task.go for how they take turns.
//
// Who may send is the mailbox's level:
//
//	open      anybody
//	told      calls made by calls that are not finished (a stop)
//	internal  resumptions, calls that are due and the stop's own functions (a Waiter whose wait is over)
//	dead      nobody
//
// Who sends with a lower level than internal holds no lock of hop's.
type sched struct {
	box    mailbox.Box[item]
	name   string
	loop   *Loop   // whose it is,
	waiter *Waiter // or this one's
	stall  *stall

	// How the driver is made to look at the mailbox when it has stopped looking.
	signal chan struct{}       // it sleeps in a receive from it
	notify func(mailbox.Level) // it has returned; this calls it again, for what was sent with the level

	closing atomic.Bool // waits of posted functions are refused
	cutting atomic.Bool // cancelAll has begun to look at the tasks, and stopWaits has not
	halt    atomic.Bool // Run is to return
	hurried atomic.Bool // a goroutine waits for what was sent
	asleep  atomic.Bool // the driver is in its receive from signal; only of a locked thread

	coros coroList // all of them, for others to look at

	timers timers

	driver atomic.Pointer[fiber] // the goroutine that drives, where that is a call's: RunLoop, Run

	hub atomic.Pointer[Call] // who tells the loop's calls of the end of their context

	// The driver's.
	top       *coro   // the coroutine that runs
	depth     int     // how many are below it, itself included
	target    *coro   // a coroutine below that is to go on
	pending   item    // taken from the mailbox by one coroutine for another to run
	idle      []*coro // coroutines without a task
	ready     ready   // tasks to resume after the batch, before what is sent
	rush      rush    // and those that go before the batch, where there are very many
	tasks     int     // how many are suspended
	over      bool    // tasks and messages are at their end: unwind
	missed    int     // how often spinning was in vain, in a row
	pace      pace    // how long it gathers
	budget    int     // how many items more in this tick of a guest; negative: no bound
	tickBegan time.Time
}

// Levels of the mailbox.
const (
	open mailbox.Level = iota
	told
	internal
	dead
)

// deadItem reports that it is to run a call which has ended: to do it does nothing. It is asked under a mailbox's lock, and takes none.
func deadItem(it item) bool {
	switch it.kind() {
	case itemCall:
		return it.call().done()
	case itemDeed:
		if held, ok := it.deed().(dueHeld); ok {
			return held.c.done()
		}
	}
	return false
}

type postedDeed func()

func (f postedDeed) do(fb *fiber) {
	returned := false
	defer func() {
		if !returned {
			if r := recover(); r != nil {
				fb.s.escaped(panicked(r))
			}
		}
	}()
	f()
	returned = true
}

func newSched(name string, l *Loop) *sched {
	s := &sched{name: name, loop: l, budget: -1, timers: timers{epoch: time.Now()}}
	s.box.Dead = deadItem
	return s
}

func (s *sched) String() string { return s.name }

// send puts it into the mailbox and wakes the driver if it sleeps; false: the mailbox takes nothing of this level.
func (s *sched) send(it item, level mailbox.Level) bool {
	ok, wake := s.box.Push(it, level)
	if wake {
		s.awaken(level)
	}
	return ok
}

// sendFor is send of a guest's tick, for what was sent to the guest with level: a guest must be able to stop in order while its host does.
func (s *sched) sendFor(level mailbox.Level, tick item) bool {
	ok, wake := s.box.Push(tick, internal)
	if wake {
		s.awaken(level)
	}
	return ok
}

func (s *sched) awaken(level mailbox.Level) {
	if s.notify != nil {
		s.notify(level)
		return
	}
	s.signal <- struct{}{}
}

// resumeLater has a suspended task go on when its turn comes. Most often it is a task of the same loop that says so. If all
// was taken from the mailbox then, whatever is sent comes after: the task has its place in the one order, which is the batch, ready, the mailbox.
func (s *sched) resumeLater(c *coro) {
	if runtime.GOARCH != "wasm" { // where next lets others run each time it asks the mailbox
		if fb := self(); fb != nil && fb.s == s && fb.wait.co != nil && s.box.Quiet() { // a host's own goroutine has no wait.co, and does not drive
			s.ready.push(c)
			return
		}
	}
	s.send(c.item(), internal)
}

// next returns what to do next; none: nothing, the driver is to unwind. It may sleep.
func (s *sched) next() item {
	if it := s.pending; !it.none() {
		s.pending = item{}
		return it
	}
	if s.budget == 0 || s.halt.Load() {
		return item{} // the host has a turn, or Run is to return
	}
	s.budget--
	if s.budget > 0 && s.budget%4 == 0 && time.Since(s.tickBegan) > tickTime {
		s.budget = 0 // a host's turn comes after some items or some time, whichever is first
	}
	if s.tasks >= crowd || s.rush.on {
		if c := s.nextDue(); c != nil {
			return c.item()
		}
	}
	for {
		if it, ok := s.box.Next(); ok {
			if s.tasks >= cold {
				s.fetchSent()
			}
			return it
		}
		if c := s.ready.pop(); c != nil {
			if s.tasks >= cold {
				s.ready.fetch()
			}
			return c.item()
		}
		if runtime.GOARCH == "wasm" {
			runtime.Gosched() // nothing else takes the one thread from a loop that is busy
		}
		turn.At(turn.Take, s)
		s.gather()
		if s.box.Refill() {
			continue
		}
		if s.loop != nil && s.loop.step() {
			continue
		}
		if s.rush.on {
			if c := s.lastDue(); c != nil {
				return c.item()
			}
		}
		if s.over || !s.sleep() {
			return item{}
		}
	}
}

// nextPosted returns what is to be done next if that is another posted function of the batch; nil: ask next.
func (s *sched) nextPosted() func() {
	if !s.pending.none() || s.target != nil || s.budget >= 0 || s.rush.on || s.halt.Load() {
		return nil
	}
	it, ok := s.box.Next()
	if !ok {
		return nil
	}
	if it.kind() != itemPosted {
		s.pending = it
		return nil
	}
	return it.function()
}

// How long the driver looks for more before it sleeps. A locked thread spins: see spin.go; when that has been in vain several
// times in a row it stops, but for a try from time to time, until one is of use again. Another goroutine lets others
// run a few times instead: it is they who send.
const (
	driverRounds = 2500
	vainTries    = 4
	retryEvery   = 16
	driverYields = 8
)

// sleep waits for messages or a timer; false: the driver has to return instead, and will be called.
func (s *sched) sleep() bool {
	if s.notify != nil {
		if !s.box.Sleep() {
			return true
		}
		s.dropHub()
		if s.stall != nil {
			s.stall.idle()
		}
		return false
	}
	if fb := s.driver.Load(); fb != nil && s.top != nil && (fb.w != nil || fb.hasPlaces()) {
		return false // only the driver itself can give its places back
	}
	if len(s.idle) > maxIdle {
		if s.top != nil && s.top.task {
			return false // not on the stack of a task: further down
		}
		s.shed()
	}
	if s.spin() {
		return true
	}
	if !s.box.Sleep() {
		return true
	}
	s.dropHub()
	if s.stall != nil {
		s.stall.idle()
	}
	if !s.spins() {
		s.receive()
		return true
	}
	s.asleep.Store(true)
	s.receive()
	s.asleep.Store(false)
	return true
}

// receive sleeps until something has come.
func (s *sched) receive() {
	if fb := s.driver.Load(); fb != nil && s.top == nil {
		fb.receiveAside(s.signal)
		return
	}
	<-s.signal
}

// receiveAside receives from ch, and gives the places of the goroutine, whose calls wait meanwhile, back.
func (fb *fiber) receiveAside(ch <-chan struct{}) {
	if fb.hasPlaces() {
		fb.stepAside()
		defer fb.stepBack()
	}
	if fb.w != nil && !bug.KeepsPlace {
		fb.w.stepAside()
		defer fb.w.stepBack()
	}
	<-ch
}

// spins reports whether the driver is a locked thread, which spins before it sleeps.
func (s *sched) spins() bool { return s.loop != nil && s.loop.o.Thread }

// spin watches the mailbox for a moment; true: something has come.
func (s *sched) spin() bool {
	if turn.Directed() {
		return false
	}
	if !s.spins() {
		for range driverYields {
			runtime.Gosched()
			if s.box.Came() {
				return true
			}
		}
		return false
	}
	if s.missed >= vainTries {
		s.missed++
		if s.missed < vainTries+retryEvery {
			return false
		}
		s.missed = vainTries - 1
	}
	if !maySpin() {
		return false
	}
	defer spinners.Add(-1)
	for range driverRounds {
		if s.box.Came() {
			s.missed = 0
			return true
		}
		goid.Pause(spinPauses)
	}
	s.missed++
	return false
}

// hasOnPanic reports whether s, which may be nil, is of a loop that has an OnPanic.
func (s *sched) hasOnPanic() bool { return s != nil && s.loop != nil && s.loop.o.OnPanic != nil }

// escaped handles a panic that nobody can receive; s may be nil.
func (s *sched) escaped(p *PanicError) {
	if s.hasOnPanic() {
		returned := false
		defer func() {
			if !returned {
				if r := recover(); r != nil {
					crash(panicked(r))
				}
			}
		}()
		s.loop.o.OnPanic(p)
		returned = true
		return
	}
	crash(p)
}

// crash ends the process as an unrecovered panic does. It panics on a goroutine of its own, where nothing recovers; the
// original stack is in the text. That is made before, since the value's part in it is a user's, and may end the goroutine.
func crash(p *PanicError) {
	go func() {
		text := fmt.Sprintf("hop: a function panicked with a value of type %T, whose text ended the goroutine\n\n%s", p.Value, p.Stack)
		defer func() { panic(text) }()
		text = p.Error()
	}()
	select {}
}

func (s *sched) logger() *slog.Logger {
	if s != nil && s.loop != nil {
		return logger(s.loop.o.Logger)
	}
	return logger(nil)
}

func logger(l *slog.Logger) *slog.Logger {
	if l != nil {
		return l
	}
	return slog.Default()
}

func panicked(r any) *PanicError { return &PanicError{Value: r, Stack: debug.Stack()} }
