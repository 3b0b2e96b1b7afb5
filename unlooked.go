package hop

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
)

// An unlooked is a failure that nobody has looked at yet. When the call is garbage and it still is one, it is reported,
// once, as asyncio reports an exception that was never retrieved.
type unlooked struct {
	looked atomic.Bool
	name   string
	place  string
	err    atomic.Pointer[error]
	log    *slog.Logger
}

// mayStayUnseen has the failure of c reported should nobody ever look at it, and with the error that keep is given. It needs mu.
func (c *Call) mayStayUnseen() *unlooked {
	u := &unlooked{name: c.Name(), place: kindName(portalAt(c.portal))}
	if l, ok := portalAt(c.portal).(*Loop); ok {
		u.log = l.o.Logger
	}
	c.rare().unlooked.Store(u)
	runtime.AddCleanup(c, func(u *unlooked) {
		if !u.looked.Load() {
			go u.report() // the runtime cleans up on one goroutine, and a Logger may block
		}
	}, u)
	return u
}

// keep notes the error. One that leads to a call, this or another that leads to it, would keep it from ever being garbage: where that cannot be
// ruled out only the text is kept.
func (u *unlooked) keep(err error) {
	defer func() {
		if recover() != nil { // a method of the error has panicked: a typed nil, most often
			err := fmt.Errorf("%v", err)
			u.err.Store(&err)
		}
	}()
	var p *PanicError
	var d *DeadlockError
	var c *CancelError
	var w *waitError
	switch {
	case errors.As(err, &p) && p == err && p.call != nil:
		err = &PanicError{Value: plain(p.Value), Stack: p.Stack}
	case errors.As(err, &p), errors.As(err, &d), errors.As(err, &c), errors.As(err, &w):
		err = errors.New(err.Error())
	}
	u.err.Store(&err)
}

// plain returns v, or the text of it if it may lead to something else.
func plain(v any) any {
	switch v.(type) {
	case runtime.Error, string, bool, int, uint:
		return v
	}
	return fmt.Sprint(v)
}

func (u *unlooked) report() {
	if err := u.err.Load(); err != nil {
		logger(u.log).Error("hop: a call failed and nobody looked at its error", "call", u.name, "on", u.place, "err", *err)
	}
}

// look notes that somebody has seen the call's error.
func (c *Call) look() {
	if c.has(flagLooked) {
		return
	}
	c.set(flagLooked)
	if x := c.hasRare(); x != nil {
		if u := x.unlooked.Load(); u != nil {
			u.looked.Store(true)
		}
	}
}

// unseen is told that a wait for the call has ended whose goroutine does not look at the result. It has counted as one who does.
func (c *Call) unseen() {
	if c.raw() != Failed || c.has(flagLooked) {
		return
	}
	var u *unlooked
	c.mu.Lock()
	if c.rare().unlooked.Load() == nil {
		u = c.mayStayUnseen()
	}
	c.mu.Unlock()
	if u == nil {
		return
	}
	u.keep(c.failure())
	if c.has(flagLooked) {
		u.looked.Store(true) // look may have come before
	}
}
