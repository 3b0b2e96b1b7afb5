package hop_test

// Helpers shared by the tests of package hop. Nothing here knows how hop works inside.
//
// Every step of a test that could block goes through within (or wait, waitErr, recv, which are made of it), so that a
// test of a library about deadlocks fails with the stacks of all goroutines instead of hanging.

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// patience is how long a step that should end at once may take on a busy machine. In a synctest bubble it is virtual.
const patience = 10 * time.Second

// wasm tells that there is one thread only (GOOS=js and wasip1).
const wasm = runtime.GOARCH == "wasm"

// needsThread skips a test whose point is an OS thread.
func needsThread(t testing.TB) {
	t.Helper()
	if wasm {
		t.Skip("the point of this test is an OS thread: wasm has one only")
	}
}

// within runs f on a goroutine of its own and returns when f has returned. It fails the test, with the stacks of all
// goroutines, when f takes longer than d. f may use t.Fatal: the test ends there. It is for plain goroutines: a task
// that used it would block its loop.
func within(t testing.TB, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { done <- returned }()
		f()
		returned = true
	}()
	watchdog := time.NewTimer(d)
	defer watchdog.Stop()
	select {
	case returned := <-done:
		if !returned {
			t.FailNow() // f said why
		}
	case <-watchdog.C:
		t.Fatalf("%s: still blocked after %v\n\n%s", what, d, stacks())
	}
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}

// wait is p.Wait with a watchdog, for a plain goroutine.
func wait[T any](t testing.TB, p *hop.Pending[T]) (v T, err error) {
	t.Helper()
	within(t, patience, "wait for "+p.Call().String(), func() { v, err = p.Wait(context.Background()) })
	return v, err
}

// waitErr is wait for those who look at the error only.
func waitErr[T any](t testing.TB, p *hop.Pending[T]) error {
	t.Helper()
	_, err := wait(t, p)
	return err
}

// must is wait for a call that has to succeed.
func must[T any](t testing.TB, p *hop.Pending[T]) T {
	t.Helper()
	v, err := wait(t, p)
	if err != nil {
		t.Fatalf("%v: unexpected error: %v", p.Call(), err)
	}
	return v
}

// recv receives from ch with a watchdog; a closed channel gives the zero value.
func recv[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case v := <-ch:
		return v
	case <-watchdog.C:
		t.Fatalf("%s: nothing came within %v\n\n%s", what, patience, stacks())
		panic("unreachable")
	}
}

// isDone tells whether ch is closed at this moment.
func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// eventually polls cond until it holds; it is for what nothing announces (the garbage collector, goroutines that end),
// never for ordering.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not so after %v", what, patience)
		}
		time.Sleep(time.Millisecond)
	}
}

// newLoop is hop.NewLoop, closed at the end of the test.
func newLoop(t testing.TB, o *hop.LoopOptions) *hop.Loop {
	t.Helper()
	l := hop.NewLoop(o)
	t.Cleanup(func() { closeAll(t, "loop "+l.Name(), l.Close) })
	return l
}

// newPool is hop.NewPool, closed at the end of the test.
func newPool(t testing.TB, o *hop.PoolOptions) *hop.Pool {
	t.Helper()
	p := hop.NewPool(o)
	t.Cleanup(func() { closeAll(t, "pool", p.Close) })
	return p
}

func closeAll(t testing.TB, what string, close func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- close() }()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, hop.ErrProtected) {
			t.Errorf("Close of %s at the end of the test: %v", what, err)
		}
	case <-watchdog.C:
		t.Errorf("Close of %s at the end of the test: still blocked after %v\n\n%s", what, patience, stacks())
	}
}

// kinds are the portals of hop that run calls by themselves, one of each.
var kinds = []struct {
	name   string
	thread bool
	make   func(t testing.TB) hop.Portal
}{
	{"Goroutines", false, func(testing.TB) hop.Portal { return hop.Goroutines }},
	{"Loop", false, func(t testing.TB) hop.Portal { return newLoop(t, &hop.LoopOptions{Name: "plain", StallAfter: -1}) }},
	{"Pool", false, func(t testing.TB) hop.Portal { return newPool(t, &hop.PoolOptions{Name: "pool", Size: 2}) }},
	{"ThreadLoop", true, func(t testing.TB) hop.Portal {
		return newLoop(t, &hop.LoopOptions{Name: "thread", Thread: true, StallAfter: -1})
	}},
	{"ThreadPool", true, func(t testing.TB) hop.Portal {
		return newPool(t, &hop.PoolOptions{Name: "threads", Size: 2, Threads: true})
	}},
}

