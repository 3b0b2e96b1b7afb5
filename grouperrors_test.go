package hop_test

// S34: what is an error of a group, and is told once.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gohop/hop"
)

// partlyEqual is an error that cannot be compared.
type partlyEqual []string

func (e partlyEqual) Error() string { return strings.Join(e, ", ") }

func TestS34_ErrorsThatCannotBeComparedAreJoinedToo(t *testing.T) {
	a, b := partlyEqual{"a"}, partlyEqual{"b"}
	err := withGroup(t, bg, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, failure(a))
		hop.Go(ctx, hop.Goroutines, failure(b))
		return a
	})
	var pe partlyEqual
	if !errors.As(err, &pe) {
		t.Fatalf("no such error in %v", err)
	}
	for _, e := range []error{a, b} {
		if !strings.Contains(err.Error(), e.Error()) {
			t.Errorf("%v is not in %v", e, err)
		}
	}
}

func TestS34_AnErrorOfAMemberThatTheFunctionWrapsIsToldOnce(t *testing.T) {
	for name, wrap := range map[string]func(err error) error{
		"with a text": func(err error) error { return fmt.Errorf("because of a member: %w", err) },
		"joined":      func(err error) error { return errors.Join(errOther, fmt.Errorf("and: %w", err)) },
		"twice":       func(err error) error { return errors.Join(err, err) },
	} {
		t.Run(name, func(t *testing.T) {
			err := withGroup(t, bg, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
				_, err := hop.Go(ctx, hop.Goroutines, failure(errBoom)).Wait(ctx)
				return wrap(err)
			})
			wantIs(t, err, errBoom)
			if n := strings.Count(err.Error(), "boom"); n != strings.Count(wrap(errBoom).Error(), "boom") {
				t.Errorf("%v: told more than once", err)
			}
		})
	}
}

func TestS34_AFunctionThatOnlySaysThatTheGroupWasCancelledIsNoError(t *testing.T) {
	for name, say := range map[string]func(ctx context.Context) error{
		"itself":    func(ctx context.Context) error { return ctx.Err() },
		"the cause": func(ctx context.Context) error { return context.Cause(ctx) },
		"wrapped":   func(ctx context.Context) error { return fmt.Errorf("gave up: %w", ctx.Err()) },
		"both, joined": func(ctx context.Context) error {
			return errors.Join(fmt.Errorf("a: %w", context.Cause(ctx)), ctx.Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := withGroup(t, bg, nil, func(ctx context.Context) error {
				hop.CurrentGroup(ctx).Cancel(errEnough)
				return say(ctx)
			})
			if err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.CurrentGroup(ctx).Cancel(errEnough)
		return errors.Join(ctx.Err(), errBoom)
	})
	wantIs(t, err, errBoom)
}

func TestS34_ACallThatWasCancelledBeforeItWasSubmittedIsNoMember(t *testing.T) {
	err := withGroup(t, bg, &hop.GroupOptions{ReportCancelled: true, CancelOnCancelled: true}, func(ctx context.Context) error {
		p := hop.New(ctx, mustNotRun(t))
		p.Cancel(errEnough)
		if err := hop.Goroutines.Submit(p.Call()); err != nil {
			t.Errorf("Submit: %v", err)
		}
		if n := hop.CurrentGroup(ctx).Calls(); len(n) > 0 {
			t.Errorf("members: %v", n)
		}
		return ctx.Err()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_ADelayedCallInAGroupThatIsCancelledNeverRuns(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	_ = withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.CurrentGroup(ctx).Cancel(errEnough)
		for _, on := range []hop.Portal{l, pool, hop.Goroutines} {
			p := hop.After(ctx, 1, on, mustNotRun(t))
			wantIs(t, waitErr(t, p), errEnough)
			wantState(t, p.Call(), hop.Cancelled)
		}
		return nil
	})
}
