package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dop251/goja"
	"github.com/gohop/hop"
)

// A machine runs scripts. Each has a VM and a loop of its own, so that one that computes for ever is nobody's problem but its
// own. They share the pool, where the Go functions that they call do their work, and the output.
type machine struct {
	own     func() owner
	scripts *hop.Pool // each call is a script, which waits for its loop
	pool    *hop.Pool
	out     io.Writer
}

func newMachine(own func() owner, workers int, out io.Writer) *machine {
	return &machine{
		own:     own,
		scripts: hop.NewPool(&hop.PoolOptions{Name: "scripts"}),
		pool:    hop.NewPool(&hop.PoolOptions{Name: "functions", Size: workers}),
		out:     &lockedWriter{w: out},
	}
}

// close ends what still runs and waits for it.
func (m *machine) close() {
	m.scripts.Close()
	m.pool.Close()
}

// start runs the program in the file path. The result is what it returns. It ends when all that it has started has, as a
// program of node does; or when ctx or the time is over, or the VM gives up, which cancels what it has started.
func (m *machine) start(ctx context.Context, path string, timeout time.Duration) *hop.Pending[any] {
	return hop.Go(ctx, m.scripts, func(ctx context.Context) (any, error) {
		src, err := hop.Do(ctx, m.pool, func(context.Context) ([]byte, error) { return os.ReadFile(path) }, hop.Name("load"))
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		// The body of an async function has await and return. On the same line, for the positions in errors.
		program, err := goja.Compile(name, "(async () => {"+string(src)+"\n})()", true)
		if err != nil {
			return nil, err
		}
		o := m.own()
		defer o.close()
		return hop.Do(ctx, o.loop, func(ctx context.Context) (any, error) { return m.run(ctx, o, program) }, hop.Name(name))
	}, hop.Name("script"), hop.Timeout(timeout))
}

// run runs a program on its loop.
func (m *machine) run(ctx context.Context, o owner, program *goja.Program) (any, error) {
	s := &script{machine: m, owner: o, lost: make(map[*goja.Promise]bool)}
	// Interrupt is the one method of a VM that may be called from elsewhere, and it has to be: the loop is busy.
	defer context.AfterFunc(ctx, func() { s.vm.Interrupt(context.Cause(ctx)) })()
	var got outcome
	err := hop.WithGroup(ctx, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
		s.ctx, s.group = ctx, hop.CurrentGroup(ctx)
		s.result = hop.NewPromise[outcome](ctx, hop.Name("result"))
		if err := s.define(); err != nil {
			return err
		}
		err := s.enter(func() error {
			v, err := s.vm.RunProgram(program)
			if err != nil {
				return err
			}
			return s.then(v)
		})
		if err != nil {
			return err
		}
		got, err = s.result.Pending().Wait(ctx)
		return err
	})
	switch cause := context.Cause(ctx); {
	case cause != nil:
		return nil, cause
	case s.failed != nil:
		return nil, s.failed
	case err != nil:
		return nil, err
	}
	return got.v, got.err
}

// A script is a run of a program. All of it belongs to its loop.
//
// The VM has no lock, and needs none: all code that touches it is a task of the loop. With tasks that can wait, that
// is not yet enough. A task that waits in the middle of the VM, in a Go function that the script has called, would let the next
// task in while the VM is half way through the first. Hence the rule, which enter enforces: the VM is entered and left
// in one go, and functions for scripts return a promise in place of waiting.
type script struct {
	*machine
	owner
	ctx    context.Context // of all that the script does: it ends with the script
	group  *hop.Group      // all that the script has started
	result *hop.Promise[outcome]
	inside bool                   // the VM runs
	open   int                    // what is under way that will enter the VM again: calls and timers
	lost   map[*goja.Promise]bool // rejected, and nobody has asked for it
	failed error                  // why the VM has given up
}

// An outcome is a result whose error is not a failed call: what one of a script's calls returns is the script's to handle.
type outcome struct {
	v   any
	err error
}

// enter has f enter the VM: with the program, with a function of it, or by settling a promise, which runs what awaits it.
// When the context of s has ended, f does not run: a script that is over gets no more turns, not even for its finally
// blocks; nor may it, because goja's VM is not itself any more after an interrupt in an async function (it runs no
// promise's reactions). The error is f's and ends the script.
func (s *script) enter(f func() error) error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	if s.inside {
		panic("js: the VM was entered twice: a function that a script calls must not wait, but return a promise")
	}
	s.inside = true
	defer func() { s.inside = false }()
	if err := f(); err != nil {
		var full *goja.StackOverflowError
		if errors.As(err, &full) {
			err = fmt.Errorf("its stack is full%w", err) // goja's error has only the positions
		}
		s.fail(err)
		return err
	}
	for p := range s.lost {
		s.fail(fmt.Errorf("nobody has handled: %w", s.thrown(p.Result())))
		return nil
	}
	if s.open == 0 && !s.result.Pending().Call().State().Done() {
		s.fail(errors.New("it awaits a promise that nobody will settle"))
	}
	return nil
}

// fail ends the script.
func (s *script) fail(err error) {
	if s.failed == nil {
		s.failed = err
		s.group.Cancel(err)
	}
}

// then has the result of s be that of promise.
func (s *script) then(promise goja.Value) error {
	then, _ := goja.AssertFunction(promise.ToObject(s.vm).Get("then"))
	_, err := then(promise,
		s.vm.ToValue(func(v goja.Value) { s.result.Resolve(outcome{v: v.Export()}) }),
		s.vm.ToValue(func(v goja.Value) { s.result.Resolve(outcome{err: s.thrown(v)}) }))
	return err
}

// thrown makes an error of what the script has thrown.
func (s *script) thrown(v goja.Value) error {
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

// async returns a promise of work's result. Work runs on the pool, with a context that ends with the script.
func (s *script) async(name string, work func(context.Context) (any, error)) goja.Value {
	promise, resolve, reject := s.vm.NewPromise()
	s.open++
	hop.Go(s.ctx, s.loop, func(ctx context.Context) (struct{}, error) {
		got, err := hop.Do(ctx, s.pool, func(ctx context.Context) (outcome, error) {
			v, err := work(ctx)
			return outcome{v, err}, nil
		}, hop.Name(name))
		if err != nil {
			got.err = err // it was cancelled, or it has panicked
		}
		s.open--
		return struct{}{}, s.enter(func() error {
			if got.err != nil {
				return reject(s.vm.NewGoError(got.err))
			}
			return resolve(got.v)
		})
	}, hop.Name(name))
	return s.vm.ToValue(promise)
}

// call calls f from elsewhere: from work, say, whose ctx leads back to the loop that waits for it.
func (s *script) call(ctx context.Context, f goja.Callable, args ...any) (any, error) {
	got, err := hop.Do(ctx, hop.Origin(ctx), func(context.Context) (got outcome, err error) {
		err = s.enter(func() error {
			var vs []goja.Value
			for _, a := range args {
				vs = append(vs, s.vm.ToValue(a))
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
		return got, err
	}, hop.Name("callback"))
	if err != nil {
		return nil, err
	}
	return got.v, got.err
}

// lockedWriter lets several scripts print, a line at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(b)
}
