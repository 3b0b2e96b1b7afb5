package hop

import (
	"runtime/debug"
)

// runDone runs the functions of OnDone where a loop, a pool or a cancel ended the call.
func (c *Call) runDone(fs []*doneFunc) {
	if c.has(flagPromise) && c.raw() != Cancelled {
		// Resolve and Reject take their panics themselves.
		if p := runDoneFuncs(fs); p != nil {
			panic(p.Value)
		}
		return
	}
	if p := runDoneFuncs(fs); p != nil {
		c.escaped(p)
	}
}

type doneFunc struct{ f func() } // f nil: taken back

// runDoneFuncs runs each, whatever the others do, and returns the first panic; further ones are only logged.
func runDoneFuncs(fs []*doneFunc) (first *PanicError) {
	for i, d := range fs {
		func() {
			returned := false
			defer func() {
				if returned {
					return
				}
				if r := recover(); r != nil {
					p := &PanicError{Value: r, Stack: debug.Stack()}
					if first == nil {
						first = p
					} else {
						logger(nil).Error("hop: another OnDone function panicked too", "panic", p.Value, "stack", string(p.Stack))
					}
					return
				}
				runDoneFuncs(fs[i+1:]) // runtime.Goexit ends this goroutine: the rest is for now or never
			}()
			if d.f != nil {
				d.f()
			}
			returned = true
		}()
	}
	return first
}

// guard runs f, a function of the user's that nobody waits for; its panic goes the way of a posted function's.
func (c *Call) guard(f func()) {
	if p := runDoneFuncs([]*doneFunc{{f}}); p != nil {
		c.escaped(p)
	}
}

// escaped is told of a panic that no caller can receive.
func (c *Call) escaped(p *PanicError) {
	var s *sched
	if fb := self(); fb != nil {
		s = fb.s
	}
	s.escaped(p)
}

// OnDone has f called once, when the call is done: on the goroutine that ends it, in the order of registration,
// never under a lock; at once and here if the call is done already. stop takes f back and reports whether it
// prevented it, as context.AfterFunc's does. A panic of f does not stop the next: it goes to the caller of Resolve or
// Reject or, where a loop or pool ended the call, to OnPanic. It follows Pending.add_done_callback.
func (c *Call) OnDone(f func()) (stop func() bool) {
	if f == nil {
		misuse("OnDone: nil function")
	}
	c.watch()
	c.mu.Lock()
	if c.isDone() {
		c.mu.Unlock()
		f()
		return func() bool { return false }
	}
	d := &doneFunc{f}
	x := c.more()
	x.onDone = append(x.onDone, d)
	c.mu.Unlock()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if d.f == nil || c.isDone() {
			return false
		}
		d.f = nil
		x.dead++
		if x.dead > 16 && x.dead > len(x.onDone)/2 {
			kept := x.onDone[:0]
			for _, o := range x.onDone {
				if o.f != nil {
					kept = append(kept, o)
				}
			}
			clear(x.onDone[len(kept):])
			x.onDone, x.dead = kept, 0
		}
		return true
	}
}
