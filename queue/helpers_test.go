package queue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
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

func newPool(t testing.TB, o *hop.PoolOptions) *hop.Pool {
	t.Helper()
	p := hop.NewPool(o)
	t.Cleanup(func() { within(t, func() { p.Close() }) })
	return p
}

// everywhere runs f for a queue on each kind of portal.
func everywhere(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	for _, p := range []struct {
		name string
		on   func(t *testing.T) hop.Portal
	}{
		{"loop", func(t *testing.T) hop.Portal { return newLoop(t) }},
		{"pool of one", func(t *testing.T) hop.Portal { return newPool(t, &hop.PoolOptions{Size: 1}) }},
		{"pool of four", func(t *testing.T) hop.Portal { return newPool(t, &hop.PoolOptions{Size: 4}) }},
		{"goroutines", func(t *testing.T) hop.Portal { return hop.Goroutines }},
		{"inline", func(t *testing.T) hop.Portal { return hop.Inline }},
	} {
		t.Run(p.name, func(t *testing.T) {
			on := p.on(t)
			within(t, func() { f(t, on) })
		})
	}
}

// besides runs f as everywhere does, except on the portal that runs a value before Put has returned.
func besides(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		if on != hop.Inline {
			f(t, on)
		}
	})
}

// A record is what a queue's function has seen, and what its hooks were told.
type record struct {
	mu      sync.Mutex
	handled []int
	dropped []int
	errs    []error
	batches [][]int
}

func (r *record) handle(v int) {
	r.mu.Lock()
	r.handled = append(r.handled, v)
	r.mu.Unlock()
}

func (r *record) f(_ context.Context, v int) error { r.handle(v); return nil }

func (r *record) batch(_ context.Context, vs []int) error {
	r.mu.Lock()
	r.handled = append(r.handled, vs...)
	r.batches = append(r.batches, vs)
	r.mu.Unlock()
	return nil
}

func (r *record) options(o queue.Options) *queue.Options {
	o.OnDrop = func(v any) {
		r.mu.Lock()
		r.dropped = append(r.dropped, v.(int))
		r.mu.Unlock()
	}
	o.OnError = func(err error) {
		r.mu.Lock()
		r.errs = append(r.errs, err)
		r.mu.Unlock()
	}
	return &o
}

func (r *record) want(t testing.TB, handled, dropped []int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.handled, handled) {
		t.Errorf("handled %s, want %s", short(r.handled), short(handled))
	}
	if !slices.Equal(r.dropped, dropped) {
		t.Errorf("dropped %s, want %s", short(r.dropped), short(dropped))
	}
}

func short(vs []int) string {
	if len(vs) > 30 {
		return fmt.Sprintf("%d values %v...", len(vs), vs[:30])
	}
	return fmt.Sprint(vs)
}

// ints returns from, ..., to-1.
func ints(from, to int) (vs []int) {
	for v := from; v < to; v++ {
		vs = append(vs, v)
	}
	return vs
}

func put(t testing.TB, q *queue.Queue[int], vs ...int) {
	t.Helper()
	for _, v := range vs {
		if err := q.Put(context.Background(), v); err != nil {
			t.Errorf("Put(%d): %v", v, err)
		}
	}
}

func shutdown(t testing.TB, q *queue.Queue[int]) {
	t.Helper()
	if err := q.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func wantIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v (%T), want one that Is %v", err, err, target)
	}
}

// A gate holds up a queue's function at a value until it is opened.
type gate struct {
	reached chan struct{} // closed when the function is there
	open    hop.Event
	once    sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{})} }

// hold waits in the function.
func (g *gate) hold(ctx context.Context) error {
	g.once.Do(func() { close(g.reached) })
	return g.open.Wait(ctx)
}

// held is a queue whose function holds at the value 0, which has been put, and is there.
func held(t testing.TB, on hop.Portal, r *record, o queue.Options) (*queue.Queue[int], *gate) {
	t.Helper()
	g := newGate()
	q := queue.New(on, func(ctx context.Context, v int) error {
		defer r.handle(v)
		if v == 0 {
			return g.hold(ctx)
		}
		return nil
	}, r.options(o))
	put(t, q, 0)
	<-g.reached
	return q, g
}

// waiting waits until c is in a wait.
func waiting(c *hop.Call) {
	for c.State() != hop.Waiting {
		runtime.Gosched()
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
