// Package inside lets hop's own packages do what its users cannot: hop fills it in.
package inside

import (
	"context"

	"github.com/gohop/hop/internal/waitlist"
)

// StopLoop shuts a protected *hop.Loop down; see hop.Loop.Shutdown.
var StopLoop func(loop any, ctx context.Context) error

// Here reports whether the calling goroutine runs the *hop.Call: a wait there for it would be a wait for itself.
var Here func(call any) bool

// Until says what a wait for several calls is for.
type Until int

const (
	All    Until = iota // the end of each
	One                 // the end of one
	Failed              // the end of one that fails or is cancelled
)

// Who streams the ends of calls has, for each *hop.Call, a node in the list of those who wait for it. It is no wait: it keeps no goroutine and is
// no edge of the wait graph.
var (
	// Watch has w.Wake called when the call ends, after its groups are told and the functions of OnDone have run, perhaps under the call's lock; false: it has ended.
	Watch func(call any, n *waitlist.Node, w waitlist.Waiter) bool

	// Unwatch takes the node back; false: w.Wake has been called, or will be.
	Unwatch func(call any, n *waitlist.Node) bool

	// Mark sets a mark on the call; false: it has one. Unmark takes it off, for who has set it.
	Mark   func(call any) bool
	Unmark func(call any)

	// WaitForRoom waits for a *hop.Event as Event.Wait does, as a wait for all the *hop.Calls that each yields at the moment, too: they bring the event
	// about, room in a queue. If that would be a deadlock, it is refused. each may take a lock under which nobody calls hop, but for Here and Set.
	WaitForRoom func(ctx context.Context, event any, queue string, each func(yield func(call any) bool)) error

	// Several makes a wait for *hop.Calls, those that each yields at the moment, of AwaitSeveral. each may take a lock under which nobody calls hop.
	Several func(until Until, each func(yield func(call any) bool)) any

	// AwaitSeveral waits for a *hop.Event as Event.Wait does, as the wait that Several has made, too: the ends of the calls bring the event about. If
	// that would be a deadlock, it is refused.
	AwaitSeveral func(ctx context.Context, event, several any) error

	// OwnRoom is the error of the *hop.Call that would wait at this place for room in the queue that it handles the values of.
	OwnRoom func(call any, queue, file string, line int) error

	// CancelEach cancels all the *hop.Calls that each yields, before it runs a function of OnDone or OnCancel of one.
	CancelEach func(each func(yield func(call any) bool), cause error)

	// Bare is a context of which no more is known than the call that ctx is of: calls made with it are made under that, but have none of its values, and
	// do not end with it.
	Bare func(ctx context.Context) context.Context

	// Await waits for a *hop.Call as Pending.Wait does, but does not look at its error: if that is all, a failure is still reported.
	Await func(ctx context.Context, call any) error

	// NeedsCaller reports whether the *hop.Call does not end while the calling goroutine waits, as that is the own one of the host on which the call is to
	// run. Like Call.State it may run functions of OnDone.
	NeedsCaller func(call any) bool

	// RefusesHost is the error of a wait, on the calling goroutine, for what the *hop.Loop is to do: ErrCannotWait if the loop is a guest of the host whose
	// own goroutine that is, else nil. It may be asked under a lock.
	RefusesHost func(loop any) error

	// Set sets a *hop.Event, also for who holds a lock.
	Set func(event any)
)
