package hop

import (
	"context"
	"errors"
	"reflect"
	"slices"
)

// What a group's error is made of: those of its members, of f, and of the wait.

// result joins the errors.
func (g *Group) result(ctx context.Context, ferr, werr error) error {
	over := !g.o.Shield && ctx.Err() != nil
	if over {
		g.cancel(causeOf(ctx), false) // the function that follow has registered may not have run yet
	}
	g.mu.Lock()
	errs, cause, failed := g.errs, g.cause, g.failed
	g.mu.Unlock() // errors of users have methods, which may ask the group
	var all []error
	told := make(errorSet)
	if ferr != nil && !g.ownEnd(ferr, cause, failed, errs) {
		all = append(all, ferr)
		told.addAll(ferr)
	}
	for _, err := range errs {
		if told.add(err) {
			all = append(all, err)
		}
	}
	if werr != nil {
		all = append(all, werr)
	}
	if over && !slices.ContainsFunc(all, func(e error) bool { return errors.Is(e, ctx.Err()) }) {
		all = append(all, endedWait(groupsEnd, ctx))
	}
	return errors.Join(all...)
}

// ownEnd reports whether f's error only says that the group was cancelled with cause: by its Timeout, by Cancel, or because a member
// has failed, whose error, one of errs, is the group's.
func (g *Group) ownEnd(err, cause error, failed bool, errs []error) bool {
	if cause == nil || failed && (len(errs) == 0 || !errors.Is(err, context.Canceled)) {
		return false
	}
	return saysOnly(err, context.Canceled, g.ctx.Err(), cause)
}

// saysOnly reports whether err, and each part of it if several are joined, is one of these errors or wraps one.
func saysOnly(err error, these ...error) bool {
	for _, e := range these {
		if reflect.ValueOf(e).Comparable() && err == e {
			return true
		}
	}
	switch err := err.(type) {
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(err.Unwrap(), func(e error) bool { return !saysOnly(e, these...) })
	case interface{ Unwrap() error }:
		if e := err.Unwrap(); e != nil {
			return saysOnly(e, these...)
		}
	}
	return slices.ContainsFunc(these, func(e error) bool { return errors.Is(err, e) })
}

// An errorSet knows errors by their identity; those that cannot be compared are all different.
type errorSet map[error]struct{}

// add reports whether err is new.
func (s errorSet) add(err error) bool {
	if !reflect.ValueOf(err).Comparable() {
		return true
	}
	_, known := s[err]
	s[err] = struct{}{}
	return !known
}

// addAll adds err and all that it wraps.
func (s errorSet) addAll(err error) {
	if err == nil || !s.add(err) {
		return
	}
	switch err := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			s.addAll(e)
		}
	case interface{ Unwrap() error }:
		s.addAll(err.Unwrap())
	}
}

var (
	errGroupFailed = errors.New("hop: the group's function panicked or ended its goroutine")
	errGroupOver   = refuse(ErrClosed, "the group is over: its WithGroup has returned")
)

// A groupError is the cause with which the members of a group are cancelled whose function has returned err: one of its own, so that it is not taken for
// another cause.
type groupError struct{ err error }

func (e *groupError) Error() string { return "hop: the group's function failed: " + e.err.Error() }
func (e *groupError) Unwrap() error { return e.err }
