package collect

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
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
// It panics with a *hop.DeadlockError when one of calls is the very call that asks, or waits for it and Wait must wait
// for that one: for all of them, or because it is the only one left. It panics if one of calls is nil, and if when is
// not one of the three. It follows wait of async-kernel and asyncio.
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
	switch when {
	case AllDone:
		waitAll(ctx, calls)
	case FirstDone, FirstFailed:
		waitFirst(ctx, when, calls)
	default:
		panic(fmt.Sprintf("hop: collect.Wait: unknown %v", when))
	}
	for _, p := range calls {
		if ended(p.Call()) {
			done = append(done, p)
		} else {
			rest = append(rest, p)
		}
	}
	return done, rest
}

// waitAll waits for one call after the other. That needs no registration with all of them, and each wait is an edge of
// hop's wait graph. From the last to the first, since the last one often ends last: then one wait does for all. Those that cannot end while it waits,
// since this is their host's goroutine, it leaves out.
func waitAll[T any](ctx context.Context, calls []*hop.Pending[T]) {
	for i := len(calls) - 1; i >= 0; i-- {
		if p := calls[i]; !inside.NeedsCaller(p.Call()) && !waitOne(ctx, p) {
			return
		}
	}
}

// waitOne returns false if p could not be waited for.
func waitOne[T any](ctx context.Context, p *hop.Pending[T]) bool {
	if ended(p.Call()) {
		return true
	}
	err := inside.Await(ctx, p.Call()) // Pending.Wait would count as a look at its error
	if ended(p.Call()) {
		return true
	}
	refuseCycle(err)
	return false
}

func waitFirst[T any](ctx context.Context, when When, calls []*hop.Pending[T]) {
	var open []*hop.Pending[T]
	for _, p := range calls {
		if !ended(p.Call()) {
			open = append(open, p)
		} else if when == FirstDone || failed(p.Call()) {
			return
		}
	}
	switch len(open) {
	case 0:
		return
	case 1:
		waitOne(ctx, open[0])
		return
	}
	f := firstWait{when: when}
	f.left.Store(int64(len(open)))
	ends := make([]firstEnd, len(open))
	defer func() {
		for i := range ends {
			if ends[i].call != nil {
				inside.Unwatch(ends[i].call, &ends[i].node)
			}
		}
	}()
	for i, p := range open {
		e := &ends[i]
		e.of, e.call = &f, p.Call()
		if !inside.Watch(e.call, &e.node, e) {
			e.Wake()
		}
		if inside.NeedsCaller(e.call) && f.left.Add(-1) == 0 {
			return // this is their host's goroutine: nothing more ends while it waits
		}
		if f.met.IsSet() {
			return
		}
	}
	f.met.Wait(ctx) // its error changes nothing: what is done is returned
}

// A firstWait is a waitFirst.
type firstWait struct {
	when When
	left atomic.Int64
	met  hop.Event
}

// A firstEnd has it told of the end of one call: before the functions of OnDone, as who waits for the call itself is.
type firstEnd struct {
	of   *firstWait
	call *hop.Call
	node waitlist.Node
}

func (e *firstEnd) Early() {}

// Wake may be called under the call's lock.
func (e *firstEnd) Wake() bool {
	if e.of.left.Add(-1) == 0 || e.of.when == FirstDone || failed(e.call) {
		inside.Set(&e.of.met)
	}
	return true
}
