package queue

import (
	"fmt"
	"time"
)

// Options change a queue. The zero value, like nil, is a queue without a limit that logs the errors of its function.
type Options struct {
	// Name is the name of the queue's calls, in errors and reports; the default is the name of the function.
	Name string

	// Limit is how many values may wait, the ones being handled not counted. 0: no limit.
	Limit int

	// Full says what Put does when Limit values wait.
	Full Policy

	// BatchSize is how many values a function of NewBatch gets at most. 0: no bound, all that wait. New ignores it.
	BatchSize int

	// BatchWait is how long a value waits at most for others to fill its batch. 0: not at all; a batch is then what came
	// while the function was busy with the one before. Limit values are a full batch too, as there is no room for more. New
	// ignores it.
	BatchWait time.Duration

	// OnError is told each error of the function: the error itself, a *hop.PanicError, or one that is hop.ErrGoexit. It runs
	// on the portal, one at a time, before the next value is handled. The default logs it with slog.
	OnError func(error)

	// OnDrop gets each value that Put took and that is never handled: dropped by the policy Drop, by Close, or because the
	// portal stopped. It runs on the goroutine that drops it, so it must be safe for concurrent use.
	OnDrop func(any)
}

func (o *Options) check() {
	switch {
	case o.Limit < 0:
		panic(fmt.Sprintf("hop: queue: negative Limit %d", o.Limit))
	case o.BatchSize < 0:
		panic(fmt.Sprintf("hop: queue: negative BatchSize %d", o.BatchSize))
	case o.BatchWait < 0:
		panic(fmt.Sprintf("hop: queue: negative BatchWait %v", o.BatchWait))
	case o.Full < Fail || o.Full > Wait:
		panic(fmt.Sprintf("hop: queue: unknown %v", o.Full))
	}
}

// A Policy says what Put does with a value for which a queue has no room by its own Limit. Where each value is a call on a loop, and that is at its
// QueueLimit, Put returns hop.ErrFull under each policy.
type Policy int

const (
	// Fail returns hop.ErrFull.
	Fail Policy = iota

	// Drop gives the value to OnDrop and returns nil: the newest is lost, those that wait stay.
	Drop

	// Wait waits until there is room, first come, first served.
	Wait
)

// String returns the name of the constant.
func (p Policy) String() string {
	switch p {
	case Fail:
		return "Fail"
	case Drop:
		return "Drop"
	case Wait:
		return "Wait"
	}
	return fmt.Sprintf("Policy(%d)", int(p))
}
