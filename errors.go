package hop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
)

// The errors of this package. They come wrapped in a text that names the call and the place: compare with
// errors.Is.
var (
	// ErrNotDone is returned by Result and Err of a call that has not ended.
	ErrNotDone = errors.New("hop: the call is not done")

	// ErrCancelled is what every [CancelError] is.
	ErrCancelled = errors.New("hop: the call was cancelled")

	// ErrStopped is returned by a place that takes no more calls, and is the cause with which a stop cancels.
	ErrStopped = errors.New("hop: stopped")

	// ErrFull is returned by Submit when a queue is at its limit.
	ErrFull = errors.New("hop: the queue is full")

	// ErrDeadlock is what every [DeadlockError] is, and what Close and Shutdown return to a caller whom they would wait for: the wait could
	// never have ended.
	ErrDeadlock = errors.New("hop: deadlock")

	// ErrCannotWait is returned where nothing can wait: by a wait inside a C function that a task called; by one on a foreign event loop's own
	// goroutine, in a call that runs inline there or for a call of its guest (any other wait there blocks it); and by RunLoop and Loop.Run on a
	// loop, or in what a goroutine that waits was sent.
	ErrCannotWait = errors.New("hop: cannot wait here")

	// ErrGoexit is the error of a call whose function ended its goroutine with runtime.Goexit, as t.FailNow does.
	ErrGoexit = errors.New("hop: the function called runtime.Goexit")

	// ErrProtected is returned by Close and Shutdown of a loop made with Protected, as [Shared] is, and of [Workers].
	ErrProtected = errors.New("hop: the loop is protected")

	// ErrMismatch is returned where something exists already and is not what is asked for.
	ErrMismatch = errors.New("hop: mismatch")

	// ErrClosed is returned by what takes part in something that is over: a Waiter that has returned, a Group
	// whose WithGroup has.
	ErrClosed = errors.New("hop: closed")
)

// A CancelError is the error of a call that was cancelled, by Cancel, by the end of its context, by its Timeout or by the
// stop of the place it was on.
//
// It is ErrCancelled; it is context.DeadlineExceeded when a deadline ended the call, or the cause is that, and context.Canceled otherwise;
// and it unwraps to its Cause. It follows Prefect's and async-kernel's CancelledError.
type CancelError struct {
	Cause error

	call    *Call // which call, for the text
	timeout bool  // a deadline ended it
}

func (e *CancelError) Error() string {
	s := "hop: "
	if e.call == nil {
		s += "the call"
	} else {
		s += callName(e.call)
		if p := e.call.Portal(); p != nil {
			s += " on " + kindName(p)
		}
	}
	s += " was cancelled"
	switch {
	case e.Cause == context.DeadlineExceeded:
		return s + ": its time was up"
	case e.Cause == nil || e.Cause == context.Canceled:
		return s
	}
	return s + ": " + strings.TrimPrefix(e.Cause.Error(), "hop: ")
}

// Is makes a CancelError ErrCancelled, and one of the two errors of package context.
func (e *CancelError) Is(target error) bool {
	switch target {
	case ErrCancelled:
		return true
	case context.DeadlineExceeded:
		return e.timeout
	case context.Canceled:
		return !e.timeout && !errors.Is(e.Cause, context.DeadlineExceeded)
	}
	return false
}

// Unwrap returns the cause.
func (e *CancelError) Unwrap() error { return e.Cause }

// cancelled returns the error with which c ends for cause.
func (c *Call) cancelled(cause error) *CancelError {
	return &CancelError{Cause: cause, call: c, timeout: c.has(flagTimeout)}
}

// A Wait is one hop of a [DeadlockError]: Call, which runs on Portal, waits at File:Line. Call and Portal are nil for a posted function, which can be
// waited for only where it opens a Local.
type Wait struct {
	Call   *Call
	Portal Portal
	File   string
	Line   int

	of   *waitedFor // what it waits for that the next call has; nil: the end of that call
	name string     // of that
}

func (w Wait) String() string { return w.as(callName(w.Call)) }

func (w Wait) as(call string) string {
	return fmt.Sprintf("%s on %s waits at %s:%d", call, portalName(w.Portal), w.File, w.Line)
}

// on says what it waits for, if that is next's, which is a call's name.
func (w Wait) on(next string) string {
	if w.of == nil {
		return next
	}
	return strings.ReplaceAll(w.of.before, "%s", strconv.Quote(w.name)) + next + w.of.after
}

