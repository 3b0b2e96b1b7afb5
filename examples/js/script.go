package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dop251/goja"
	"github.com/gohop/hop"
)

// A script is one run of a program on a machine. Except for start, all of it happens on the machine's loop.
type script struct {
	m      *machine
	ctx    context.Context // of all that the script does: it ends with the script
	group  *hop.Group      // all that the script has started
	result *hop.Promise[outcome]
	open   int // what is under way that will enter the VM again: calls and timers
	lost   map[*goja.Promise]bool
}

// An outcome is a result whose error is not a failed call: what one of a script's calls returns is the script's to handle.
type outcome struct {
	v   any
	err error
}

// start runs the program in the file path. The result is what it returns. It ends when all that it has started has, as a
// program of node does; or when ctx or the time is over, or the VM gives up, which cancels what it has started.
func (m *machine) start(ctx context.Context, path string, timeout time.Duration) *hop.Pending[any] {
	return hop.Go(ctx, m.loop, func(ctx context.Context) (any, error) {
		src, err := hop.Do(ctx, m.pool, func(context.Context) ([]byte, error) { return os.ReadFile(path) }, hop.Name("load"))
		if err != nil {
			return nil, err
		}
		return m.run(ctx, filepath.Base(path), string(src))
	}, hop.Name(filepath.Base(path)), hop.Timeout(timeout))
}

// run runs src as the body of an async function, so that it has await and return, and names of its own.
func (m *machine) run(ctx context.Context, name, src string) (any, error) {
	program, err := goja.Compile(name, "(async () => {"+src+"\n})()", true)
	if err != nil {
		return nil, err
	}
	var out outcome
	err = hop.WithGroup(ctx, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
		s := &script{
			m: m, ctx: ctx, group: hop.CurrentGroup(ctx),
			result: hop.NewPromise[outcome](ctx, hop.Name("result")),
			lost:   make(map[*goja.Promise]bool),
		}
		err := m.enter(s, func() error {
			v, err := m.vm.RunProgram(program)
			if err != nil {
				return err
			}
			return s.then(v)
		})
		if err != nil {
			return err
		}
		out, err = s.result.Pending().Wait(ctx)
		return err
	})
	if out.err != nil {
		return nil, out.err
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return out.v, err
}

// then has the result of s be that of promise.
func (s *script) then(promise goja.Value) error {
	vm := s.m.vm
	then, _ := goja.AssertFunction(promise.ToObject(vm).Get("then"))
	_, err := then(promise, vm.ToValue(func(v goja.Value) { s.result.Resolve(outcome{v: v.Export()}) }),
		vm.ToValue(func(v goja.Value) { s.result.Resolve(outcome{err: thrown(vm, v)}) }))
	return err
}

// thrown makes an error of what a script has thrown.
func thrown(vm *goja.Runtime, v goja.Value) error {
	if o, ok := v.(*goja.Object); ok {
		if err, ok := o.Get("value").(*goja.Object); ok { // a Go function's error: see NewGoError
			if err, ok := err.Export().(error); ok {
				return err
			}
		}
		if stack := o.Get("stack"); stack != nil {
			return errors.New(stack.String())
		}
	}
	return errors.New(v.String())
}

// fail ends the script, because the VM has given up on it.
func (s *script) fail(err error) { s.group.Cancel(err) }

// look ends a script that nothing can happen to any more, or that has lost an error.
func (s *script) look() {
	for p := range s.lost {
		s.fail(fmt.Errorf("nobody has handled: %w", thrown(s.m.vm, p.Result())))
		return
	}
	if s.open == 0 && !s.result.Pending().Call().State().Done() {
		s.fail(errors.New("it awaits a promise that nobody will settle"))
	}
}

// async returns a promise of work's result. Work runs on the pool, with a context that ends with the script.
func (s *script) async(name string, work func(context.Context) (any, error)) goja.Value {
	promise, resolve, reject := s.m.vm.NewPromise()
	s.open++
	hop.Go(s.ctx, s.m.loop, func(ctx context.Context) (struct{}, error) {
		got, err := hop.Do(ctx, s.m.pool, func(ctx context.Context) (outcome, error) {
			v, err := work(ctx)
			return outcome{v, err}, nil
		}, hop.Name(name))
		if err != nil {
			got.err = err // it was cancelled, or it has panicked
		}
		s.open--
		return struct{}{}, s.m.enter(s, func() error {
			if got.err != nil {
				return reject(s.m.vm.NewGoError(got.err))
			}
			return resolve(got.v)
		})
	}, hop.Name(name))
	return s.m.vm.ToValue(promise)
}

// call calls f from elsewhere: from work, say, whose ctx leads back to the loop that waits for it.
func (s *script) call(ctx context.Context, f goja.Callable, args ...any) (any, error) {
	return hop.Do(ctx, hop.Origin(ctx), func(context.Context) (any, error) {
		var got outcome
		err := s.m.enter(s, func() error {
			var vs []goja.Value
			for _, a := range args {
				vs = append(vs, s.m.vm.ToValue(a))
			}
			v, err := f(goja.Undefined(), vs...)
			var e *goja.Exception
			if errors.As(err, &e) {
				got.err = e
				return nil // that is for who called
			}
			if err == nil {
				got.v = v.Export()
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return got.v, got.err
	}, hop.Name("callback"))
}
