package hop

import (
	"runtime"
	"strconv"
	"sync/atomic"
)

// How a call is named, in texts that hop makes and in those that a user asks for.

// Name returns the name given by the option [Name], or that of the function.
func (c *Call) Name() string {
	if c.has(flagNamed) {
		return c.x.Load().name
	}
	if c.has(flagPromise) {
		return "promise"
	}
	return funcName(c.fn)
}

// funcName returns the name of the function at fn. Those asked for last are kept: there are few functions, and many calls of each.
func funcName(fn code) string {
	kept := &funcNames[uint32(fn)/16%uint32(len(funcNames))]
	if k := kept.Load(); k != nil && k.fn == fn {
		return k.name
	}
	name := "?"
	if f := runtime.FuncForPC(fn.pc()); f != nil {
		name = f.Name()
	}
	kept.Store(&namedFunc{fn, name})
	return name
}

type namedFunc struct {
	fn   code
	name string
}

var funcNames [64]atomic.Pointer[namedFunc]

// String names the call, its place and its state: `call "load" (7) on loop "ui": running`.
func (c *Call) String() string {
	if c == nil {
		return "no call"
	}
	return c.seenNow().String()
}

// A sighting is what is known of a call at some moment.
type sighting struct {
	call   *Call
	portal Portal
	state  State
	asked  bool // to cancel
}

func (c *Call) seenNow() *sighting {
	state := c.raw()
	if state == Running {
		state = c.State()
	}
	return &sighting{c, c.Portal(), state, !state.Done() && c.has(flagCancel)}
}

func (s *sighting) String() string {
	text := callName(s.call) + " (" + strconv.FormatUint(s.call.ID(), 10) + ")"
	if s.portal != nil {
		text += " on " + portalName(s.portal)
	}
	return text + ": " + s.what()
}

// where names the call and its place, for a text that goes on.
func (s *sighting) where() string {
	if s.portal == nil {
		return callName(s.call)
	}
	return callName(s.call) + " on " + kindName(s.portal)
}

// what is the state.
func (s *sighting) what() string {
	if s.asked {
		return s.state.String() + ", asked to cancel"
	}
	return s.state.String()
}

// where names the call and its place. It is apart, as its frame would be part of those of tasks whose wait is ended.
//
//go:noinline
func (c *Call) where() string {
	s := sighting{call: c, portal: c.Portal()}
	return s.where()
}

func callName(c *Call) string {
	if c == nil {
		return "a function without a call"
	}
	return "call " + strconv.Quote(c.Name())
}
