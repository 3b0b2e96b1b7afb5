package hop

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/inside"
	"github.com/gohop/hop/internal/turn"
)

// How a loop stops.
//
//	running ──Shutdown──▶ graceful ──its ctx ends, Close──▶ hard
//	   └───────Close────────────────────────────────────────▶ │
//	                          both: everything is finished ──▶ finished ──▶ ended
//
// stop is guarded by Loop.mu and only rises. Either stop raises the mailbox to told, so that from one moment on nothing
// from outside is accepted; what was accepted before is in the mailbox, and will be run, or has been cancelled, before the loop
// is at its end. The end is reached on the loop's own goroutine, in step, when there is nothing to run and no task is
// suspended: then the children have stopped, then the shutdown functions run as calls of their own, then the values
// of Locals are closed, then the mailbox, if it is empty, is sealed.
type stopLevel int

const (
	running stopLevel = iota
	graceful
	hard
	finished
)

// OnShutdown has f run on the loop when it stops, as a task, after everything else; several in the order of their
// registration, one after the other. What is registered meanwhile, by one of them or by the close of a [Local], is the last to run; on a loop that
// has stopped, f never runs. An error of f is logged. f must not wait for calls on the loop other than those it makes with its ctx. It follows
// Prefect's add_event_loop_shutdown_callback.
func (l *Loop) OnShutdown(f func(context.Context) error) {
	l.check()
	if f == nil {
		misuse("OnShutdown: nil function")
	}
	l.mu.Lock()
	l.hooks = append(l.hooks, f)
	l.mu.Unlock()
}

// Shutdown stops the loop in order: it accepts no more, but what unfinished calls of the loop or its children still
// start with their ctx; children finish first; everything that was accepted is finished, suspended tasks too; calls
// of After that are not due are cancelled; the OnShutdown functions run. Shutdown waits for the end; a Manual loop needs somebody who drives it to that. If ctx ends first,
// the rest is cancelled, and Shutdown returns at once with an error that is ctx's and says how many calls that were, and which
// functions of abandoned calls still run: a loop waits for these, as its goroutine does.
//
// It may be called many times, from anywhere. From a task of the loop, or one that the loop's tasks wait for, it starts
// the stop and returns ErrDeadlock, since it would wait for itself. ErrProtected: see LoopOptions. It follows
// http.Server.Shutdown.
func (l *Loop) Shutdown(ctx context.Context) error {
	l.check()
	if ctx == nil {
		misuse("nil context")
	}
	if l.o.Protected {
		return refuse(ErrProtected, "%v is protected: it stops with its parent or with what made it", l)
	}
	return l.shutdown(ctx)
}

func (l *Loop) shutdown(ctx context.Context) error {
	l.beginStop(graceful)
	l.closeHere(false) // a function of a call that it has cancelled may have called Close
	err := l.awaitEnd(ctx)
	if err == errNeeded {
		return refuse(ErrDeadlock, "Shutdown of %v is called by what it would wait for; the stop has begun: wait for Stopped elsewhere", l)
	}
	if err == nil || ctx.Err() == nil {
		return err
	}
	n, left := l.unfinishedBelow(), l.abandonedBelow()
	l.beginStop(hard)
	if l.o.Manual {
		l.closeUndriven(false)
	}
	if n == 0 && len(left) == 0 && l.ended.IsSet() {
		return nil
	}
	return refuse(endedWait("the shutdown", ctx), "shutdown of %v: %s%s: %v", l, count(n, "call was cancelled", "calls were cancelled"),
		stillRun(left), causeOf(ctx))
}

// Close stops the loop as Shutdown does, but cancels everything first: its calls end with a [CancelError] whose cause is
// ErrStopped, and waits of its tasks end, those of posted functions with ErrStopped. It returns when the functions that run
// have returned; a call that waits for the end of another place, in its Close, or in its Shutdown with a context that does not end with the
// call, has that wait first. A Manual loop that nobody drives is closed here; if its driver has left suspended tasks behind and is another
// goroutine, their calls end, and their stacks stay, which is logged. Errors are those of Shutdown.
func (l *Loop) Close() error {
	l.check()
	if l.o.Protected {
		return refuse(ErrProtected, "%v is protected: it stops with its parent or with what made it", l)
	}
	return l.close()
}

func (l *Loop) close() error {
	l.beginStop(hard)
	l.closeHere(true)
	if err := l.awaitEnd(context.Background()); err != errNeeded {
		return err
	}
	return refuse(ErrDeadlock, "Close of %v is called by what it would wait for; the stop has begun: wait for Stopped elsewhere", l)
}

// stopsOrHas says of a place that is being stopped whether it has come to its end.
func stopsOrHas(ended *Event) string {
	if ended.IsSet() {
		return "has stopped"
	}
	return "stops"
}

// closeHere is closeUndriven where a task of a Manual loop may wait for the caller.
func (l *Loop) closeHere(waits bool) {
	runs := func(p party) bool { return p.fb != nil && l.runs(p.fb) }
	if l.o.Manual && (!(party{self(), goid.Self()}.neededBy(runs)) || !l.drivenHere()) {
		l.closeUndriven(waits)
	}
}

