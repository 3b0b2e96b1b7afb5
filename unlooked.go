package hop

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
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
	kept := false
	defer func() {
		if kept {
			return
		}
		text := fmt.Sprintf("an error of type %T, whose Error ended the goroutine", err)
		if recover() != nil { // a method of the error has panicked: a typed nil, most often
			text = fmt.Sprint(err)
		}
		err := errors.New(text)
		u.err.Store(&err)
	}()
	budget := 100
	switch p, ok := err.(*PanicError); {
	case ok && p.call != nil:
		err = &PanicError{Value: plain(p.Value), Stack: p.Stack}
	case !leadsNowhere(err, &budget):
		err = errors.New(err.Error())
	}
	u.err.Store(&err)
	kept = true
}

// Types of errors of which it is known what they hold, and that nothing else holds them.
var (
	typeOfNew   = reflect.TypeOf(errors.New(""))
	typeOfPlace = reflect.TypeFor[*placeError]()
	typeOfWrap  = reflect.TypeOf(fmt.Errorf("%w", ErrClosed))
	typeOfWraps = reflect.TypeOf(fmt.Errorf("%w%w", ErrClosed, ErrClosed))
	typeOfJoin  = reflect.TypeOf(errors.Join(ErrClosed))
)

// leadsNowhere reports whether nothing can be reached by err but what says what has happened. A pointer to something of a user's may lead anywhere: it may be
// one into a larger thing.
func leadsNowhere(err error, budget *int) bool {
	if *budget--; *budget < 0 {
		return false
	}
	switch t := reflect.TypeOf(err); t {
	case nil, typeOfNew:
		return true
	case typeOfWrap, typeOfPlace:
		return leadsNowhere(errors.Unwrap(err), budget)
	case typeOfWraps, typeOfJoin:
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			if !leadsNowhere(e, budget) {
				return false
			}
		}
		return true
	default:
		return isData(t)
	}
}

// isData reports whether what is of type t has no pointers, but to the text of strings.
func isData(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k <= reflect.Complex128, k == reflect.String:
		return true
	case k == reflect.Array:
		return isData(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if !isData(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// plain returns v, or the text of it if it may lead to something else.
func plain(v any) any {
	if v == nil || isData(reflect.TypeOf(v)) {
		return v
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, ok := v.(runtime.Error); ok && t.PkgPath() == "runtime" {
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
