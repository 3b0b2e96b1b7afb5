package hop

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/mailbox"
)

// A Host is a foreign event loop that a [Loop] runs inside as a guest: a GUI toolkit's, a JavaScript engine's. A *Loop is a
// Host too, so loops nest.
//
// Post has f run by the host, one after another, always at the same depth of C calls, on one goroutine: that of a toolkit is locked to its thread, an event
// loop in Go need not lock its own. It must be safe from any goroutine, return at once, not run f itself, and not wait for anything of hop's. An error says
// that the host takes no more; its guests then end: every call in them with ErrStopped. Functions that were posted and have not run are dropped. A panic counts
// as an error, and so does a runtime.Goexit. Before a guest has stopped, its calls of Post have returned.
//
// hop holds no lock while it calls Post. Who sends to a guest that has nothing to do, by Go or the loop's Post, calls it on his own goroutine, as the host does
// when a tick is not through. Where a task is to go on, or a timer is due, a goroutine of hop's calls it: a Post that is slow, or ends the goroutine,
// keeps nobody there but the guest.
//
// It follows async-kernel's hosts and trio's guest mode.
type Host interface {
	Post(f func()) error
}

// A guest is driven in ticks: functions posted to the host, each of which runs a bounded number of items for a bounded time, so that
// the host's own work and other guests get their turns. Only one tick is on its way at a time: it is posted by whoever sends
// to a mailbox that sleeps, or by the tick before that has not finished.
const (
	tickItems = 64
	tickTime  = 4 * time.Millisecond
)

type hostState struct {
	state atomic.Int32   // tickIdle, ticking, hostDead
	again bool           // a tick came while one ran
	g     atomic.Uintptr // the goroutine that runs the ticks, where it is none that hop knows,
	n     atomic.Uint64  // and its number, since another may get its identity when it has ended
	fail  atomic.Pointer[error]
	call  atomic.Pointer[Call] // in which the foreign loop runs, if it runs in one
}

const (
	tickIdle = iota
	ticking
	hostDead
)

func (l *Loop) startGuest() {
	if !isLoop(l.o.Host) {
		foreignHosts.Store(true)
	}
	l.s.notify = l.callHost
	l.s.box.Sleep()
	if h, ok := l.o.Host.(*Loop); ok {
		h.check()
		if !h.addGuest(l) {
			l.hostFailed(refuse(ErrStopped, "%v takes no guests: it %s", h, stopsOrHas(h.ended)))
			return
		}
	}
}

// firstTick has a guest know its host's goroutine. It is apart from startGuest since that may run under a lock, and a host's Post must not.
func (l *Loop) firstTick() {
	if l.o.Host != nil {
		l.s.send(posted(func() {}), open)
	}
}

func (l *Loop) addGuest(g *Loop) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != running {
		return false
	}
	l.guests = append(l.guests, g)
	return true
}

// callHost has the host run a tick, for what was sent with level. If that is internal, the sender may hold locks, and a Post of a user's may do anything.
func (l *Loop) callHost(level mailbox.Level) {
	if h, ok := l.o.Host.(*Loop); ok {
		if !h.s.sendFor(level, posted(l.tick)) {
			go l.hostFailed(refuse(ErrStopped, "%v has stopped", h))
		}
		return
	}
	l.ending.Add(1)
	if level < internal {
		l.postTick()
	} else {
		go l.postTick()
	}
}

// postTick posts a tick to a host of the user's. A panic there is an error like another, and so is the end of the goroutine.
func (l *Loop) postTick() {
	defer l.end()
	var err error
	returned := false
	defer func() {
		if !returned {
			if r := recover(); r != nil {
				err = panicked(r)
			} else {
				err = refuse(ErrGoexit, "its Post ended the goroutine with runtime.Goexit")
			}
		}
		if err != nil {
			go l.hostFailed(err) // functions of users run there
		}
	}()
	err = l.o.Host.Post(l.tick)
	returned = true
}

