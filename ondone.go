package hop

import (
	"runtime/debug"
)

// runDone runs the functions of OnDone where a loop, a pool or a cancel ended the call.
func (c *Call) runDone(fs *doneFunc) {
	if c.has(flagUnder) {
		defer c.tellsHere()()
	}
	if c.has(flagByHand) {
		// Resolve and Reject take their panics themselves.
		if p := runDoneFuncs(fs, c.escaped); p != nil {
			panic(p.Value)
		}
		return
	}
	if p := runDoneFuncs(fs, c.escaped); p != nil {
		c.escaped(p)
	}
}

// A doneFunc is one function in a list, the latest first.
type doneFunc struct {
	c    *Call
	f    func() // nil: taken back
	next *doneFunc
}

// runDoneFuncs runs each, the earliest first, whatever the others do, and returns the first panic; further ones are only
// logged. If one of them ends the goroutine nobody can get the panic from here: it escapes.
func runDoneFuncs(latest *doneFunc, escaped func(*PanicError)) (first *PanicError) {
	returned := false
	defer func() {
		if !returned && first != nil {
			escaped(first)
		}
	}()
	var fs *doneFunc // turned round
	for d := latest; d != nil; {
		next := d.next
		d.next, fs = fs, d
		d = next
	}
	for fs != nil {
		d := fs
		fs = d.next
		if d.f != nil {
			d.run(&first, fs)
		}
	}
	returned = true
	return first
}

// run runs d's function, and the rest if that ends its goroutine.
func (d *doneFunc) run(first **PanicError, rest *doneFunc) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			p := &PanicError{Value: r, Stack: debug.Stack()}
			if *first == nil {
				*first = p
			} else {
				logger(nil).Error("hop: another OnDone function panicked too", "panic", p.Value, "stack", string(p.Stack))
			}
			return
		}
		for d := rest; d != nil; d = d.next { // runtime.Goexit ends this goroutine: the rest is for now or never
			if d.f != nil {
				d.run(first, d.next)
			}
		}
	}()
	d.f()
	returned = true
}

// guard runs f, a function of the user's that nobody waits for; its panic goes the way of a posted function's.
func (c *Call) guard(f func()) {
	if p := runDoneFuncs(&doneFunc{f: f}, c.escaped); p != nil {
		c.escaped(p)
	}
}

// escaped is told of a panic that no caller can receive.
func (c *Call) escaped(p *PanicError) {
	var s *sched
	if fb := self(); fb != nil {
		s = fb.s
	}
	if s == nil {
		if l, ok := c.Portal().(*Loop); ok {
			s = l.s
		}
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
	if c.done() {
		c.mu.Unlock()
		f()
		return func() bool { return false }
	}
	d := &doneFunc{c: c, f: f}
	x := c.more()
	d.next, x.onDone = x.onDone, d
	c.mu.Unlock()
	return d.stop
}

// stop takes the function back; false: it has run, runs or will.
func (d *doneFunc) stop() bool {
	c := d.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.f == nil || c.done() {
		return false
	}
	d.f = nil
	x := c.x.Load()
	if x.dead++; x.dead > maxDead {
		x.dead = 0
		for at := &x.onDone; *at != nil; {
			if (*at).f == nil {
				*at = (*at).next
			} else {
				at = &(*at).next
			}
		}
	}
	return true
}

// maxDead is how many functions that were taken back may stay in a list.
const maxDead = 16