// A DeadlockError is returned by a wait that could never end, because what it waits for is itself waiting, directly or
// through others, for the call that asks. Nothing has been cancelled: only this wait was refused.
//
// Cycle lists each wait: the first is the one that was refused, each waits for the next, and the last for the first.
type DeadlockError struct {
	Cycle []Wait
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	advice := "start the call without waiting for it, or wait elsewhere"
	if len(e.Cycle) > 0 && e.Cycle[0].of != nil {
		advice = cmp.Or(e.Cycle[0].of.advice, advice)
	}
	b.WriteString("hop: deadlock: this wait can never end; " + advice + ":")
	names := e.names()
	for i, w := range e.Cycle {
		fmt.Fprintf(&b, "\n\t%s for %s", w.as(names[i]), w.on(names[(i+1)%len(names)]))
	}
	return b.String()
}

// names returns what to call the calls of the cycle: those with one name by their numbers, too.
func (e *DeadlockError) names() []string {
	named := make(map[string]*Call)
	alike := make(map[string]bool)
	names := make([]string, len(e.Cycle))
	for i, w := range e.Cycle {
		names[i] = callName(w.Call)
		if other, ok := named[names[i]]; ok && other != w.Call {
			alike[names[i]] = true
		}
		named[names[i]] = w.Call
	}
	for i, w := range e.Cycle {
		if w.Call != nil && alike[names[i]] {
			names[i] += " (" + strconv.FormatUint(w.Call.ID(), 10) + ")"
		}
	}
	return names
}

// Is makes a DeadlockError ErrDeadlock.
func (e *DeadlockError) Is(target error) bool { return target == ErrDeadlock }

// A PanicError is the error of a call whose function panicked: the value, and the stack of the panic.
// It unwraps to Value when that is an error.
type PanicError struct {
	Value any
	Stack []byte

	call *Call // which call, for the text; nil: a function that is none
}

func (e *PanicError) Error() string {
	who := "the function"
	if e.call != nil {
		who = callName(e.call)
		if p := e.call.Portal(); p != nil {
			who += " on " + kindName(p)
		}
	}
	return fmt.Sprintf("hop: %s panicked: %v\n\n%s", who, e.Value, e.Stack)
}

// Unwrap returns Value if it is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A waitError is what ends a wait whose context ended while the call goes on.
type waitError struct {
	what  string
	call  *sighting // or this
	err   error     // ctx.Err()
	cause error     // context.Cause(ctx)
}

// groupsEnd is the what of a WithGroup whose context ended: it has waited all the same.
const groupsEnd = "a group"

func endedWait(what string, ctx context.Context) error {
	return &waitError{what: what, err: ctx.Err(), cause: causeOf(ctx)}
}

// endedWait is that of a wait for c. Most such errors are never read, so the text is made when it is asked for; until then the error keeps the
// call, as the others that name one do.
func (c *Call) endedWait(ctx context.Context) error {
	return &waitError{call: c.seenNow(), err: ctx.Err(), cause: causeOf(ctx)}
}

func (e *waitError) Error() string {
	what := e.what
	if e.call != nil {
		what = e.call.where() + " (" + e.call.what() + ")"
	}
	s := "hop: the wait for " + what + " was given up: "
	if e.what == groupsEnd {
		s = "hop: the context of a group ended, and its members were cancelled: "
	}
	s += e.err.Error()
	if cause := e.why(); cause != nil {
		s += ": " + cause.Error()
	}
	return s
}

func (e *waitError) Unwrap() []error {
	if cause := e.why(); cause != nil {
		return []error{e.err, cause}
	}
	return []error{e.err}
}

// why returns the cause, nil if it is no other than err, which may be of a user's type that cannot be compared.
func (e *waitError) why() error {
	if same(e.cause, e.err) || reflect.ValueOf(e.err).Comparable() && e.cause == e.err {
		return nil
	}
	return e.cause
}

// A placeError is a refusal by a place: its text and which of the errors above it is.
type placeError struct {
	is   error
	text string
}

func (e *placeError) Error() string { return "hop: " + e.text }
func (e *placeError) Unwrap() error { return e.is }

func refuse(is error, format string, args ...any) error {
	return &placeError{is, fmt.Sprintf(format, args...)}
}

// count says how many do or are something, in the words for one and those for others.
func count(n int, one, others string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + others
}

// misuse panics: the program is wrong, and went on it would only fail further from the cause.
func misuse(format string, args ...any) {
	panic("hop: " + fmt.Sprintf(format, args...))
}

// place returns the file and line of a return address.
func place(pc uintptr) (file string, line int) {
	if pc == 0 {
		return "?", 0
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return f.File, f.Line
}