// tick runs on the host.
func (l *Loop) tick() {
	if !l.host.state.CompareAndSwap(tickIdle, ticking) {
		// The host runs its own loop inside a task of ours. Tasks cannot be switched there: later.
		l.host.again = true
		return
	}
	switch fb := self(); {
	case fb == nil:
		l.host.g.Store(goid.Self())
		l.host.n.Store(goid.Number())
		if l.host.call.Load() != nil {
			l.host.call.Store(nil) // it runs in that no more
		}
	case !isLoop(l.o.Host) && !fb.isTaskUnder(l.o.Host): // else in a task of another guest of its own, for now
		if c := fb.cur.Load(); c != l.host.call.Load() { // the foreign loop runs in it
			l.host.call.Store(c)
			hostsInCalls.Store(true)
		}
	}
	s := l.s
	s.budget, s.tickBegan = tickItems, time.Now()
	s.drive()
	more := s.budget == 0 || l.host.again
	l.host.again = false
	if s.over {
		s.endIdle()
		l.gone()
		return
	}
	if s.stall != nil {
		s.stall.idle() // what keeps the host until the next tick is no task of the guest's
	}
	l.host.state.Store(tickIdle)
	if err := l.host.fail.Load(); err != nil {
		l.hostFailed(*err)
	} else if more {
		l.callHost(open)
	}
}

// isTaskUnder reports whether the goroutine is a task of one of the guests of h, or of theirs.
func (fb *fiber) isTaskUnder(h Host) bool {
	if fb.s == nil || fb.s.loop == nil {
		return false
	}
	l := fb.s.loop
	for isLoop(l.o.Host) {
		l = l.o.Host.(*Loop)
	}
	return l.o.Host != nil && sameHost(l.o.Host, h)
}

// askHost has a foreign host run a tick, as the loop is to stop, though one may be on its way: the host may have ended, and dropped that. It says so then.
// After the loop has ended there is none.
func (l *Loop) askHost() {
	if l.o.Host == nil || isLoop(l.o.Host) {
		return
	}
	l.mu.Lock()
	left := l.stop != finished
	if left {
		l.ending.Add(1)
	}
	l.mu.Unlock()
	if left {
		go l.postTick()
	}
}

// leaveGuests is told, by the goroutine that drives l, a Manual loop, that it leaves: the coroutines of l's guests, and of theirs, which have no task end, as its
// own do, since another goroutine may drive l next. It returns how many tasks are suspended there, which only this goroutine can resume.
func (l *Loop) leaveGuests() (tasks int) {
	l.mu.Lock()
	guests := slices.Clone(l.guests)
	l.mu.Unlock()
	for _, g := range guests {
		if g.host.state.CompareAndSwap(tickIdle, ticking) { // as a tick: else who finds that the host has failed may look at the same
			g.s.endIdle()
			tasks += g.s.tasks
			g.host.state.Store(tickIdle)
			if err := g.host.fail.Load(); err != nil {
				g.hostFailed(*err)
			}
		}
		tasks += g.leaveGuests()
	}
	return tasks
}

// hostsInCalls says that there was a foreign loop that ran in a call. Until then no wait in a call is looked at for that.
var hostsInCalls atomic.Bool

// foreignHosts says that there was a host that is no loop of hop's. Until then no wait for several calls is looked at for that.
var foreignHosts atomic.Bool

// needsHost reports whether c is to run on a guest whose foreign host's own goroutine is the caller's, fb or one that hop does not know: while that
// waits, c does not end. Like settled it may run functions of users.
//
//go:noinline
func (c *Call) needsHost(fb *fiber) bool { return c.onGuestOf(fb) && !c.settled() }

// onGuestOf is needsHost of a call that may have ended, since its function may run on.
func (c *Call) onGuestOf(fb *fiber) bool {
	l, ok := c.Portal().(*Loop)
	return ok && l.hostIs(fb)
}

// hostIs reports whether the calling goroutine, fb or one that hop does not know, is the own one of the foreign host that drives the loop.
func (l *Loop) hostIs(fb *fiber) bool {
	if l.o.Host == nil {
		return false
	}
	return fb.plain() && l.onHost() || fb != nil && hostsInCalls.Load() && l.hostedBy(fb)
}

