package collect

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gohop/hop"
)

// Gather runs each of fs as a call on on and returns their values in the order of fs, whatever the order in which they end.
//
// It returns when all of them have returned. The first that fails cancels the others, through their ctx with its error as
// the cause, and its error is returned, itself and not wrapped; those that were not started yet never run. When ctx ends
// they are all cancelled, and the error is the *hop.CancelError of the first. With an error the slice still has len(fs)
// values: those of the functions that succeeded, so that what they hold can be released, and zero values elsewhere.
//
// It blocks as [hop.Pending.Wait] does: on a loop it suspends the task, on a pool it gives back the place; from a call on a
// pool of one it may gather on that very pool. A call of fs that waits for the call that gathers ends in a
// *hop.DeadlockError of one of the two. When the place that it runs on is stopped, they are cancelled and it returns at once: the error is
// hop.ErrStopped, beside that of the first that had failed. So it is with the error of any wait that is refused.
//
// Only the errors of fs count, not those of calls that they start: for these, see [hop.WithGroup]. It panics if ctx, on or
// one of fs is nil, before anything is started. It follows gather of Prefect and asyncio.
func Gather[T any](ctx context.Context, on hop.Portal, fs ...func(context.Context) (T, error)) ([]T, error) {
	switch {
	case ctx == nil:
		panic("hop: collect.Gather: nil context")
	case on == nil:
		panic("hop: collect.Gather: nil portal")
	}
	for i, f := range fs {
		if f == nil {
			panic(fmt.Sprintf("hop: collect.Gather: nil function (number %d of %d)", i+1, len(fs)))
		}
	}

	gctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var first error // the first in time
	fail := func(err error) {
		mu.Lock()
		if first == nil {
			first = err
		}
		mu.Unlock()
		cancel(err)
	}

	calls := make([]*hop.Pending[T], len(fs))
	for i, f := range fs {
		p := hop.Go(gctx, on, f)
		calls[i] = p
		p.OnDone(func() {
			if failed(p.Call()) {
				_, err := p.Result()
				fail(err)
			}
		})
	}

	// A group to wait with: it makes each of the calls an edge of hop's wait graph, which waiting in turn would not. It
	// has no say in them: they were not made with its ctx, so that what they start is no member; no failure cancels, as
	// fail does that; and the end of ctx, which cancels the calls, does not end the wait for them.
	werr := hop.WithGroup(ctx, &hop.GroupOptions{KeepGoing: true, Shield: true}, func(ctx context.Context) error {
		for _, p := range calls {
			hop.CurrentGroup(ctx).Add(p.Call())
		}
		return nil
	})

	values := make([]T, len(fs))
	waited := true
	for i, p := range calls {
		over := ended(p.Call()) // before its result is asked for: it may end between the two
		switch v, err := p.Result(); {
		case err == nil:
			values[i] = v
		case over:
			fail(err) // the function of OnDone that says so may come later than the group is told
		default:
			waited = false // it could not be
		}
	}
	if !waited {
		fail(werr)
	}
	mu.Lock()
	err := first
	mu.Unlock()
	switch {
	case waited:
		return values, err
	case errors.Is(werr, err):
		return values, werr
	}
	return values, errors.Join(werr, err)
}