// drivenHere reports whether the end of the loop, a Manual one, would run on the calling goroutine: it was the last to drive it.
func (l *Loop) drivenHere() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.driver == goid.Number() || l.last == goid.Number()
}

// Stopped returns a channel that is closed when the loop has stopped.
func (l *Loop) Stopped() <-chan struct{} {
	l.check()
	return l.ended.done()
}

// beginStop raises what is asked for.
func (l *Loop) beginStop(to stopLevel) {
	defer known()()
	var later tells
	defer later.tell()
	l.askToStop(to, &later)
}

// askToStop is beginStop, but for functions of users, and for what comes after these, which are left to later.
func (l *Loop) askToStop(to stopLevel, later *tells) {
	turn.At(turn.Stop, l)
	l.askHost()
	l.mu.Lock()
	if l.stop >= to {
		l.mu.Unlock()
		return
	}
	first := l.stop == running
	l.stop = to
	l.telling++
	untold := l.untold
	l.untold = nil
	l.stops.Store(true)
	below := slices.Concat(l.children, l.guests)
	l.mu.Unlock()
	leave := l.enterStop()
	if untold != nil {
		later.follow(untold)
	}
	late := l.s.delayedCalls()
	if !bug.SealsBlind {
		l.s.box.Raise(told)
	}
	if bug.ForgetsDelayed {
		late = nil
	}
	if first {
		l.ending.Add(1)
	}
	under := new(tells) // what is for stopBelow to tell
	// Deferred, the last first, since a cause, which is a user's, is asked whether it is another, and may end the goroutine.
	defer later.then(func() {
		defer leave()
		defer l.s.send(posted(func() {}), internal) // look again
		l.mu.Lock()
		l.telling--
		l.mu.Unlock()
		if first {
			go l.stopBelow(below, to, under) // only now: after it the shutdown functions run, which a Close does not cancel
		}
	})
	if to == hard {
		if !first {
			defer l.closeUndrivenBelow(below)
		}
		defer l.cancelAll(later)
		defer each.Do(below, func(b *Loop) { b.askToStop(hard, later) })
	} else {
		// Those below stop later, but what they were to do later is cancelled by this stop, as the loop's own is.
		defer later.hasten(under)
		defer each.Do(below, func(b *Loop) { b.askDelayed(under) })
	}
	later.cancel(late, ErrStopped)
}

// askDelayed cancels the calls of After that are not due, of the loop and of those below it. Their functions are left to the stop of their loop, which
// comes, or to later if it has come.
func (l *Loop) askDelayed(later *tells) {
	l.mu.Lock()
	below := slices.Concat(l.children, l.guests)
	l.mu.Unlock()
	defer each.Do(below, func(b *Loop) { b.askDelayed(later) })
	if bug.ForgetsDelayed {
		return
	}
	own := new(tells)
	defer func() {
		later.hasten(own)
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case l.stop != running:
			later.follow(own)
		case l.untold == nil:
			l.untold = own
		default:
			l.untold.follow(own)
		}
	}()
	own.cancel(l.s.delayedCalls(), ErrStopped)
}

// cancelAll cancels every call of the loop: those that can be reached from here at once, whatever the loop does, and the
// suspended ones on the loop. A task that is about to wait, and then does not, or that is resumed before stopWaits, cancels
// its own when it sees cutting: it is set before the look at the tasks here, and seen after the task's wait has ended, so one of the two finds them.
func (l *Loop) cancelAll(later *tells) {
	turn.Race(l.s)
	l.s.cutting.Store(true)
	l.s.closing.Store(true)
	defer l.s.send(boxedDeed(stopWaits{}), internal)
	defer func() {
		var calls []*Call
		l.s.coros.each(func(co *coro) {
			if !co.wait.standing() {
				calls = append(calls, co.calls()...)
			}
		})
		later.cancel(l.own(calls), ErrStopped)
	}()
	var queued []*Call
	l.eachQueued(func(c *Call) {
		if !c.has(flagHook) { // a shutdown function that has not begun runs all the same
			queued = append(queued, c)
		}
	})
	later.cancel(queued, ErrStopped)
}

// own returns those of calls that are the loop's. It takes the slice.
func (l *Loop) own(calls []*Call) []*Call {
	return slices.DeleteFunc(calls, func(c *Call) bool { return c.Portal() != Portal(l) })
}

// wentOn is told that a task goes on after a wait, or does not come to wait.
func (c *coro) wentOn() {
	if c.s.cutting.Load() {
		c.cut()
	}
}

// cut cancels the task's calls that are the loop's.
func (c *coro) cut() { cancelEach(c.s.loop.own(c.calls()), ErrStopped) }

// stopWaits cancels the suspended tasks and ends their waits.
type stopWaits struct{}

func (stopWaits) do(fb *fiber) {
	s := fb.s
	s.cutting.Store(false)
	var tasks []*coro
	var calls []*Call
	for c := range s.coros.suspended {
		tasks = append(tasks, c)
		calls = append(calls, c.calls()...)
	}
	var later tells
	defer later.tell()
	defer func() {
		for _, c := range tasks {
			c.wait.wakeAs(c.wait.seq(), stopped)
		}
	}()
	later.cancel(calls, ErrStopped)
}

