package bridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
)

// Invoke runs f, any function, with args as a call on on, and returns its Pending without waiting. The call is named after
// f.
//
// Arguments. If the first parameter of f is a context.Context, f gets the call's own, and args are the rest. The arguments for a variadic
// parameter are given one by one. An argument must be assignable to its parameter by Go's rules, or be converted to it without loss: from
// one type of number to another in which it has the very same value (3.0 fits an int, 3.5 and -0.0 do not; 300 does not fit an int8, nor
// 1<<53+1 a float64; complex numbers fit only complex types, and others none of these), and between types that have the same kind and the
// same underlying type (a string and a named string). Strings, byte slices and runes are not converted into each other. nil fits what can
// be nil. When the arguments do not fit, f is not called, and the Pending has ended with an error that names f, the argument and the
// parameter, both counted from 1 (the context, where f takes one, is parameter 1), and the type.
//
// Result. An error at the end of f's results is the call's error; the rest is its value:
//
//	nothing                         nil
//	one value                       that value
//	several                         a []any of them
//	a *hop.Pending[T]               what it ends with: its value or its error
//	an iter.Seq[*hop.Pending[T]]    a []any of the values of its Pendings, in its order
//
// A Pending or a sequence counts as such also where f's type says any. It is f's own result only that is waited for: a
// Pending among several values, or the value of a Pending, stays one. A sequence is pulled to its end, which starts what it
// starts, before the first of its Pendings is waited for; the first of them that fails cancels the others, and its error is the
// call's. The waits are those of the call, and when it is cancelled, so is what it waits for. A nil Pending is an error, and cancels the
// others too.
//
// A panic of f ends the call with a *hop.PanicError; one of its sequence cancels what that has given, too. Invoke panics if ctx
// or on is nil, and if f is nil or not a function. It is safe for concurrent use. It follows sync and desync of TruLens.
func Invoke(ctx context.Context, on hop.Portal, f any, args ...any) *hop.Pending[any] {
	switch {
	case ctx == nil:
		panic("hop: bridge.Invoke: nil context")
	case on == nil:
		panic("hop: bridge.Invoke: nil portal")
	case f == nil:
		panic("hop: bridge.Invoke: nil function")
	}
	fv := reflect.ValueOf(f)
	t := fv.Type()
	switch {
	case t.Kind() != reflect.Func:
		panic(fmt.Sprintf("hop: bridge.Invoke: %T is not a function", f))
	case fv.IsNil():
		panic("hop: bridge.Invoke: nil function")
	}
	name := nameOf(fv)
	in, err := arguments(name, t, args)
	if err != nil {
		p := hop.NewPromise[any](ctx, hop.Name(name))
		p.Reject(err)
		return p.Pending()
	}
	return hop.Go(ctx, on, func(ctx context.Context) (any, error) {
		if takesContext(t) {
			in = append([]reflect.Value{reflect.ValueOf(ctx)}, in...)
		}
		return outcome(ctx, name, t, fv.Call(in))
	}, hop.Name(name))
}

// outcome makes the call's result of what the function has returned.
func outcome(ctx context.Context, name string, t reflect.Type, out []reflect.Value) (any, error) {
	var err error
	if returnsError(t) {
		last := len(out) - 1
		err, _ = out[last].Interface().(error)
		out = out[:last]
	}
	switch len(out) {
	case 0:
		return nil, err
	case 1:
		return settle(ctx, name, out[0], err)
	}
	vs := make([]any, len(out))
	for i, v := range out {
		vs[i] = v.Interface()
	}
	return vs, err
}

// settle makes the call's result of the only value, which may be one that is still to come, and of the error beside it.
func settle(ctx context.Context, name string, v reflect.Value, err error) (any, error) {
	if v.Kind() == reflect.Interface {
		v = v.Elem() // what it holds; the zero Value if that is nil
	}
	switch {
	case !v.IsValid():
		return nil, err
	case isPending(v.Type()):
		if err != nil {
			return nil, err
		}
		if v.IsNil() {
			return nil, fmt.Errorf("hop: bridge.Invoke: %s returned a nil Pending", name)
		}
		return pending{v}.wait(ctx)
	case isPendingSeq(v.Type()):
		if err != nil {
			return nil, err
		}
		if v.IsNil() {
			return nil, fmt.Errorf("hop: bridge.Invoke: %s returned a nil sequence", name)
		}
		return settleAll(ctx, name, v)
	}
	return v.Interface(), err
}

// settleAll waits for the Pendings of a sequence and returns their values, or the error of the first that fails.
func settleAll(ctx context.Context, name string, seq reflect.Value) (any, error) {
	ps, err := pullAll(ctx, name, seq)
	if err != nil {
		return nil, err
	}

	// Waiting in turn would find a failure late, or never if one before it needs to be cancelled.
	var mu sync.Mutex
	var first error
	for _, p := range ps {
		c := p.call()
		stop := c.OnDone(func() {
			if err := c.Err(); err != nil {
				mu.Lock()
				was := first
				if was == nil {
					first = err
				}
				mu.Unlock()
				if was == nil {
					cancelAll(ps, err)
				}
			}
		})
		defer stop()
	}
	values := make([]any, len(ps))
	for i, p := range ps {
		v, err := p.waitOnly(ctx)
		if err != nil {
			if p.call().State().Done() { // it has failed: first, unless another has been; the cancel of the others makes more of them fail
				mu.Lock()
				if first == nil {
					first = err
				}
				err = first
				mu.Unlock()
			}
			// All at once, and p no sooner: a function of OnDone of it may wait for another of them.
			cause := err
			if ctx.Err() != nil {
				cause = context.Cause(ctx)
			}
			cancelAll(ps, cause)
			if d := (*hop.DeadlockError)(nil); !errors.As(err, &d) {
				_, err = p.wait(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
			return nil, first
		}
		values[i] = v
	}
	return values, nil
}

// pullAll returns the Pendings of a sequence, or, when ctx has ended meanwhile, those up to there. With an error, or when the sequence panics, they are
// cancelled: nobody will wait for them.
func pullAll(ctx context.Context, name string, seq reflect.Value) (ps []pending, err error) {
	err = fmt.Errorf("hop: bridge.Invoke: %s: its sequence panicked, or ended its goroutine", name)
	defer func() {
		if err != nil {
			cancelAll(ps, err)
		}
	}()
	for p := range pendings(seq) {
		if p.v.IsNil() {
			return ps, fmt.Errorf("hop: bridge.Invoke: %s: Pending %d of the sequence is nil", name, len(ps)+1)
		}
		ps = append(ps, p)
		if ctx.Err() != nil {
			break // who waits for them says so
		}
	}
	return ps, nil
}

// cancelAll cancels those of ps that are not done, before functions of OnDone run.
func cancelAll(ps []pending, cause error) {
	inside.CancelEach(func(yield func(call any) bool) {
		for _, p := range ps {
			if !yield(p.call()) {
				return
			}
		}
	}, cause)
}
