package hop

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// A Local is one value for each loop and each pool worker: a socket, a GL context, a connection that belongs to the thread
// that opened it. It follows async-kernel's iopub_sockets and zmq_context.
type Local[T any] struct {
	open  func(context.Context) (T, error)
	close func(T) error
}

// NewLocal makes a Local whose values are opened by open, on the place whose value it is, and closed there by close (nil:
// nothing to close) when the loop stops, after its shutdown functions, or the worker ends; the last opened first.
func NewLocal[T any](open func(context.Context) (T, error), close func(T) error) *Local[T] {
	if open == nil {
		misuse("NewLocal: nil open")
	}
	return &Local[T]{open, close}
}

// Get returns the value of the loop or worker that the calling goroutine is on, opened if there is none yet. Tasks of one
// loop that ask while it is being opened wait for that. A failed open is not remembered: its error goes to who asked, and the next
// Get tries again. On a goroutine that is on neither, the error is ErrMismatch; otherwise errors are open's, and those
// of a wait.
func (l *Local[T]) Get(ctx context.Context) (T, error) {
	var zero T
	if l == nil || l.open == nil {
		misuse("a nil or zero Local: make one with NewLocal")
	}
	if ctx == nil {
		misuse("nil context")
	}
	values := localsHere()
	if values == nil {
		return zero, refuse(ErrMismatch, "Local.Get is called on neither a loop nor a pool's worker: call it inside a call there")
	}
	for {
		v, mine := values.find(l)
		if !mine {
			if err := v.ready.Wait(ctx); err != nil {
				return zero, err
			}
			if !v.failed {
				return v.value.(localValue[T]).v, nil
			}
			continue // the other's open has failed: try for oneself
		}
		return l.fill(ctx, values, v)
	}
}

type localValue[T any] struct{ v T }

// fill opens the value.
func (l *Local[T]) fill(ctx context.Context, values *localValues, v *localEntry) (T, error) {
	v.failed = true
	defer func() {
		if v.failed { // also on a panic
			values.drop(l)
		}
		v.ready.Set()
	}()
	got, err := l.open(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	v.value, v.failed = localValue[T]{got}, false
	if l.close != nil {
		v.close = func() error { return l.close(got) }
	}
	return got, nil
}

// localValues are the values of one place; its own goroutine's, but for counting.
type localValues struct {
	mu    sync.Mutex
	by    map[any]*localEntry
	order []any
}

type localEntry struct {
	ready  Event
	failed bool
	value  any
	close  func() error
}

func localsHere() *localValues {
	switch fb := self(); {
	case fb == nil:
		return nil
	case fb.s != nil && fb.s.loop != nil:
		return &fb.s.loop.locals
	case fb.w != nil:
		return &fb.w.locals
	}
	return nil
}

// find returns key's entry; mine: it was made just now, and the caller is to fill it.
func (ls *localValues) find(key any) (v *localEntry, mine bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if v := ls.by[key]; v != nil {
		return v, false
	}
	if ls.by == nil {
		ls.by = make(map[any]*localEntry)
	}
	v = new(localEntry)
	ls.by[key] = v
	ls.order = append(ls.order, key)
	return v, true
}

func (ls *localValues) drop(key any) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.by, key)
	for i, k := range ls.order {
		if k == key {
			ls.order = append(ls.order[:i], ls.order[i+1:]...)
			return
		}
	}
}

func (ls *localValues) len() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.order)
}

func (ls *localValues) any() bool { return ls.len() > 0 }

// close closes the values, the last opened first, whatever becomes of each.
func (ls *localValues) close(context.Context) error {
	var errs []error
	for {
		ls.mu.Lock()
		n := len(ls.order)
		if n == 0 {
			ls.mu.Unlock()
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
		if p := runDoneFuncs([]*doneFunc{{func() {
			if err := v.close(); err != nil {
				errs = append(errs, err)
			}
		}}}); p != nil {
			errs = append(errs, p)
		}
	}
}

// closeOn closes a worker's values on its goroutine.
func (ls *localValues) closeOn(fb *fiber) {
	if !ls.any() {
		return
	}
	if err := ls.close(context.Background()); err != nil {
		slog.Error("hop: closing of locals failed", "pool", fb.w.p.o.Name, "err", err)
	}
}
