package bridge

// What a function looks like from outside: which parameters are for the caller to give, and what its results mean.

import (
	"context"
	"iter"
	"reflect"
	"strings"

	"github.com/gohop/hop"
)

var (
	typeContext = reflect.TypeFor[context.Context]()
	typeError   = reflect.TypeFor[error]()
	typeBool    = reflect.TypeFor[bool]()
	pkgHop      = reflect.TypeFor[hop.Call]().PkgPath()
)

// IsAsync tells whether f is a function that returns a [hop.Pending] of any type, alone or with an error. It is false for what
// is not a function, and for a function that returns an interface, whatever that holds. It answers is_async_fn of Prefect.
func IsAsync(f any) bool {
	t, ok := resultOf(f)
	return ok && isPending(t)
}

// IsAsyncSeq tells whether f is a function that returns a sequence of Pendings, an [iter.Seq] or a type made of one, alone
// or with an error. It answers is_async_gen_fn of Prefect.
func IsAsyncSeq(f any) bool {
	t, ok := resultOf(f)
	return ok && isPendingSeq(t)
}

// resultOf returns the type of the only result of function f, an error at the end not counted.
func resultOf(f any) (reflect.Type, bool) {
	t := reflect.TypeOf(f)
	if t == nil || t.Kind() != reflect.Func {
		return nil, false
	}
	n := t.NumOut()
	if returnsError(t) {
		n--
	}
	if n != 1 {
		return nil, false
	}
	return t.Out(0), true
}

// returnsError tells whether the last result of function type t is an error: of this very type, for a nil pointer of
// another that implements it would be none.
func returnsError(t reflect.Type) bool {
	return t.NumOut() > 0 && t.Out(t.NumOut()-1) == typeError
}

// takesContext tells whether the first parameter of function type t is a context.
func takesContext(t reflect.Type) bool {
	return t.NumIn() > 0 && t.In(0) == typeContext
}

// isPending tells whether t is *hop.Pending[T] for some T. Reflection does not know generic types, only their names.
func isPending(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Name() == "" && t.Elem().PkgPath() == pkgHop && strings.HasPrefix(t.Elem().Name(), "Pending[")
}

// isPendingSeq tells whether t is a func(yield func(*hop.Pending[T]) bool) for some T.
func isPendingSeq(t reflect.Type) bool {
	if t.Kind() != reflect.Func || t.IsVariadic() || t.NumIn() != 1 || t.NumOut() != 0 {
		return false
	}
	yield := t.In(0)
	return yield.Kind() == reflect.Func && !yield.IsVariadic() && yield.NumIn() == 1 && yield.NumOut() == 1 &&
		yield.Out(0) == typeBool && isPending(yield.In(0))
}

// A pending is a *hop.Pending[T] of any T.
type pending struct{ v reflect.Value }

func (p pending) call() *hop.Call { return p.v.Interface().(interface{ Call() *hop.Call }).Call() }

// wait is WaitOrCancel, on this goroutine, without the type.
func (p pending) wait(ctx context.Context) (any, error) {
	out := p.v.MethodByName("WaitOrCancel").Call([]reflect.Value{reflect.ValueOf(ctx)})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

// waitOnly is Wait, on this goroutine, without the type.
func (p pending) waitOnly(ctx context.Context) (any, error) {
	out := p.v.MethodByName("Wait").Call([]reflect.Value{reflect.ValueOf(ctx)})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

// pendings is an iterator over seq, which is an iter.Seq of *hop.Pending[T] of any T.
func pendings(seq reflect.Value) iter.Seq[pending] {
	return func(yield func(pending) bool) {
		for v := range seq.Seq() {
			if !yield(pending{v}) {
				return
			}
		}
	}
}
