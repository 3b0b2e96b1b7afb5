package hoptest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// A fakeT is a test whose end is called by hand.
type fakeT struct {
	testing.TB
	cleanups []func()
	failed   bool
	said     string
}

func (f *fakeT) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }
func (f *fakeT) Helper()          {}
func (f *fakeT) Failed() bool     { return f.failed }
func (f *fakeT) Errorf(format string, args ...any) {
	f.failed = true
	f.said += fmt.Sprintf(format, args...)
}

func (f *fakeT) end() string {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
	return f.said
}

// leaky are tests that leave something behind: leak does, and returns what takes it back.
var leaky = []struct {
	name string
	leak func() (undo func())
	want []string
	loop bool // only Loops shows it: not in a bubble
}{
	{"a loop", func() func() {
		l := hop.NewLoop(&hop.LoopOptions{Name: "forgotten"})
		return func() { l.Close() }
	}, []string{"a loop's goroutine, started by ", "(*Loop).startLoop"}, false},

	{"a loop that has run tasks", func() func() {
		l := hop.NewLoop(&hop.LoopOptions{Name: "forgotten"})
		hop.Run(context.Background(), l, func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) })
		return func() { l.Close() }
	}, []string{"a loop's goroutine"}, false},

	{"a Manual loop", func() func() {
		l := hop.NewLoop(&hop.LoopOptions{Name: "forgotten", Manual: true})
		return func() { l.Close() }
	}, []string{`1 loop not stopped (Close or Shutdown ends one):`, `loop "forgotten", ID `}, true},

	{"a child", func() func() {
		l := hop.NewLoop(&hop.LoopOptions{Name: "parent"})
		l.Child("kid", nil)
		return func() { l.Close() }
	}, []string{`2 loops not stopped`, `loop "kid", ID `, `a child of loop "parent"`}, true},

	{"a task that waits", func() func() {
		l := hop.NewLoop(nil)
		var e hop.Event
		started := make(chan struct{})
		hop.Go(context.Background(), l, func(ctx context.Context) (int, error) { close(started); return 0, e.Wait(ctx) })
		<-started
		return func() { l.Close() }
	}, []string{"a task that waits", "leaks_test.go"}, false},

	{"a pool", func() func() {
		p := hop.NewPool(nil)
		hop.Run(context.Background(), p, func(context.Context) error { return nil })
		return func() { p.Close() }
	}, []string{"1 goroutine:", "a pool's idle worker, started by ", "(*Pool).start"}, false},

	{"a function on a pool", func() func() {
		p := hop.NewPool(nil)
		gate := make(chan struct{})
		hop.Go(context.Background(), p, func(context.Context) (int, error) { <-gate; return 0, nil })
		return func() { close(gate); p.Close() }
	}, []string{"a pool's worker that runs a function", "leaks_test.go"}, false},

	{"an abandoned function", func() func() {
		p := hop.NewPool(nil)
		gate, started := make(chan struct{}), make(chan struct{})
		c := hop.Go(context.Background(), p, func(context.Context) (int, error) { close(started); <-gate; return 0, nil }, hop.Abandon())
		<-started
		c.Cancel(nil)
		p.Close()
		return func() { close(gate) }
	}, []string{"a pool's worker that runs a function", "leaks_test.go"}, false},

	{"a function on a goroutine", func() func() {
		gate := make(chan struct{})
		hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) { <-gate; return 0, nil })
		return func() { close(gate) }
	}, []string{"a function that runs", "leaks_test.go"}, false},

	{"a goroutine that waits in hop", func() func() {
		p, w := hop.NewPromise[int](context.Background()), hop.NewWaiter()
		go w.Wait(context.Background(), p.Pending().Call())
		hop.Run(context.Background(), w, func(context.Context) error { return nil }) // so it waits
		return func() { p.Resolve(1) }
	}, []string{"a goroutine that is in hop, started by github.com/gohop/hop/hoptest_test."}, false},

	{"a goroutine that a function has started", func() func() {
		gate, started := make(chan struct{}), make(chan struct{})
		hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) {
			go func() { close(started); <-gate }()
			<-gate
			return 0, nil
		})
		<-started
		return func() { close(gate) }
	}, []string{"2 goroutines:", "a function that runs", "a goroutine that was started there"}, false},
}

func TestNoLeaks_FindsWhatIsLeft(t *testing.T) {
	hoptest.SetLeakPatience(t, 100*time.Millisecond)
	for _, l := range leaky {
		t.Run(l.name, func(t *testing.T) {
			f := &fakeT{TB: t}
			hoptest.NoLeaks(f)
			undo := l.leak()
			said := f.end()
			undo()
			for _, want := range append(l.want, "hoptest: the test leaves behind") {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q, but\n%s", want, said)
				}
			}
			hoptest.SetLeakPatience(t, 20*time.Second)
			again := &fakeT{TB: t}
			hoptest.NoLeaks(again)
			if said := again.end(); said != "" {
				t.Errorf("of what was there before it says\n%s", said)
			}
		})
	}
}

