package hop

import (
	"reflect"
	"time"
)

// An Option changes one call. Options are made by [Name], [Timeout], [Abandon], [OnUndelivered] and [Meta].
type Option interface{ apply(c *Call) }

type optionFunc func(c *Call)

func (f optionFunc) apply(c *Call) { f(c) }

// Name gives a call the name that Call.Name, errors and reports show. Without it they show the name of the function.
func Name(name string) Option {
	return optionFunc(func(c *Call) {
		c.more().name = name
		if c.st.And(^uint32(flagNamed)); name != "" {
			c.set(flagNamed)
		}
	})
}

// Timeout cancels the call when its function has run for d, its waits included; the time in a queue does not
// count (a deadline of the context spans that too). The call then ends with a [CancelError] that is
// context.DeadlineExceeded. A negative d panics, zero is none.
//
// It is a deadline of the function's context, but not of those of calls made with it, which it cancels all the same. When the function has returned in time
// that is over, and what it has started with the context goes on; but a context that package context has derived from it directly meanwhile, and that was
// not cancelled, relies on the deadline, and ends with it.
//
// It follows Prefect's Call.set_timeout.
func Timeout(d time.Duration) Option {
	if d < 0 {
		misuse("Timeout: negative duration %v", d)
	}
	return optionFunc(func(c *Call) { c.rare().timeout = d })
}

// Abandon ends a running call at the moment it is cancelled, although its function runs on: for functions that
// heed no context. The function runs on after Do or Wait has returned: what it shares with the caller it must share safely. What it still
// returns goes to [OnUndelivered], a panic to OnPanic of its loop or, where there is none, to the log. Abandoned functions are counted in
// PoolStats until they return, and a pool's worker that is kept by one is replaced. It follows anyio's abandon_on_cancel.
func Abandon() Option {
	return optionFunc(func(c *Call) { c.set(flagAbandon) })
}

// OnUndelivered has f called with a value that a cancelled call's function returned all the same, so that what must be closed can be. f
// runs on the goroutine of the function before the call is done (after it, if the call was abandoned); a panic of f goes where one of an
// OnDone function would, but not to the caller of Resolve. T must be the call's own type. It follows Prefect's FutureQueueService and
// Kotlin's onUndeliveredElement.
func OnUndelivered[T any](f func(T)) Option {
	if f == nil {
		misuse("OnUndelivered: nil function")
	}
	return optionFunc(func(c *Call) {
		if c.kind != nil && !c.impl().takes(f) {
			misuse("OnUndelivered[%v] is given to %s, whose value is of another type", reflect.TypeFor[T](), callName(c))
		}
		c.rare().undelivered = f
	})
}

// Meta gives the call a value that Call.Meta finds by key, for portals, hooks and diagnostics; keys follow the rule of
// context.WithValue. It follows async-kernel's Pending.metadata.
func Meta(key, value any) Option {
	if key == nil || !reflect.TypeOf(key).Comparable() {
		misuse("Meta: the key must be comparable and not nil")
	}
	return optionFunc(func(c *Call) {
		x := c.rare()
		x.meta = append(x.meta, metaEntry{key, value})
	})
}

type metaEntry struct{ key, value any }
