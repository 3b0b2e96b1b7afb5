package bridge

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/gohop/hop"
)

// Sync returns f as a function that returns the result: it calls f and waits for the Pending.
//
// It blocks as [hop.Pending.WaitOrCancel] does, since it owns the call: on a loop it suspends the task, and when ctx ends first
// the call is cancelled. The error is that of the call itself; a nil Pending is an error too. Sync panics if f is nil. The
// function is safe for concurrent use if f is. It follows sync of TruLens.
func Sync[A, R any](f func(context.Context, A) *hop.Pending[R]) func(context.Context, A) (R, error) {
	if f == nil {
		panic("hop: bridge.Sync: nil function")
	}
	return func(ctx context.Context, a A) (R, error) {
		p := f(ctx, a)
		if p == nil {
			var zero R
			return zero, fmt.Errorf("hop: bridge.Sync: %s returned a nil Pending", nameOf(reflect.ValueOf(f)))
		}
		return p.WaitOrCancel(ctx)
	}
}

// Async returns f as a function that starts a call of f on on, named after f, and returns its Pending without waiting: [hop.Go]
// with an argument. Async panics if on or f is nil. The function is safe for concurrent use if f is. It follows desync of
// TruLens.
func Async[A, R any](on hop.Portal, f func(context.Context, A) (R, error)) func(context.Context, A) *hop.Pending[R] {
	switch {
	case on == nil:
		panic("hop: bridge.Async: nil portal")
	case f == nil:
		panic("hop: bridge.Async: nil function")
	}
	name := hop.Name(nameOf(reflect.ValueOf(f)))
	return func(ctx context.Context, a A) *hop.Pending[R] {
		return hop.Go(ctx, on, func(ctx context.Context) (R, error) { return f(ctx, a) }, name)
	}
}

// nameOf returns the name of function f, which is not nil.
func nameOf(f reflect.Value) string {
	if fn := runtime.FuncForPC(f.Pointer()); fn != nil {
		return strings.TrimSuffix(fn.Name(), "-fm") // of a method value
	}
	return f.Type().String()
}
