package hop_test

// Faults: what the tests of the files fault_*_test.go have in common. Each strikes at one step of the life of a call, a loop
// or a pool, and then asks for what matters: the call ends once, with the right error; the place lives on, on its thread;
// nothing is left over.

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// A fault is one way in which a function does not return.
type fault struct {
	name   string
	goexit bool
	strike func()
}

var errStruck = errors.New("struck")

var faults = []fault{
	{"panic", false, explode},
	{"panic with an error", false, func() { panic(errStruck) }},
	{"runtime error", false, func() { _ = make([]int, 1)[os.Getpid()] }},
	{"Goexit", true, runtime.Goexit},
}

// struckBy tells whether err is that of a call whose function f has ended.
func (f fault) struckBy(err error) bool {
	if f.goexit {
		return errors.Is(err, hop.ErrGoexit)
	}
	var pe *hop.PanicError
	if !errors.As(err, &pe) || len(pe.Stack) == 0 {
		return false
	}
	var re runtime.Error
	switch f.name {
	case "panic":
		return pe.Value == "boom"
	case "panic with an error":
		return errors.Is(err, errStruck)
	}
	return errors.As(err, &re)
}

// swallow runs f on a goroutine of its own and returns, when that has ended, what it panicked with; returned tells whether
// f came to its end.
func swallow(t testing.TB, what string, f func()) (value any, returned bool) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if !returned {
				value = recover()
			}
		}()
		f()
		returned = true
	}()
	recv(t, what, done)
	return value, returned
}

// eachPlace runs f as a subtest on each kind of portal of the matrix; nothing of hop may be left after it.
func eachPlace(t *testing.T, f func(t *testing.T, k kind, on hop.Portal)) {
	t.Helper()
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			hoptest.NoLeaks(t)
			on := k.make(t)
			f(t, k, on)
			wantIdle(t, on)
		})
	}
}

// loopKinds are the loops, made with options of the test's.
var loopKinds = []struct {
	name   string
	thread bool
	make   func(t testing.TB, o hop.LoopOptions) *hop.Loop
}{
	{"Loop", false, func(t testing.TB, o hop.LoopOptions) *hop.Loop { return newLoop(t, &o) }},
	{"Thread", true, func(t testing.TB, o hop.LoopOptions) *hop.Loop {
		o.Thread = true
		return newLoop(t, &o)
	}},
	{"Manual", false, func(t testing.TB, o hop.LoopOptions) *hop.Loop {
		o.Manual = true
		l := newLoop(t, &o)
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Run(bg)
		}()
		t.Cleanup(func() {
			closeAll(t, "the manual loop", l.Close)
			recv(t, "Run of the manual loop", done)
		})
		return l
	}},
	{"Guest", false, func(t testing.TB, o hop.LoopOptions) *hop.Loop {
		o.Host = newLoop(t, &hop.LoopOptions{Name: "host"})
		return newLoop(t, &o)
	}},
	{"Child", false, func(t testing.TB, o hop.LoopOptions) *hop.Loop {
		l, err := newLoop(t, &hop.LoopOptions{Name: "parent"}).Child("child", &o)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}},
}

// eachLoop runs f as a subtest on each kind of loop. What nobody receives is sent to panics.
func eachLoop(t *testing.T, f func(t *testing.T, l *hop.Loop, panics chan *hop.PanicError)) {
	t.Helper()
	for _, k := range loopKinds {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			hoptest.NoLeaks(t)
			panics := make(chan *hop.PanicError, 100)
			l := k.make(t, hop.LoopOptions{StallAfter: -1, OnPanic: func(p *hop.PanicError) { panics <- p }})
			f(t, l, panics)
			wantIdle(t, l)
			if n := len(panics); n > 0 {
				t.Errorf("%d panics too many went to OnPanic: %v", n, (<-panics).Value)
			}
		})
	}
}

// poolKinds are the pools.
var poolKinds = []struct {
	name string
	o    hop.PoolOptions
}{
	{"Pool", hop.PoolOptions{}},
	{"PoolOfOne", hop.PoolOptions{Size: 1}},
	{"ThreadPool", hop.PoolOptions{Size: 2, Threads: true}},
	{"NoIdle", hop.PoolOptions{Size: 1, MaxIdle: -1}},
}

// eachPool runs f as a subtest on each kind of pool.
func eachPool(t *testing.T, f func(t *testing.T, p *hop.Pool)) {
	t.Helper()
	for _, k := range poolKinds {
		t.Run(k.name, func(t *testing.T) {
			if k.o.Threads {
				needsThread(t)
			}
			hoptest.NoLeaks(t)
			p := newPool(t, &k.o)
			f(t, p)
			wantIdle(t, p)
		})
	}
}

// wantIdle fails the test unless on runs another call, and a pool comes to count nothing.
func wantIdle(t testing.TB, on hop.Portal) {
	t.Helper()
	if v := must(t, hop.Go(bg, on, value(42))); v != 42 {
		t.Errorf("the next call gave %d", v)
	}
	if p, ok := on.(*hop.Pool); ok {
		eventually(t, "the pool counts nothing", func() bool {
			s := p.Stats()
			return s.Running == 0 && s.Waiting == 0 && s.Queued == 0 && s.Abandoned == 0
		})
	}
}

// A lifeline watches one call: which it is, and how often it ends.
type lifeline struct {
	begun chan struct{}
	call  *hop.Call // once it has begun
	ends  atomic.Int32
}

func newLifeline() *lifeline { return &lifeline{begun: make(chan struct{})} }

// hold is called in the call's function.
func (l *lifeline) hold(ctx context.Context) {
	l.call = hop.CurrentCall(ctx)
	l.call.OnDone(func() { l.ends.Add(1) })
	close(l.begun)
}

// wantEnd fails the test unless the call has ended, or ends, once; it returns its error.
func (l *lifeline) wantEnd(t testing.TB, what string) error {
	t.Helper()
	recv(t, what+": the start of the call", l.begun)
	recv(t, what+": the end of the call", l.call.Done())
	for range 100 {
		if l.ends.Load() > 0 {
			break
		}
		runtime.Gosched()
	}
	eventually(t, what+": OnDone", func() bool { return l.ends.Load() == 1 })
	return l.call.Err()
}

// defaultLog keeps what is logged without a logger, until the end of the test.
func defaultLog(t testing.TB) *records {
	r := new(records)
	setDefaultLog(t, slog.NewTextHandler(r, nil))
	return r
}

func setDefaultLog(t testing.TB, h slog.Handler) {
	logger, w, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() {
		slog.SetDefault(logger)
		log.SetOutput(w)
		log.SetFlags(flags)
	})
}

// portalFunc is a user's portal.
type portalFunc func(c *hop.Call) error

func (f portalFunc) Submit(c *hop.Call) error { return f(c) }

// hostFunc is a user's host.
type hostFunc func(f func()) error

func (h hostFunc) Post(f func()) error { return h(f) }

// inBackground runs f on a goroutine and returns a channel that is closed when that has ended.
func inBackground(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}
