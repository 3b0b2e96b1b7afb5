package main

import (
	"context"
	"errors"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/eventloop"
	"github.com/gohop/hop"
)

// An owner is what a VM belongs to: a loop, on whose thread alone it may be touched.
type owner struct {
	vm    *goja.Runtime
	loop  *hop.Loop
	after func(s *script, milliseconds int64, f func()) (cancel func())
	close func()
}

// ownedByHop makes a VM that belongs to a loop of hop's own. The engine's event loop is not needed: timers are hop's.
func ownedByHop() owner {
	loop := hop.NewLoop(&hop.LoopOptions{Name: "js", StallAfter: -1}) // scripts may compute; their timeout sees to it
	return owner{
		vm:   goja.New(),
		loop: loop,
		after: func(s *script, ms int64, f func()) (cancel func()) {
			p := hop.After(s.ctx, time.Duration(ms)*time.Millisecond, loop, func(context.Context) (struct{}, error) {
				f()
				return struct{}{}, nil
			}, hop.Name("setTimeout"))
			return func() { p.Cancel(nil) }
		},
		close: func() { closeLoop(loop) },
	}
}

// ownedByEngine makes a VM that belongs to the event loop of goja_nodejs, which runs its own timers, and a loop of hop as a
// guest in there. The rest of this program is the same for both.
func ownedByEngine() owner {
	e := engine{eventloop.NewEventLoop()}
	var vm *goja.Runtime
	e.Run(func(r *goja.Runtime) { vm = r })
	e.Start()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "js", Host: e, StallAfter: -1})
	return owner{
		vm:   vm,
		loop: loop,
		after: func(s *script, ms int64, f func()) (cancel func()) {
			// The promise makes the timer one of the things that the script waits for in the end, and that are cancelled with it.
			p := hop.NewPromise[struct{}](s.ctx, hop.Name("setTimeout"))
			t := e.SetTimeout(func(*goja.Runtime) {
				if p.Resolve(struct{}{}) {
					f()
				}
			}, time.Duration(ms)*time.Millisecond)
			p.Pending().OnDone(func() { e.ClearTimeout(t) })
			return func() { p.Pending().Cancel(nil) }
		},
		close: func() {
			closeLoop(loop) // first the guest: it needs the host for that
			e.Terminate()   // then the host
		},
	}
}

// closeLoop closes loop and waits until it has stopped: Close alone does not wait in a call that is itself being stopped.
func closeLoop(loop *hop.Loop) {
	loop.Close()
	<-loop.Stopped()
}

// engine makes the event loop of goja_nodejs a Host.
type engine struct{ *eventloop.EventLoop }

// Post has f run on the engine's goroutine.
func (e engine) Post(f func()) error {
	if !e.RunOnLoop(func(*goja.Runtime) { f() }) {
		return errors.New("the engine's event loop was terminated")
	}
	return nil
}
