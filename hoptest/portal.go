package hoptest

import (
	"context"
	"fmt"
	"testing"

	"github.com/gohop/hop"
)

// TestPortal tests that a portal does what hop.Portal asks, each promise in a subtest, on a portal that make makes for it. It
// reports every promise that is broken and what the portal did.
//
// The portal must run its calls by itself: for one that has to be driven, make starts a goroutine that drives it. make cleans up
// with t.Cleanup. If the portal has a method Close() error, as loops and pools have, one subtest closes it while calls are being
// submitted; Close is then called again by make's cleanup, if that does so.
//
// A portal may refuse calls, for instance when a queue is full, but not when it is idle. A call is done a moment before Call.Run
// has returned to the portal, so what that refuses then is tried again. It may run calls in any order, some at a time or one, on
// goroutines of its choice, the submitting one included. Where one of these promises is broken by never doing something, the
// subtest fails after ten seconds.
func TestPortal(t *testing.T, make func(t *testing.T) hop.Portal) {
	t.Helper()
	for _, c := range portalChecks {
		t.Run(c.name, func(t *testing.T) {
			t.Helper()
			if err := c.try(make(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNesting tests that calls on a portal may wait for other calls on the same portal, to a depth of ten, ten at a time. hop.Portal
// does not ask for that, and a portal that runs one call after another on a goroutine of its own cannot offer it; all portals of
// hop do, and so do those that pass their calls on to one.
func TestNesting(t *testing.T, make func(t *testing.T) hop.Portal) {
	t.Helper()
	if err := (portalCheck{"nesting", checkNesting}).try(make(t)); err != nil {
		t.Error(err)
	}
}

// CheckPortal does what [TestPortal] does with one portal, in order, and returns what the first broken promise is, or nil.
// If the portal has a method Close() error, it is closed afterwards.
//
// Call it from a plain goroutine: it blocks until it is done. In a bubble of testing/synctest, where the portal was made, the ten
// seconds for which it waits are virtual. When it returns an error, goroutines may be left that the portal blocks.
func CheckPortal(p hop.Portal) error {
	for _, c := range portalChecks {
		if err := c.try(p); err != nil {
			return err
		}
	}
	return nil
}

// A portalCheck tries one promise.
type portalCheck struct {
	name string
	f    func(*probe) error
}

func (c portalCheck) try(p hop.Portal) error {
	if p == nil {
		return fmt.Errorf("hoptest: the portal is nil")
	}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), valueKey{}, c.name))
	pr := &probe{portal: p, ctx: ctx, cancel: cancel, gate: make(chan struct{})}
	defer pr.open()
	if err := c.f(pr); err != nil {
		pr.cancel() // what waits on a broken portal waits no longer
		return fmt.Errorf("hoptest: %s: %w", c.name, err)
	}
	return nil
}

type valueKey struct{}

// The promises, from what all else needs to what few portals have. Close is the last.
var portalChecks = []portalCheck{
	{"a call runs once", checkRuns},
	{"many calls run once each", checkMany},
	{"calls from many goroutines run once each", checkSubmitters},
	{"Submit returns at once", checkReturns},
	{"Submit from inside a call", checkInside},
	{"Submit from OnDone", checkOnDone},
	{"a failure is the call's alone", checkFailure},
	{"a panic is the call's alone", checkPanic},
	{"runtime.Goexit is the call's alone", checkGoexit},
	{"a cancelled call does not run", checkCancelled},
	{"a running call is cancelled through its context", checkCancelRunning},
	{"the context is the submitter's", checkContext},
	{"a call may wait", checkWaits},
	{"Close strands nothing", checkClose},
}