// plain reports whether the goroutine is neither a task nor a worker, so it may be a host's own: hop may know it all the same, as where Inline or Call.Run
// runs a call there. fb may be nil.
func (fb *fiber) plain() bool { return fb == nil || fb.s == nil && fb.w == nil }

// onHost reports whether the calling goroutine, which hop does not know, is the host's own.
func (l *Loop) onHost() bool {
	if h, ok := l.o.Host.(*Loop); ok { // a guest's guest
		return h.o.Host != nil && !l.ended.IsSet() && h.onHost()
	}
	return l.host.g.Load() == goid.Self() && l.host.n.Load() == goid.Number() && !l.ended.IsSet()
}

// onAnyHost reports whether the calling goroutine, which hop does not know, is the own one of some foreign host: as that it is known in another way.
func onAnyHost() bool {
	return foreignHosts.Load() && slices.ContainsFunc(Loops(), func(l *Loop) bool { return l.hostIs(nil) })
}

// hostedBy reports whether fb, which is the caller's, is the goroutine of a foreign loop that runs in a call, and that drives l.
func (l *Loop) hostedBy(fb *fiber) bool {
	for l.o.Host != nil && !l.ended.IsSet() {
		if c := l.host.call.Load(); c != nil {
			return fb.runs(c)
		}
		h, ok := l.o.Host.(*Loop)
		if !ok {
			return false
		}
		l = h
	}
	return false
}

// hostFailed ends a guest whose host takes no more ticks. Its tasks cannot be resumed, so they cannot unwind.
func (l *Loop) hostFailed(err error) {
	var later tells
	defer later.tell()
	l.askHostFailed(err, &later)
}

// askHostFailed is the rest of hostFailed, but for functions of users, and for what comes after these, which are left to later.
func (l *Loop) askHostFailed(err error, later *tells) {
	l.host.fail.Store(&err)
	if !l.host.state.CompareAndSwap(tickIdle, hostDead) {
		return // the tick that runs sees to it, or it has been seen to
	}
	defer l.askStranded(refuse(ErrStopped, "the host of %v has failed: %v", l, err), later)
	l.askToStop(hard, later) // so that what is below ends first
}

// strand ends a loop that is being closed and that nobody can drive any more. Its calls end; what it has suspended cannot be resumed, so it cannot
// unwind: that is logged.
func (l *Loop) strand(cause error) {
	var later tells
	defer later.tell()
	l.askStranded(cause, &later)
}

// askStranded is strand, but for functions of users, and for what comes after these, which are left to later.
func (l *Loop) askStranded(cause error, later *tells) {
	leave := l.enterStop()
	l.mu.Lock()
	l.stop = finished
	hooks := len(l.hooks)
	var calls []*Call
	guests := slices.Clone(l.guests)
	l.mu.Unlock()
	s := l.s
	s.closing.Store(true)
	calls = append(calls, s.delayedCalls()...) // first: what is taken from the timers after this is sent in vain, what was before is in the mailbox
	s.box.Raise(dead)
	l.eachQueued(func(c *Call) { calls = append(calls, c) })
	var lost []string
	for c := range s.coros.suspended {
		top := c.cur.Load()
		lost = append(lost, callName(top))
		calls = append(append(calls, c.under...), top)
	}
	// Deferred, the last first, since a cause, which is a user's, is asked whether it is another, and may end the goroutine.
	defer later.then(func() {
		defer leave()
		locals := l.locals.len()
		l.gone()
		if len(lost) > 0 || hooks > 0 || locals > 0 {
			s.logger().Error("hop: a loop has lost its thread: what it had suspended cannot be unwound",
				"loop", l.o.Name, "err", cause, "tasks", lost, "shutdown functions", hooks, "locals", locals)
		}
	})
	defer each.Do(guests, func(g *Loop) { g.askHostFailed(cause, later) }) // a tick of theirs may have been in the mailbox
	calls = slices.DeleteFunc(calls, func(c *Call) bool { return c == nil })
	each.Do(calls, func(c *Call) {
		defer func() { c.finishAs(Cancelled, c.cancelled(cause), later) }()
		later.cancel([]*Call{c}, cause)
	})
}
