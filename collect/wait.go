package collect

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// When says what [Wait] waits for.
type When int

const (
	// AllDone waits for all of the calls.
	AllDone When = iota

	// FirstDone waits until one of the calls is done, whatever its outcome.
	FirstDone

	// FirstFailed waits until one of the calls has failed or was cancelled (a timeout cancels), or all are done.
	FirstFailed
)

// String returns the name of the constant.
func (w When) String() string {
	switch w {
	case AllDone:
		return "AllDone"
	case FirstDone:
		return "FirstDone"
	case FirstFailed:
		return "FirstFailed"
	}
	return fmt.Sprintf("When(%d)", int(w))
}

// Wait waits as when says and returns the calls in two lists, both in the order in which they were given: all that are
// done by then, and the rest. If when is met already, it does not wait; without calls there is nothing to wait for.
//
// It has no error of its own: those of the calls are in their Results. When ctx ends first, what is done until then is
// returned, and the rest goes on: Wait cancels nothing. The same holds when the place that it runs on is stopped, and
// where it may not wait (a wait would return hop.ErrStopped or hop.ErrCannotWait). On a foreign host's own goroutine it does not wait for what is to
// run on a guest of that host. A failure is not looked at by this: who does not ask for the Result has it logged, as elsewhere.
//
// It blocks as [hop.Pending.Wait] does: on a loop it suspends the task, on a pool it gives back the place. Time and memory
// are linear in the number of calls; to take results one by one, range over [AsCompleted] instead.
//
// It panics with a *hop.DeadlockError when one of calls is the very call that asks, or when those that Wait must wait for wait for that one: one of
// them where it is for all, else all that are left. It panics if one of calls is nil, and if when is not one of the three. It follows wait of
// async-kernel and asyncio.
func Wait[T any](ctx context.Context, when When, calls ...*hop.Pending[T]) (done, rest []*hop.Pending[T]) {
	if ctx == nil {
		panic("hop: collect.Wait: nil context")
	}
	for _, p := range calls {
		if p == nil {
			panic("hop: collect.Wait: nil Pending")
		}
		if inside.Here(p.Call()) {
			var at [1]uintptr
			runtime.Callers(2, at[:])
			panic(deadlock(p.Call(), at[0]))
		}
	}
	if when < AllDone || when > FirstFailed {
		panic(fmt.Sprintf("hop: collect.Wait: unknown %v", when))
	}
	wait(ctx, when, calls)
	for _, p := range calls {
		if ended(p.Call()) {
			done = append(done, p)
		} else {
			rest = append(rest, p)
		}
	}
	return done, rest
}

// wait waits as when says. What cannot end while it waits, since this is its host's goroutine, it leaves out.
func wait[T any](ctx context.Context, when When, calls []*hop.Pending[T]) {
	var open []*hop.Call
	for _, p := range calls {
		switch c := p.Call(); {
		case ended(c):
			if when == FirstDone || when == FirstFailed && failed(c) {
				return
			}
		case !inside.NeedsCaller(c):
			open = append(open, c)
		}
	}
	switch len(open) {
	case 0:
	case 1:
		waitOne(ctx, open[0])
	default:
		newEnds(when, open).wait(ctx)
	}
}

// waitOne waits for one call.
func waitOne(ctx context.Context, c *hop.Call) {
	err := inside.Await(ctx, c) // Pending.Wait would count as a look at its error
	if !ended(c) {
		refuseCycle(err)
	}
}

// ends are those of several calls that are waited for together.
type ends struct {
	when    When
	all     []anEnd
	several any          // the wait, for hop's wait graph
	from    atomic.Int64 // all before the from-th have ended, without that when is met

	mu    turn.Short
	left  int        // how many are to come
	met   bool       // when is met
	awake *hop.Event // set by the next that changes something; nil unless somebody sleeps
}

// anEnd is told of the end of one call: before the functions of OnDone, as who waits for the call itself is.
type anEnd struct {
	of   *ends
	call *hop.Call
	node waitlist.Node
}

func newEnds(when When, calls []*hop.Call) *ends {
	e := &ends{when: when, all: make([]anEnd, len(calls)), left: len(calls)}
	until := map[When]inside.Until{AllDone: inside.All, FirstDone: inside.One, FirstFailed: inside.Failed}[when]
	e.several = inside.Several(until, func(yield func(call any) bool) {
		for _, c := range calls[e.from.Load():] {
			if !yield(c) {
				return
			}
		}
	})
	for i, c := range calls {
		e.all[i].of, e.all[i].call = e, c
	}
	return e
}

// wait waits until when is met. A call that ends without that, but was the last that those who wait for each other did not wait for, is a reason to look
// for a deadlock again: so it wakes.
func (e *ends) wait(ctx context.Context) {
	defer func() {
		for i := range e.all {
			inside.Unwatch(e.all[i].call, &e.all[i].node)
		}
	}()
	for i := range e.all {
		if end := &e.all[i]; !inside.Watch(end.call, &end.node, end) {
			end.Wake()
		}
	}
	for {
		for n := e.from.Load(); n < int64(len(e.all)) && ended(e.all[n].call); n++ {
			e.from.Store(n + 1)
		}
		e.mu.Lock()
		if e.met {
			e.mu.Unlock()
			return
		}
		awake := new(hop.Event) // an Event is set once, so each sleep has its own
		e.awake = awake
		e.mu.Unlock()
		if err := inside.AwaitSeveral(ctx, awake, e.several); err != nil {
			refuseCycle(err)
			return // what is done is returned
		}
	}
}

func (*anEnd) Early() {}

func (a *anEnd) Several() any { return a.of.several }

// Wake may be called under the call's lock.
func (a *anEnd) Wake() bool {
	e := a.of
	fails := e.when == FirstFailed && failed(a.call)
	e.mu.Lock()
	e.left--
	e.met = e.met || fails || e.left == 0 || e.when == FirstDone
	var awake *hop.Event
	if e.met || e.when == FirstFailed {
		awake, e.awake = e.awake, nil
	}
	e.mu.Unlock()
	if awake != nil {
		inside.Set(awake)
	}
	return true
}