// unfinishedBelow counts those of the loop and of those below it.
func (l *Loop) unfinishedBelow() (n int) {
	l.eachBelow(func(b *Loop) { n += b.unfinished() })
	return n
}

// eachBelow calls f for the loop and those below it.
func (l *Loop) eachBelow(f func(*Loop)) {
	l.mu.Lock()
	below := slices.Concat(l.children, l.guests)
	l.mu.Unlock()
	slices.SortFunc(below, func(a, b *Loop) int { return cmp.Compare(a.id, b.id) })
	f(l)
	for _, b := range slices.Compact(below) {
		b.eachBelow(f)
	}
}

// abandonedBelow returns the calls of the loop, and of those below it, that were abandoned and whose functions run on: they keep it from its end.
func (l *Loop) abandonedBelow() []*Call {
	var calls []*Call
	l.eachBelow(func(b *Loop) {
		b.s.coros.each(func(co *coro) { calls = append(calls, co.calls()...) })
	})
	return slices.DeleteFunc(calls, func(c *Call) bool { return !c.out() })
}

// stillRun goes on a text with the functions of abandoned calls.
func stillRun(calls []*Call) string {
	const most = 3
	var names []string
	for _, c := range calls {
		names = append(names, strconv.Quote(c.Name()))
	}
	slices.Sort(names) // they come in no order
	switch n := len(names); {
	case n == 0:
		return ""
	case n == 1:
		return ", and the function of the abandoned call " + names[0] + " still runs"
	case n > most:
		names = append(names[:most], count(n-most, "other", "others"))
	}
	last := len(names) - 1
	return ", and the functions of the abandoned calls " + strings.Join(names[:last], ", ") + " and " + names[last] + " still run"
}

// unfinished counts the calls and functions that are not done.
func (l *Loop) unfinished() int {
	n := 0
	l.s.coros.each(func(co *coro) {
		calls := co.calls()
		if len(calls) == 0 && co.wait.standing() || slices.ContainsFunc(calls, func(c *Call) bool { return !c.done() }) {
			n++ // the function of an abandoned call is none
		}
	})
	l.s.box.Each(func(it item) bool {
		if c := it.asCall(); c != nil && c.raw() <= Queued { // one that runs may still be shown
			n++
		}
		return true
	})
	return n
}

// stoppers are the goroutines that begin the stop of a place: functions of users run there, and a wait for its end would keep it from going on.
type stoppers struct {
	mu turn.Mutex
	gs []uintptr
}

// stopping are the stoppers of all loops.
var stopping stoppers

// known has hop know the calling goroutine, which begins a stop, until unknown: functions of users run there, and who waits for what keeps them waiting
// is to find it.
func known() (unknown func()) {
	if self() != nil || onAnyHost() {
		return func() {}
	}
	return enter().exit
}

// enterStop says that the calling goroutine begins the stop of the loop, until leave.
func (l *Loop) enterStop() (leave func()) {
	this, all := l.stoppers.enter(), stopping.enter()
	return func() {
		this()
		all()
	}
}

func (s *stoppers) enter() (leave func()) {
	g := goid.Self()
	s.mu.Lock()
	s.gs = append(s.gs, g)
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		i := slices.Index(s.gs, g)
		s.gs = slices.Delete(s.gs, i, i+1)
		s.mu.Unlock()
	}
}

func (s *stoppers) here() bool { return s.has(goid.Self()) }

func (s *stoppers) has(g uintptr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.gs, g)
}

// mayStillSubmit returns the call for which a stopping loop accepts c: one of the loop, or of a loop below it, that is not
// finished and under which c was made; of several, a shutdown function if there is one. nil: c is refused.
func (l *Loop) mayStillSubmit(c *Call) (maker *Call) {
	for a := anchorOf(c.parent()); a.call != nil; a = anchorOf(a.call.parent()) {
		if a.call.done() {
			continue
		}
		on, ok := a.call.Portal().(*Loop)
		if fb := a.call.fb.Load(); !ok && fb != nil && fb.s != nil && fb.s.loop != nil {
			on, ok = fb.s.loop, true // it runs in one of the loop's tasks, or was sent to a Waiter with which one waits
		}
		if ok && on.within(l) && (maker == nil || a.call.has(flagHook)) {
			maker = a.call
		}
	}
	return maker
}

// within reports whether l is top, or below it as a child or guest.
func (l *Loop) within(top *Loop) bool {
	for l != nil {
		if l == top {
			return true
		}
		if h, ok := l.o.Host.(*Loop); ok && h.within(top) {
			return true
		}
		l = l.parent
	}
	return false
}

// runs reports whether fb runs a task of the loop or of one below it.
func (l *Loop) runs(fb *fiber) bool {
	return fb.s != nil && fb.s.loop != nil && fb.s.loop.within(l)
}

func init() {
	inside.StopLoop = func(loop any, ctx context.Context) error { return loop.(*Loop).shutdown(ctx) }
}