// everywhere runs f as a subtest for each of kinds, with a fresh portal that is closed at the subtest's end.
func everywhere(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			f(t, k.make(t))
		})
	}
}

// everywhereInBubble is everywhere in virtual time: each subtest is a synctest bubble, the portal made inside it.
func everywhereInBubble(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			synctest.Test(t, func(t *testing.T) { f(t, k.make(t)) })
		})
	}
}

// gate holds functions back until it is opened, at the latest when the test ends. Make it after the loops and pools whose
// calls wait at it: cleanups run in the opposite order, so that their Close finds it open.
type gate struct {
	once sync.Once
	ch   chan struct{}
}

func newGate(t testing.TB) *gate {
	g := &gate{ch: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

// open lets everybody pass; opening twice is allowed.
func (g *gate) open() { g.once.Do(func() { close(g.ch) }) }

// pass blocks the goroutine, not only the task, until the gate is open: a function that does not heed its context.
func (g *gate) pass() { <-g.ch }

// occupy submits a function that keeps the portal on (a loop, or a worker of a pool) busy, blocking its goroutine, and
// returns once it runs. Calls submitted to a loop afterwards stay queued until the gate is opened.
func occupy(t testing.TB, on hop.Portal) *gate {
	t.Helper()
	g := newGate(t)
	started := make(chan struct{})
	hop.Go(context.Background(), on, func(context.Context) (int, error) {
		close(started)
		g.pass()
		return 0, nil
	}, hop.Name("occupy"))
	recv(t, "the start of the function that occupies the place", started)
	return g
}

// busyKinds are the portals that one function can keep busy, so that what comes after it is queued.
var busyKinds = map[string]func(t testing.TB) hop.Portal{
	"Loop": func(t testing.TB) hop.Portal { return newLoop(t, &hop.LoopOptions{Name: "busy", StallAfter: -1}) },
	"Pool": func(t testing.TB) hop.Portal { return newPool(t, &hop.PoolOptions{Name: "busy", Size: 1}) },
}

// goid is the number of the calling goroutine, to tell goroutines apart.
func goid() string {
	buf := make([]byte, 64)
	return string(bytes.Fields(buf[:runtime.Stack(buf, false)])[1])
}

// noLeak fails the test when, at its end, goroutines of hop or of its tests run that did not when noLeak was called. Call
// it first, before newLoop and newPool: cleanups run in the opposite order. Not for parallel tests, nor for tests that
// use Workers or Shared, which outlive a test by design.
func noLeak(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		if t.Failed() {
			return // what a failed test left behind says nothing new
		}
		var left []string
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			left = left[:0]
			for id, stack := range goroutines() {
				if _, old := before[id]; !old && strings.Contains(stack, "github.com/gohop/hop") {
					left = append(left, stack)
				}
			}
			if len(left) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%d goroutines left:\n\n%s", len(left), strings.Join(left, "\n\n"))
				return
			}
		}
	})
}

var goroutineID = regexp.MustCompile(`^goroutine (\d+) `)

// goroutines returns the stack of every goroutine but the caller's, by its number.
func goroutines() map[string]string {
	m := make(map[string]string)
	for i, s := range strings.Split(stacks(), "\n\n") {
		if id := goroutineID.FindStringSubmatch(s); id != nil && i > 0 {
			m[id[1]] = s
		}
	}
	return m
}

// wantIs fails the test unless errors.Is(err, target).
func wantIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v (%T), want one that Is %v", err, err, target)
	}
}

// wantNot fails the test if errors.Is(err, target).
func wantNot(t testing.TB, err, target error) {
	t.Helper()
	if errors.Is(err, target) {
		t.Errorf("error %v (%T) Is %v and should not be", err, err, target)
	}
}

// wantCancelled fails the test unless err is a *hop.CancelError that Is ErrCancelled, and returns it.
func wantCancelled(t testing.TB, err error) *hop.CancelError {
	t.Helper()
	var ce *hop.CancelError
	if !errors.As(err, &ce) {
		t.Fatalf("error is %v (%T), want a *hop.CancelError", err, err)
	}
	wantIs(t, err, hop.ErrCancelled)
	return ce
}

// wantState fails the test unless c is in state want.
func wantState(t testing.TB, c *hop.Call, want hop.State) {
	t.Helper()
	if got := c.State(); got != want {
		t.Errorf("state of %v is %v, want %v", c, got, want)
	}
}

// value and failure are the two smallest functions.
func value[T any](v T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return v, nil }
}

func failure(err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return 0, err }
}
