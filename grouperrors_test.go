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

// What f returns is dropped only if it says no more than that the group was cancelled.
func TestS34_WhatTheFunctionSaysBesideTheCancelIsAnError(t *testing.T) {
	wrapped := fmt.Errorf("and so: %w", errors.Join(context.Canceled, errBoom))
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.CurrentGroup(ctx).Cancel(errEnough)
		return wrapped
	})
	if !errors.Is(err, wrapped) {
		t.Errorf("the error is %v, want %v", err, wrapped)
	}
	err = withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.CurrentGroup(ctx).Cancel(errEnough)
		return saysCanceled{}
	})
	if err != nil {
		t.Errorf("an error that only Is context.Canceled: %v", err)
	}
}

// saysCanceled is context.Canceled, and wraps nothing.
type saysCanceled struct{}

func (saysCanceled) Error() string        { return "given up" }
func (saysCanceled) Is(target error) bool { return target == context.Canceled }

// S19 for the function of a group: nobody has cancelled it.
func TestS19_AGroupsFunctionThatReturnsACancelOfItsOwnMakingHasFailed(t *testing.T) {
	for _, own := range []error{context.Canceled, context.DeadlineExceeded} {
		wantIs(t, withGroup(t, bg, nil, func(context.Context) error { return own }), own)
	}
}

func TestS34_AMembersErrorKeepsTheWordsOfTheFunction(t *testing.T) {
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		return fmt.Errorf("the words of f: %w", waitErr(t, hop.Go(ctx, hop.Goroutines, failure(errBoom))))
	})
	wantIs(t, err, errBoom)
	if !strings.Contains(err.Error(), "the words of f") {
		t.Errorf("%v", err)
	}
}

func TestS34_TheEndOfTheContextIsToldOnce(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	err := withGroup(t, ctx, &hop.GroupOptions{ReportCancelled: true}, func(ctx context.Context) error {
		var seen error
		untilCancelled(t, ctx, hop.Goroutines, &seen)
		end(errEnough)
		return nil
	})
	if all := err.(interface{ Unwrap() []error }).Unwrap(); len(all) != 1 {
		t.Errorf("%d errors, want that of the member only: %v", len(all), all)
	}
	wantIs(t, err, hop.ErrCancelled)
	wantIs(t, err, context.Canceled)
}

// Members that were cancelled with the group are reported, unless it was because another has failed.
func TestS34_ReportCancelledOfAGroupThatIsCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		cancel func(ctx context.Context)
		told   bool
	}{
		"Cancel":    {func(ctx context.Context) { hop.CurrentGroup(ctx).Cancel(errEnough) }, true},
		"a failure": {func(ctx context.Context) { hop.Go(ctx, hop.Goroutines, failure(errBoom)) }, false},
		"a member":  {func(ctx context.Context) { hop.NewPromise[int](ctx).Pending().Cancel(errEnough) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := withGroup(t, bg, &hop.GroupOptions{ReportCancelled: true, CancelOnCancelled: true}, func(ctx context.Context) error {
				var seen error
				untilCancelled(t, ctx, hop.Goroutines, &seen, hop.Name("the other"))
				c.cancel(ctx)
				return nil
			})
			if told := err != nil && strings.Contains(err.Error(), "the other"); told != c.told {
				t.Errorf("the other is reported: %v, want %v: %v", told, c.told, err)
			}
		})
	}
}

// A wait for the members that is refused is a failure: who was cancelled because of it is not reported.
func TestS34_ReportCancelledOfAGroupWhoseWaitIsRefused(t *testing.T) {
	var add hop.Event
	var x *hop.Pending[int]
	owner := ownGroup(hop.Goroutines, &hop.GroupOptions{ReportCancelled: true}, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			add.Wait(bg)
			hop.CurrentGroup(ctx).Add(x.Call())
			var never hop.Event
			return 0, never.Wait(ctx)
		}, hop.Name("bystander"))
		return nil
	})
	untilWaiting(t, owner.Call())
	x = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		_, err := owner.Wait(ctx)
		return 0, err
	})
	untilWaiting(t, x.Call())
	add.Set()
	err := must(t, owner)
	wantIs(t, err, hop.ErrDeadlock)
	if strings.Contains(err.Error(), "bystander") {
		t.Errorf("the bystander is reported: %v", err)
	}
}
