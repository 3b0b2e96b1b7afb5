package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/dop251/goja"
	"github.com/gohop/hop"
)

// A machine is a JavaScript VM, its owner, and the pool where the functions that scripts call do their work.
//
// The VM has no lock, and needs none: all code that touches it is a task of one loop. With tasks that can wait, that
// is not yet enough. A task that waits in the middle of the VM, in a Go function that a script has called, would let the next
// task in while the VM is half way through the first. Hence the rule, which turn enforces: the VM is entered and left
// in one go, and functions for scripts return a promise in place of waiting.
type machine struct {
	owner
	pool *hop.Pool
	out  io.Writer

	mu   sync.Mutex
	turn *script // whose turn it is; written on the loop under mu, because Interrupt looks at it from elsewhere
}

// An owner is what a VM belongs to.
type owner struct {
	vm    *goja.Runtime
	loop  *hop.Loop
	after func(*script, int64, func()) (cancel func()) // setTimeout; the time is in milliseconds
	close func()
}

func newMachine(own func() owner, workers int, out io.Writer) *machine {
	m := &machine{
		owner: own(),
		pool:  hop.NewPool(&hop.PoolOptions{Name: "js", Size: workers}),
		out:   out,
	}
	// Nobody else has the loop yet, so this cannot fail.
	if err := hop.Run(context.Background(), m.loop, func(context.Context) error { return m.define() }); err != nil {
		panic(err)
	}
	return m
}

// close ends what still runs and waits for it.
func (m *machine) close() {
	m.owner.close()
	m.pool.Close()
}

// enter has f enter the VM on behalf of s: with a script, with a function of one, or by settling a promise, which runs what
// awaits it. When the context of s ends meanwhile, the VM is interrupted, be it in an endless loop; when it has ended before, f
// does not run. The error is f's, or says why f was cut short; it ends the script.
func (m *machine) enter(s *script, f func() error) error {
	if err := context.Cause(s.ctx); err != nil {
		return err // a script that is over gets no more turns, not even for its finally blocks
	}
	m.mu.Lock()
	if m.turn != nil {
		m.mu.Unlock()
		panic("js: the VM was entered twice: a function that a script calls must not wait, but return a promise")
	}
	m.turn = s
	m.mu.Unlock()
	// Interrupt is the one method of the VM that may be called from another goroutine, and it has to be: the loop is
	// busy with the script. It must not hit the turn of another script, hence the lock.
	stop := context.AfterFunc(s.ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.turn == s {
			m.vm.Interrupt(context.Cause(s.ctx))
		}
	})
	defer func() {
		stop()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.turn = nil
		m.vm.ClearInterrupt()
	}()

	err := f()
	if err != nil {
		var interrupted *goja.InterruptedError
		if errors.As(err, &interrupted) {
			err = context.Cause(s.ctx)
		}
		s.fail(err)
	}
	s.look()
	return err
}
