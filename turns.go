package hop

import (
	"path"
	"strconv"
	"strings"

	"github.com/gohop/hop/internal/turn"
)

// What reports of explored schedules call the objects and goroutines of hop. Names that hop has made up are left out: they
// count what the process has made, and so would differ between runs of one schedule.

func init() { turn.Describe, turn.Self = describe, whoThisIs }

func describe(on any) string {
	switch on := on.(type) {
	case *Call:
		if x := on.x.Load(); x != nil && x.name != "" {
			return "call " + strconv.Quote(x.name)
		}
		if on.has(flagPromise) {
			return "promise"
		}
		return "call " + functionName(on.Name())
	case *sched:
		if on.loop != nil {
			return describe(on.loop)
		}
		return "waiter"
	case *Loop:
		return given("loop", on.o.Name)
	case *Pool:
		return given("pool", on.o.Name)
	case *worker:
		return "worker of " + describe(on.p)
	case *wait:
		return "a wait"
	case *Event:
		return "event"
	case *Limiter:
		return "limiter"
	case *Group:
		return "group"
	}
	return ""
}

// given returns what a place is called, its name only if it was given one.
func given(what, name string) string {
	if n, ok := strings.CutPrefix(name, what+"-"); ok {
		if _, err := strconv.ParseUint(n, 10, 64); err == nil {
			return what
		}
	}
	return what + " " + strconv.Quote(name)
}

// functionName is the name of a function without the path of its package.
func functionName(full string) string {
	_, name, ok := strings.Cut(path.Base(full), ".")
	if !ok {
		return full
	}
	return name
}

func whoThisIs() string {
	fb := self()
	switch {
	case fb == nil:
		return ""
	case fb.w != nil:
		return describe(fb.w)
	case fb.s != nil && fb.wait.co != nil:
		return "task of " + describe(fb.s)
	case fb.s != nil:
		return "on " + describe(fb.s)
	}
	return ""
}
