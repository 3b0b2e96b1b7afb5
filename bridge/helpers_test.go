package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
)

// patience is how long a step that should end at once may take on a busy machine.
const patience = 20 * time.Second

// within runs f on a goroutine of its own and fails the test, with all stacks, when it takes longer than patience.
func within(t testing.TB, f func()) {
	t.Helper()
	done := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { done <- returned }()
		f()
		returned = true
	}()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case returned := <-done:
		if !returned {
			t.FailNow() // f said why
		}
	case <-watchdog.C:
		buf := make([]byte, 1<<20)
		t.Fatalf("still blocked after %v\n\n%s", patience, buf[:runtime.Stack(buf, true)])
	}
}

func newLoop(t testing.TB) *hop.Loop {
	t.Helper()
	l := hop.NewLoop(&hop.LoopOptions{Name: t.Name()})
	t.Cleanup(func() { within(t, func() { l.Close() }) })
	return l
}

// everywhere runs f for each kind of portal.
func everywhere(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	t.Cleanup(func() { within(t, func() { pool.Close() }) })
	for name, on := range map[string]hop.Portal{"inline": hop.Inline, "goroutines": hop.Goroutines, "loop": newLoop(t), "pool": pool} {
		t.Run(name, func(t *testing.T) { within(t, func() { f(t, on) }) })
	}
}

// invoke is bridge.Invoke, waited for.
func invoke(t testing.TB, on hop.Portal, f any, args ...any) (any, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return bridge.Invoke(ctx, on, f, args...).Wait(ctx)
}

func wantIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v (%T), want one that Is %v", err, err, target)
	}
}

// wantMisuse fails the test unless f panics with a text that starts with "hop: ".
func wantMisuse(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, _ := recover().(string); !strings.HasPrefix(s, "hop: ") {
			t.Errorf("%s: panic with %q, want one that starts with hop:", name, s)
		}
	}()
	f()
}

// resolved and rejected are Pendings that are done; open is one that nobody completes.
func resolved[T any](v T) *hop.Pending[T] {
	p := hop.NewPromise[T](context.Background())
	p.Resolve(v)
	return p.Pending()
}

func rejected(err error) *hop.Pending[int] {
	p := hop.NewPromise[int](context.Background())
	p.Reject(err)
	return p.Pending()
}

func open() *hop.Pending[int] { return hop.NewPromise[int](context.Background()).Pending() }

var errWhy = errors.New("why")
