package hop_test

// Misuse of what takes an option, a key or a name; and refusals that are errors.

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
)

func TestMisuse_NothingWhereSomethingMustBe(t *testing.T) {
	var none func(context.Context) error
	l, pool := newLoop(t, nil), newPool(t, nil)
	for name, f := range map[string]func(){
		"a nil Option":              func() { hop.Go(bg, l, value(1), nil) },
		"OnUndelivered(nil)":        func() { hop.OnUndelivered[int](nil) },
		"Meta of nil":               func() { hop.Meta(nil, 1) },
		"Meta of an uncomparable":   func() { hop.Meta([]int{1}, 1) },
		"WithOrigin of nil":         func() { hop.WithOrigin(bg, nil) },
		"Child without a name":      func() { _, _ = l.Child("", nil) },
		"Waiter.OnDone(nil)":        func() { hop.NewWaiter().OnDone(nil) },
		"Waiter.Wait for nil":       func() { _ = hop.NewWaiter().Wait(bg, nil) },
		"Promise.Reject(nil)":       func() { hop.NewPromise[int](bg).Reject(nil) },
		"Promise.OnCancel(nil)":     func() { hop.NewPromise[int](bg).OnCancel(nil) },
		"Call.Fail(nil)":            func() { hop.New(bg, value(1)).Call().Fail(nil) },
		"Submit(nil) to a loop":     func() { _ = l.Submit(nil) },
		"Submit(nil) to a pool":     func() { _ = pool.Submit(nil) },
		"Submit(nil) to Goroutines": func() { _ = hop.Goroutines.Submit(nil) },
		"Submit of a zero Call":     func() { _ = l.Submit(new(hop.Call)) },
		"SetSize(-1)":               func() { pool.SetSize(-1) },
		"GroupOptions.Limit":        func() { _ = hop.WithGroup(bg, &hop.GroupOptions{Limit: -1}, none) },
		"GroupOptions.Timeout": func() {
			_ = hop.WithGroup(bg, &hop.GroupOptions{Timeout: -1}, func(context.Context) error { return nil })
		},
		"a negative group limit": func() {
			_ = hop.WithGroup(bg, &hop.GroupOptions{Limit: -1}, func(context.Context) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
	must(t, hop.Go(bg, l, value(1)))
	must(t, hop.Go(bg, pool, value(1)))
}

func TestRefused_TheSharedPoolStopsWithTheProcess(t *testing.T) {
	within(t, patience, "Shutdown and Close", func() {
		wantIs(t, hop.Workers().Shutdown(bg), hop.ErrProtected)
		wantIs(t, hop.Workers().Close(), hop.ErrProtected)
	})
	must(t, hop.Go(bg, hop.Workers(), value(1)))
}

func TestS26_AChildsOptionsMayNotNameAnother(t *testing.T) {
	l := newLoop(t, nil)
	_, err := l.Child("a", &hop.LoopOptions{Name: "b"})
	wantIs(t, err, hop.ErrMismatch)
	if n := l.Children(); len(n) > 0 {
		t.Errorf("children: %v", n)
	}
	if _, err := l.Child("a", &hop.LoopOptions{Name: "a"}); err != nil {
		t.Error(err)
	}
}

func TestS26_AChildThatStopsIsNotHandedOut(t *testing.T) {
	l := newLoop(t, nil)
	c, err := l.Child("a", nil)
	if err != nil {
		t.Fatal(err)
	}
	g := occupy(t, c)
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	untilClosing(t, c)
	_, err = l.Child("a", nil)
	wantIs(t, err, hop.ErrStopped)
	g.open()
	if err := recv(t, "Close", closed); err != nil {
		t.Error(err)
	}
	if again, err := l.Child("a", nil); err != nil || again == c {
		t.Errorf("after its end: %v, %v, want a new one", again, err)
	}
}

func TestFail_OfACallThatIsCancelledTellsWhy(t *testing.T) {
	// The context has ended before the portal failed the call, and nobody had looked.
	ctx, cancel := context.WithCancelCause(bg)
	p := hop.New(ctx, mustNotRun(t), hop.OnUndelivered(func(int) { t.Error("there is no value") }))
	cancel(errEnough)
	if !p.Call().Fail(errBoom) {
		t.Error("Fail: false")
	}
	if err := waitErr(t, p); !errors.Is(err, errBoom) && !errors.Is(err, errEnough) {
		t.Errorf("it has ended with %v", err)
	}
	if p.Call().Fail(errBoom) {
		t.Error("a second Fail: true")
	}
}
