package hop

import (
	"errors"
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
	err    error
	log    *slog.Logger
}

// mayStayUnseen has the failure of c reported should nobody ever look at it. It needs mu.
func (c *Call) mayStayUnseen(err error) {
	u := &unlooked{name: c.Name(), place: portalName(c.portal), err: err}
	if l, ok := c.portal.(*Loop); ok {
		u.log = l.o.Logger
	}
	// The error may name the call itself, which then would never become garbage.
	var d *DeadlockError
	var p *PanicError
	switch {
	case errors.As(err, &d):
		u.err = errors.New(d.Error())
	case errors.As(err, &p) && p.call != nil:
		u.err = &PanicError{Value: p.Value, Stack: p.Stack}
	}
	c.rare().unlooked = u
	runtime.AddCleanup(c, func(u *unlooked) {
		if !u.looked.Load() {
			logger(u.log).Error("hop: a call failed and nobody looked at its error", "call", u.name, "on", u.place, "err", u.err)
		}
	}, u)
}

// look notes that somebody has seen the call's error.
func (c *Call) look() {
	if c.has(flagLooked) {
		return
	}
	c.set(flagLooked)
	if x := c.hasRare(); x != nil && x.unlooked != nil {
		x.unlooked.looked.Store(true)
	}
}
