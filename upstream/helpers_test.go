package upstream_test

// Helpers shared by the tests of this package. Every step that could block goes through within, or is made of it, so
// that a test fails with the stacks of all goroutines instead of hanging.

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
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

var bg = context.Background()

var errWhy = errors.New("why")

// TestMain is where the tests of the main thread, which run this binary again, get hold of it.
func TestMain(m *testing.M) {
	if name := os.Getenv(onMainEnv); name != "" {
		os.Exit(runOnMain(name))
	}
	os.Exit(m.Run())
}

// needsThread skips a test whose point is an OS thread.
func needsThread(t testing.TB) {
	t.Helper()
	if wasm {
		t.Skip("the point of this test is an OS thread: wasm has one only")
	}
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// within runs f on a goroutine of its own and returns when f has. It is for plain goroutines, not for tasks.
func within(t testing.TB, what string, f func()) {
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
		t.Fatalf("%s: still blocked after %v\n\n%s", what, patience, stacks())
	}
}

// wait is p.Wait with a watchdog, for a plain goroutine.
func wait[T any](t testing.TB, p *hop.Pending[T]) (v T, err error) {
	t.Helper()
	within(t, "wait for "+p.Call().String(), func() { v, err = p.Wait(bg) })
	return v, err
}

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

// eventually polls cond until it holds: for what nothing announces, never for ordering.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not so after %v\n\n%s", what, patience, stacks())
		}
	}
}

// untilWaiting returns when c is in a wait of hop.
func untilWaiting(t testing.TB, c *hop.Call) {
	t.Helper()
	eventually(t, c.String()+" is to wait", func() bool { return c.State() == hop.Waiting })
}

// newLoop is hop.NewLoop, closed at the end of the test.
func newLoop(t testing.TB, o *hop.LoopOptions) *hop.Loop {
	t.Helper()
	l := hop.NewLoop(o)
	t.Cleanup(func() { closed(t, l.Close) })
	return l
}

// newPool is hop.NewPool, closed at the end of the test.
func newPool(t testing.TB, o *hop.PoolOptions) *hop.Pool {
	t.Helper()
	p := hop.NewPool(o)
	t.Cleanup(func() { closed(t, p.Close) })
	return p
}

func closed(t testing.TB, close func() error) {
	t.Helper()
	within(t, "Close at the end of the test", func() {
		if err := close(); err != nil {
			t.Errorf("Close at the end of the test: %v", err)
		}
	})
}

// fromBoth runs f as "from sync", on a plain goroutine, and as "from async", in a task of a loop.
func fromBoth(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	t.Run("from sync", func(t *testing.T) { fromSync(t, f) })
	t.Run("from async", func(t *testing.T) { fromAsync(t, f) })
}

// fromBothInBubble is fromBoth in virtual time.
func fromBothInBubble(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	t.Run("from sync", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fromSync(t, f) }) })
	t.Run("from async", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fromAsync(t, f) }) })
}

func fromSync(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	within(t, "the caller", func() { f(t, bg) })
}

func fromAsync(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	l := newLoop(t, &hop.LoopOptions{Name: "caller", StallAfter: -1})
	err := waitErr(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { f(t, ctx); return 0, nil }))
	if err != nil && !(errors.Is(err, hop.ErrGoexit) && t.Failed()) {
		t.Error(err)
	}
}

// gate holds functions back until it is opened, at the latest when the test ends. Make it after the loops and pools whose
// calls wait at it.
type gate struct {
	once sync.Once
	ch   chan struct{}
}

func newGate(t testing.TB) *gate {
	g := &gate{ch: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.ch) }) }

// pass blocks the goroutine until the gate is open, whatever its context says.
func (g *gate) pass() { <-g.ch }

// occupy keeps a loop, or one worker of a pool, busy until the gate is opened.
func occupy(t testing.TB, on hop.Portal) *gate {
	t.Helper()
	g := newGate(t)
	started := make(chan struct{})
	hop.Go(bg, on, func(context.Context) (int, error) {
		close(started)
		g.pass()
		return 0, nil
	}, hop.Name("occupy"))
	recv(t, "the start of the function that occupies the place", started)
	return g
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

// wantCancelled fails the test unless err is a *hop.CancelError.
func wantCancelled(t testing.TB, err error) {
	t.Helper()
	var ce *hop.CancelError
	if !errors.As(err, &ce) || !errors.Is(err, hop.ErrCancelled) {
		t.Errorf("error is %v (%T), want a *hop.CancelError", err, err)
	}
}

// wantTimeout is wantCancelled by a deadline.
func wantTimeout(t testing.TB, err error) {
	t.Helper()
	wantCancelled(t, err)
	wantIs(t, err, context.DeadlineExceeded)
}

// wantState fails the test unless c is in state want.
func wantState(t testing.TB, c *hop.Call, want hop.State) {
	t.Helper()
	if got := c.State(); got != want {
		t.Errorf("state of %v is %v, want %v", c, got, want)
	}
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i] == want[i]
	}
	if !same {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// value, failure and sleep are the smallest functions.
func value[T any](v T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return v, nil }
}

func failure(err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return 0, err }
}

func sleep(d time.Duration) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, d) }
}

// forever waits until it is cancelled.
func forever(ctx context.Context) (int, error) {
	var never hop.Event
	return 0, never.Wait(ctx)
}

// goid tells goroutines apart.
func goid() string {
	buf := make([]byte, 64)
	return string(bytes.Fields(buf[:runtime.Stack(buf, false)])[1])
}

// journal is a log to read.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: level}))
}

// noGoroutineLeft fails the test when, at its end, goroutines of hop run that did not before. Call it first.
func noGoroutineLeft(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		eventually(t, "no goroutine is left", func() bool {
			for id, stack := range goroutines() {
				if _, old := before[id]; !old && strings.Contains(stack, "github.com/gohop/hop") {
					return false
				}
			}
			return true
		})
	})
}

// goroutines returns the stack of every goroutine but the caller's, by its first line.
func goroutines() map[string]string {
	m := make(map[string]string)
	for _, s := range strings.Split(stacks(), "\n\n")[1:] {
		if f := strings.Fields(s); len(f) > 1 {
			m[f[1]] = s
		}
	}
	return m
}

func collectGarbage() {
	runtime.GC()
	runtime.Gosched()
}
