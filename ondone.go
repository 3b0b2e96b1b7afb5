package hop

import (
	"log/slog"

	"github.com/gohop/hop/internal/each"
)

// runDone runs the functions of OnDone where a loop, a pool or a cancel ended the call.
func (c *Call) runDone(fs *doneFunc) {
	if c.has(flagUnder) {
		defer c.tellsHere()()
	}
	panics := runDoneFuncs(fs, c.escaped)
	if len(panics) == 0 {
		return
	}
	if !c.has(flagByHand) {
		c.escaped(panics)
		return
	}
	logOthers(panics)
	panic(panics[0].Value) // Resolve and Reject take it themselves
}

// A doneFunc is one function in a list, the latest first.
type doneFunc struct {
	c    *Call
	f    func() // nil: taken back
	next *doneFunc
}

// runDoneFuncs runs each, the earliest first, whatever the others do, and returns their panics. If one of them ends the goroutine nobody can get these
// from here: they escape.
func runDoneFuncs(latest *doneFunc, escaped func([]*PanicError)) (panics []*PanicError) {
	returned := false
	defer func() {
		if !returned && len(panics) > 0 {
			escaped(panics)
		}
	}()
	var fs *doneFunc // turned round
	for d := latest; d != nil; {
		next := d.next
		d.next, fs = fs, d
		d = next
	}
	fs.runAll(&panics)
	returned = true
	return panics
}

// runAll runs d's function and those after it, also if one of them ends the goroutine by runtime.Goexit: what is left is for now or never. A panic that is
// recovered from does not say that this goes on: one in a function that is deferred there is on top of a Goexit, which then continues.
func (d *doneFunc) runAll(panics *[]*PanicError) {
	defer func() {
		if d != nil {
			d.runAll(panics)
		}
	}()
	for d != nil {
		now := d
		d = d.next
		if now.f != nil {
			now.run(panics)
		}
	}
}

// run runs d's function.
func (d *doneFunc) run(panics *[]*PanicError) {
	returned := false
	defer func() {
		if !returned {
			if r := recover(); r != nil {
				*panics = append(*panics, panicked(r))
			}
		}
	}()
	d.f()
	returned = true
}

// guard runs f, a function of the user's that nobody waits for; its panic goes the way of a posted function's.
func (c *Call) guard(f func()) {
	if panics := runDoneFuncs(&doneFunc{f: f}, c.escaped); len(panics) > 0 {
		c.escaped(panics)
	}
}

// panickedUnseen is told of a panic when the call has ended: of its function, which was abandoned, or of a method of its context's. Whoever waited for it
// has its result. That ends no process.
func (c *Call) panickedUnseen(p *PanicError) {
	l, ok := c.Portal().(*Loop)
	switch {
	case ok && l.s.hasOnPanic():
		l.s.escaped(p)
	case ok:
		c.logPanic(logger(l.o.Logger), p)
	default:
		c.logPanic(logger(nil), p)
	}
}

func (c *Call) logPanic(to *slog.Logger, p *PanicError) {
	to.Error("hop: the function of a call that had ended panicked, or its context", "call", c.Name(), "on", kindName(c.Portal()), "panic", p.Value, "stack", string(p.Stack))
}

// escaped is told of panics that no caller can receive: they go to OnPanic of the loop whose task the goroutine runs, else of the call's own loop. Where
// neither has one they end the process: the first does, and the others are logged before.
func (c *Call) escaped(panics []*PanicError) {
	var s *sched
	if fb := self(); fb != nil && fb.s.hasOnPanic() {
		s = fb.s
	} else if l, ok := c.Portal().(*Loop); ok && l.s.hasOnPanic() {
		s = l.s
	} else {
		defer each.Do(panics, s.escaped) // a value, or a logger, may end the goroutine when it is logged
		logOthers(panics)
		return
	}
	each.Do(panics, s.escaped)
}

// logOthers logs all but the first.
func logOthers(panics []*PanicError) {
	for _, p := range panics[1:] {
		logger(nil).Error("hop: another OnDone function panicked too", "panic", p.Value, "stack", string(p.Stack))
	}
}

// OnDone has f called once, when the call is done: on the goroutine that ends it, in the order of registration,
// never under a lock; at once and here if the call is done already. stop takes f back and reports whether it
// prevented it, as context.AfterFunc's does. A panic of f does not stop the next: it goes to the caller of Resolve or
// Reject; else to OnPanic of the loop whose task the goroutine runs, or, if that has none, of the call's own loop; where there is none, as on a pool or in
// Call.Run on a plain goroutine, it crashes the process. That of an f which is called at once goes to the caller of OnDone. It follows
// Pending.add_done_callback.
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
	c.x.Load().tookBack()
	return true
}

// tookBack is told that one more function of onDone was taken back. These stay in the list until there are more of them than of the others, or than
// maxDead: so what goes through it costs no more than what came and went. It needs mu.
func (x *callMore) tookBack() {
	if x.mayDie > 0 {
		x.mayDie--
		return
	}
	live := uint32(0)
	for at := &x.onDone; *at != nil; {
		if (*at).f == nil {
			*at = (*at).next
		} else {
			at = &(*at).next
			live++
		}
	}
	x.mayDie = max(maxDead, live/2)
}

// maxDead is how many functions that were taken back may stay in a short list.
const maxDead = 16
