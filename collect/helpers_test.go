package collect_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gohop/hop"
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

// everywhere runs f on a plain goroutine, in a task on a loop, and in a call on a pool of one.
func everywhere(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Run("goroutine", func(t *testing.T) { within(t, func() { f(t, t.Context()) }) })
	on := func(name string, place func(t *testing.T) hop.Portal) {
		t.Run(name, func(t *testing.T) {
			p := place(t)
			within(t, func() {
				err := hop.Run(t.Context(), p, func(ctx context.Context) error { f(t, ctx); return nil })
				if err != nil && !t.Failed() {
					t.Error(err)
				}
			})
		})
	}
	on("loop", func(t *testing.T) hop.Portal { return newLoop(t) })
	on("pool", func(t *testing.T) hop.Portal {
		p := hop.NewPool(&hop.PoolOptions{Size: 1})
		t.Cleanup(func() { within(t, func() { p.Close() }) })
		return p
	})
}

// promises makes n promises and their Pendings.
func promises(n int) (ps []*hop.Promise[int], calls []*hop.Pending[int]) {
	for range n {
		p := hop.NewPromise[int](context.Background())
		ps, calls = append(ps, p), append(calls, p.Pending())
	}
	return ps, calls
}

// resolved is a Pending that is done.
func resolved(v int) *hop.Pending[int] {
	p := hop.NewPromise[int](context.Background())
	p.Resolve(v)
	return p.Pending()
}

// rejected is a Pending that has failed.
func rejected(err error) *hop.Pending[int] {
	p := hop.NewPromise[int](context.Background())
	p.Reject(err)
	p.Pending().Result() // or hop would report that nobody looked
	return p.Pending()
}

// wantSame fails the test unless got are the very Pendings want, in order.
func wantSame(t testing.TB, what string, got, want []*hop.Pending[int]) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v (%T), want one that Is %v", err, err, target)
	}
}

func wantState(t testing.TB, p *hop.Pending[int], want hop.State) {
	t.Helper()
	if got := p.Call().State(); got != want {
		t.Errorf("%v is %v, want %v", p, got, want)
	}
}

// counted is a source of calls that tells how many have been pulled.
func counted(pulled *int, calls ...*hop.Pending[int]) iter.Seq[*hop.Pending[int]] {
	return func(yield func(*hop.Pending[int]) bool) {
		for _, p := range calls {
			*pulled++
			if !yield(p) {
				return
			}
		}
	}
}

// directHost is a foreign event loop whose own code runs beside what is posted to it, on one goroutine.
type directHost chan func()

func (h directHost) Post(f func()) error {
	h <- f
	return nil
}

// serve is the host's loop, on its one thread.
func (h directHost) serve() {
	if runtime.GOARCH != "wasm" { // where a lock outlives its goroutine
		runtime.LockOSThread()
	}
	for f := range h {
		f()
	}
}

// onAHost runs f in the own code of the foreign host of guest, on a goroutine that hop does not know and in a call in which the foreign loop runs.
func onAHost(t *testing.T, f func(t *testing.T, guest *hop.Loop)) {
	for name, run := range map[string]func(host directHost){
		"goroutine": func(host directHost) { go host.serve() },
		"call": func(host directHost) {
			hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) { host.serve(); return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := make(directHost, 100)
			run(host)
			t.Cleanup(func() { close(host) })
			guest := hop.NewLoop(&hop.LoopOptions{Name: t.Name(), Host: host})
			t.Cleanup(func() { within(t, func() { guest.Close() }) })
			within(t, func() { // a tick, so that the host's goroutine is known
				hop.Run(context.Background(), guest, func(context.Context) error { return nil })
			})
			done := make(chan struct{})
			host <- func() { defer close(done); f(t, guest) }
			within(t, func() { <-done })
		})
	}
}

// neverThere is a call on guest that must not run, as its host is busy and cancels it.
func neverThere(t *testing.T, guest *hop.Loop) *hop.Pending[int] {
	p := hop.Go(context.Background(), guest, func(context.Context) (int, error) { return 1, nil })
	t.Cleanup(func() { p.Cancel(nil) })
	return p
}

// soon is a call elsewhere that ends while others wait for it.
func soon(err error) *hop.Pending[int] {
	return hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (int, error) {
		hop.Sleep(ctx, time.Millisecond)
		return 2, err
	})
}