func TestNoLeaks_InABubble(t *testing.T) {
	for _, l := range leaky {
		if l.loop {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel() // each sees its bubble only
			synctest.Test(t, func(t *testing.T) {
				f := &fakeT{TB: t}
				hoptest.NoLeaks(f)
				undo := l.leak()
				start := time.Now()
				said := f.end()
				if waited := time.Since(start); waited < 5*time.Second || waited > 6*time.Second {
					t.Errorf("it waited %v, in virtual time", waited)
				}
				undo()
				for _, want := range l.want {
					if !strings.Contains(said, want) {
						t.Errorf("it does not say %q, but\n%s", want, said)
					}
				}
			})
		})
	}
}

// use does a little of everything, and takes it all back.
func use(ctx context.Context) {
	l := hop.NewLoop(nil)
	p := hop.NewPool(&hop.PoolOptions{Size: 2})
	hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		for range 20 {
			hop.Go(ctx, l, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, p, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Microsecond) })
			})
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Microsecond) })
		}
		return nil
	})
	go l.Close() // it ends a little later
	p.Close()
}

func TestNoLeaks_SaysNothingWhereNothingIsLeft(t *testing.T) {
	t.Run("anywhere", func(t *testing.T) {
		hoptest.NoLeaks(t)
		use(t.Context())
	})
	t.Run("in a bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hoptest.NoLeaks(t)
			use(t.Context())
		})
	})
	t.Run("with what the process shares", func(t *testing.T) {
		hoptest.NoLeaks(t)
		for range 10 {
			hop.Run(t.Context(), hop.Shared(), func(ctx context.Context) error { return hop.Sleep(ctx, time.Microsecond) })
			hop.Blocking(t.Context(), func(context.Context) (int, error) { return 0, nil })
		}
		hop.WithGroup(t.Context(), nil, func(ctx context.Context) error {
			for range 30 {
				hop.Go(ctx, hop.Shared(), func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Microsecond) })
				hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Microsecond) })
			}
			return nil
		})
	})
}

func TestNoLeaks_IsSilentWhenTheTestHasFailed(t *testing.T) {
	f := &fakeT{TB: t, failed: true}
	hoptest.NoLeaks(f)
	l := hop.NewLoop(nil)
	defer l.Close()
	if said := f.end(); said != "" {
		t.Errorf("it says %s", said)
	}
}

func TestNoLeaks_NamesThePlaceWhereTheRuntimeKnowsIt(t *testing.T) {
	const child = "HOPTEST_LEAK"
	if os.Getenv(child) != "" {
		hoptest.SetLeakPatience(t, 100*time.Millisecond)
		hoptest.NoLeaks(t)
		hop.NewLoop(nil)
		gate := make(chan struct{})
		hop.Run(t.Context(), hop.Goroutines, func(context.Context) error {
			go func() { <-gate }() // its parent ends
			return nil
		})
		return
	}
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no processes")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoLeaks_NamesThePlaceWhereTheRuntimeKnowsIt$")
	cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=tracebackancestors=10")
	out, err := cmd.CombinedOutput()
	said := string(out)
	if err == nil {
		t.Fatalf("the child has passed:\n%s", said)
	}
	for _, want := range []string{
		"2 goroutines",
		"a loop's goroutine, started by github.com/gohop/hop/hoptest_test.TestNoLeaks_NamesThePlaceWhereTheRuntimeKnowsIt at ",
		"a goroutine that was started there, started by github.com/gohop/hop/hoptest_test.TestNoLeaks_NamesThePlaceWhereTheRuntimeKnowsIt.func1 at ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q, but\n%s", want, said)
		}
	}
	if strings.Contains(said, "GODEBUG") {
		t.Error("it gives a hint that was followed")
	}
}

// TestNoLeaks_FindsWhatRunsOnWhatWasThere: a goroutine that was there before is not looked at, but for a function that came since.
func TestNoLeaks_FindsWhatRunsOnWhatWasThere(t *testing.T) {
	hoptest.SetLeakPatience(t, 100*time.Millisecond)
	ctx := context.Background()
	l := hop.NewLoop(nil)
	defer l.Close()
	for name, leak := range map[string]func() (undo func()){
		"on an idle worker": func() func() {
			gate, started := make(chan struct{}), make(chan struct{})
			p := hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { close(started); <-gate; return 0, nil })
			<-started
			return func() { close(gate); p.Wait(ctx) }
		},
		"abandoned on an idle worker": func() func() {
			gate, started := make(chan struct{}), make(chan struct{})
			p := hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { close(started); <-gate; return 0, nil }, hop.Abandon())
			<-started
			p.Cancel(nil)
			return func() { close(gate); p.CancelWait(ctx, nil) }
		},
		"on a loop": func() func() {
			var e hop.Event
			started := make(chan struct{})
			p := hop.Go(ctx, l, func(ctx context.Context) (int, error) { close(started); return 0, e.Wait(ctx) })
			<-started
			return func() { e.Set(); p.Wait(ctx) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			hop.Run(ctx, hop.Workers(), func(context.Context) error { return nil })
			hop.Run(ctx, l, func(context.Context) error { return nil })
			f := &fakeT{TB: t}
			hoptest.NoLeaks(f)
			undo := leak()
			said := f.end()
			undo()
			if !strings.Contains(said, "leaves behind 1 goroutine") {
				t.Errorf("it says %q", said)
			}
		})
	}
}
