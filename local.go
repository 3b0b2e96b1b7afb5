package hop

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// A Local is one value for each loop and each pool worker: a socket, a GL context, a connection that belongs to the thread
// that opened it. It follows async-kernel's iopub_sockets and zmq_context.
type Local[T any] struct {
	open  func(context.Context) (T, error)
	close func(T) error
}

// NewLocal makes a Local: open opens the value of a place, there, when it is first asked for; close (nil: nothing to close)
// closes it there, when the worker ends or the loop stops, after the loop's shutdown functions. Of several Locals, the value opened last is
// closed first.
func NewLocal[T any](open func(context.Context) (T, error), close func(T) error) *Local[T] {
	if open == nil {
		misuse("NewLocal: nil open")
	}
	return &Local[T]{open, close}
}

// Get returns the value of the loop or worker that the calling goroutine is on, opened if there is none yet. Tasks of one
// loop that ask while it is being opened wait for that. A failed open is not remembered: its error goes to who asked, and the next
// Get tries again. What is sent to the [Origin] of a call, or to a [Waiter], is on the worker whose goroutine runs it. On a goroutine
// that is on neither, the error is ErrMismatch; otherwise errors are open's, and those of a wait: a [DeadlockError] when the value is
// asked for by what its opening waits for, or by open itself.
//
//go:noinline
func (l *Local[T]) Get(ctx context.Context) (T, error) {
	var zero T
	if l == nil || l.open == nil {
		misuse("a nil or zero Local: make one with NewLocal")
	}
	if ctx == nil {
		misuse("nil context")
	}
	pc := goid.CallerPC()
	values := localsHere()
	if values == nil {
		return zero, refuse(ErrMismatch, "Local.Get is called on neither a loop nor a pool's worker: call it inside a call there")
	}
	for {
		switch v, is := values.find(l); is {
		case localOpen:
			return v.value.(localValue[T]).v, nil
		case localNew:
			return l.fill(ctx, values, v)
		default:
			if err := values.await(ctx, pc, v); err != nil {
				return zero, err
			}
		}
	}
}

type localValue[T any] struct{ v T }

// fill opens the value.
func (l *Local[T]) fill(ctx context.Context, values *localValues, v *localEntry) (T, error) {
	opened := false
	defer func() { values.opened(l, v, opened) }() // also on a panic
	got, err := l.open(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	v.value = localValue[T]{got}
	if l.close != nil {
		v.close = func() error { return l.close(got) }
	}
	opened = true
	return got, nil
}

// localValues are the values of one place.
type localValues struct {
	mu    turn.Mutex
	by    map[any]*localEntry
	order []any // those that are open, in the order in which they have become so: one may stand on those before it
}

type localEntry struct {
	state   localState
	by      *fiber // who opens it
	waiters waitlist.List
	many    manyWait
	value   any
	close   func() error
}

type localState int

const (
	localNew     localState = iota // made just now: who has found it so opens it
	localOpening                   // another opens it
	localOpen
)

func localsHere() *localValues { return self().locals() }

// locals returns the values of the goroutine's place; fb may be nil.
func (fb *fiber) locals() *localValues {
	switch {
	case fb == nil:
		return nil
	case fb.s != nil && fb.s.loop != nil:
		return &fb.s.loop.locals
	case fb.s != nil:
		return fb.s.waiter.server().locals() // it runs on that goroutine, which may be a worker's
	case fb.w != nil:
		return &fb.w.locals
	}
	return nil
}

// find returns key's entry and its state. Who finds it new is to open it, and to say opened.
func (ls *localValues) find(key any) (*localEntry, localState) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if v := ls.by[key]; v != nil {
		return v, v.state
	}
	if ls.by == nil {
		ls.by = make(map[any]*localEntry)
	}
	v := &localEntry{state: localOpening, by: self()}
	v.many.each, v.many.of = func(func(*Call) bool) {}, ofLocal
	v.many.by = func() *fiber {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		return v.by
	}
	v.by.opens.Add(1)
	ls.by[key] = v
	return v, localNew
}

// opened ends the opening of v, key's entry, and wakes who waits for it; a failed one is forgotten.
func (ls *localValues) opened(key any, v *localEntry, ok bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ok {
		v.state = localOpen
		ls.order = append(ls.order, key)
	} else {
		delete(ls.by, key)
	}
	v.by.opens.Add(-1)
	v.by = nil
	v.waiters.WakeAll()
}

// await waits until the opening of v has ended.
func (ls *localValues) await(ctx context.Context, pc uintptr, v *localEntry) error {
	return waitOn(ctx, pc, "the opening of a Local", func(w *wait) bool {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		if v.by == nil {
			return false
		}
		w.onMany.Store(&v.many)
		w.arm()
		v.waiters.Add(&w.node, w)
		return true
	}, func(w *wait) {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		v.waiters.Remove(&w.node)
	})
}

// waiting appends the goroutines that wait for what fb opens.
func (ls *localValues) waiting(fb *fiber, fbs []*fiber) []*fiber {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, v := range ls.by {
		if v.by == fb {
			fbs = fibersOf(&v.waiters, fbs)
		}
	}
	return fbs
}

func (ls *localValues) len() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.order)
}

func (ls *localValues) any() bool { return ls.len() > 0 }

// close closes the values, the last opened first, whatever becomes of each, and returns what has failed. If one of them ends the goroutine nobody can get
// that from here: it is for lost.
func (ls *localValues) close(lost func(error)) error {
	var errs []error
	returned := false
	defer func() {
		if !returned && len(errs) > 0 {
			lost(errors.Join(errs...))
		}
	}()
	keep := func(panics []*PanicError) {
		for _, p := range panics {
			errs = append(errs, p)
		}
	}
	for {
		ls.mu.Lock()
		n := len(ls.order)
		if n == 0 {
			ls.mu.Unlock()
			returned = true
			return errors.Join(errs...)
		}
		key := ls.order[n-1]
		v := ls.by[key]
		ls.order = ls.order[:n-1]
		delete(ls.by, key)
		ls.mu.Unlock()
		if v.close == nil {
			continue
		}
		keep(runDoneFuncs(&doneFunc{f: func() {
			if err := v.close(); err != nil {
				errs = append(errs, err)
			}
		}}, keep))
	}
}

// closeOn closes a worker's values on its goroutine.
func (ls *localValues) closeOn(fb *fiber) {
	if !ls.any() {
		return
	}
	defer ls.closeOn(fb) // what is left when a close has called runtime.Goexit
	failed := func(err error) { slog.Error("hop: closing of locals failed", "pool", fb.w.p.o.Name, "err", err) }
	if err := ls.close(failed); err != nil {
		failed(err)
	}
}
