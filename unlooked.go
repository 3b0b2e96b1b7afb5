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
	err    atomic.Pointer[error]
	log    *slog.Logger
}

// mayStayUnseen has the failure of c reported should nobody ever look at it, and with the error that keep is given. It needs mu.
func (c *Call) mayStayUnseen() *unlooked {
	u := &unlooked{name: c.Name(), place: portalName(portalAt(c.portal))}
	if l, ok := portalAt(c.portal).(*Loop); ok {
		u.log = l.o.Logger
	}
	c.rare().unlooked = u
	runtime.AddCleanup(c, func(u *unlooked) {
		if !u.looked.Load() {
			go u.report() // the runtime cleans up on one goroutine, and a Logger may block
		}
	}, u)
	return u
}

// keep notes the error. One that names a call, this or another that leads to it, would keep it from ever being garbage: of such a
// one only the text is kept.
func (u *unlooked) keep(err error) {
	var p *PanicError
	var d *DeadlockError
	var c *CancelError
	var w *waitError
	switch {
	case errors.As(err, &p) && p == err && p.call != nil:
		err = &PanicError{Value: p.Value, Stack: p.Stack}
	case errors.As(err, &p), errors.As(err, &d), errors.As(err, &c), errors.As(err, &w):
		err = errors.New(err.Error())
	}
	u.err.Store(&err)
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
	if x := c.hasRare(); x != nil && x.unlooked != nil {
		x.unlooked.looked.Store(true)
	}
}
