package explore_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
	"github.com/gohop/hop/internal/turn"
)

func TestAHangIsFound(t *testing.T) {
	r := explore.Search(t, explore.Options{}, func(x *explore.Trial) {
		x.Go("other", func() { x.Point("here") })
		<-make(chan int)
	})
	mustFail(t, r, explore.Hung, "the test waits for ever", "g1, test [chan receive]", "failure_test.go")
}

// The explorations that follow one that hangs are not disturbed by the goroutines that it has left, nor is hop.
func TestAHangIsForgotten(t *testing.T) {
	hang := func(x *explore.Trial) {
		l := hop.NewLoop(nil)
		defer l.Close()
		var e hop.Event
		hop.Do(x.Context(), l, func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) })
	}
	for range 20 {
		mustFail(t, explore.Search(t, explore.Options{}, hang), explore.Hung, "(*Event).Wait")
		mustPass(t, explore.Search(t, explore.Options{Runs: 5}, busy))
	}
}

func TestWhatIsLeftIsFound(t *testing.T) {
	r := explore.Search(t, explore.Options{}, func(x *explore.Trial) {
		go func() { x.Point("here"); <-make(chan int) }()
	})
	mustFail(t, r, explore.Left, "goroutines are left", "g2, ", "[chan receive]", "failure_test.go")
	r = explore.Search(t, explore.Options{}, func(x *explore.Trial) { go func() { <-make(chan int) }() })
	mustFail(t, r, explore.Left, "a goroutine that has come to no point")
}

func TestWhatEndsLaterIsNotLeft(t *testing.T) {
	r := explore.Search(t, explore.Options{Runs: 10}, func(x *explore.Trial) {
		go func() { time.Sleep(time.Minute); x.Point("late") }()
		hop.Go(x.Context(), hop.NewPool(nil), func(context.Context) (int, error) { return 0, nil }) // a worker idles for a minute
	})
	mustPass(t, r)
}

func TestAPanicIsFound(t *testing.T) {
	r := explore.Search(t, explore.Options{}, func(x *explore.Trial) { panic("in the body") })
	mustFail(t, r, explore.Panicked, "panic: in the body", "failure_test.go")
	r = explore.Search(t, explore.Options{}, func(x *explore.Trial) {
		done := make(chan bool)
		x.Go("other", func() { defer close(done); panic("in another") })
		<-done
	})
	mustFail(t, r, explore.Panicked, "panic: in another", "g2 other")
}

func TestFatalfEndsItsGoroutine(t *testing.T) {
	r := explore.Search(t, explore.Options{}, func(x *explore.Trial) {
		l := hop.NewLoop(nil)
		defer l.Close()
		_, err := hop.Do(x.Context(), l, func(context.Context) (int, error) { x.Fatalf("on the loop"); return 1, nil })
		if !errors.Is(err, hop.ErrGoexit) || !x.Failed() {
			x.Errorf("the call has ended with %v", err)
		}
		x.Logf("the loop goes on: %v", l.Post(func() {}))
		x.Fatalf("in the body")
		panic("it goes on")
	})
	f := mustFail(t, r, explore.Failed, "on the loop", "in the body", "the loop goes on: <nil>")
	if strings.Contains(f.Message, "has ended with") || strings.Contains(f.Message, "goes on") {
		t.Error(f)
	}
}

func TestContextEndsWithTheBody(t *testing.T) {
	r := explore.Search(t, explore.Options{Runs: 20}, func(x *explore.Trial) {
		if x.Context().Err() != nil {
			x.Errorf("it has ended before")
		}
		go func() { <-x.Context().Done() }() // else it is left
	})
	mustPass(t, r)
}

func TestNoEndIsFound(t *testing.T) {
	r := explore.Search(t, explore.Options{Steps: 100, NoShrink: true}, func(x *explore.Trial) {
		for !x.Failed() {
			x.Point("again")
		}
	})
	mustFail(t, r, explore.Endless, "no end after 100 steps")
	r = explore.Search(t, explore.Options{Steps: 100, NoShrink: true}, func(x *explore.Trial) {
		for {
			x.Point("again") // it is left behind at a point
		}
	})
	mustFail(t, r, explore.Endless, "no end after 100 steps")
}

// What is stuck stays in the process and may go on at any time: nothing is explored there any more.
func TestAMutexOverAPoint(t *testing.T) {
	out := child(t, "TestAMutexOverAPoint", func() {
		r := explore.Search(t, explore.Options{Watchdog: time.Second}, func(x *explore.Trial) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					x.Point("before")
					mu.Lock()
					x.Point("within")
					mu.Unlock()
				})
			}
			wg.Wait()
		})
		t.Log(r.Failure)
		explore.Search(t, explore.Options{}, busy)
	})
	for _, want := range []string{"a mutex that is held over a point", "[sync.Mutex.Lock]", "[kept before: within]", "an earlier exploration is stuck"} {
		if !strings.Contains(out, want) {
			t.Errorf("the child does not say %q:\n%s", want, out)
		}
	}
}

func TestAnExplorationInAnother(t *testing.T) {
	refused := func(fail func(string, ...any), in string) {
		defer func() {
			if s, _ := recover().(string); !strings.Contains(s, "it makes bubbles of its own") {
				fail("in %s: %q", in, s)
			}
		}()
		explore.Search(t, explore.Options{}, func(*explore.Trial) {})
	}
	mustPass(t, explore.Search(t, explore.Options{Runs: 1}, func(x *explore.Trial) { refused(x.Errorf, "an exploration") }))
	synctest.Test(t, func(t *testing.T) { refused(t.Errorf, "a bubble") })
}

// Goroutines outside of the bubble come to points too, also in other bubbles: they pass.
func TestOutsidersPass(t *testing.T) {
	stop, stopped := make(chan bool), make(chan int)
	go func() {
		n := 0
		l := hop.NewLoop(nil)
		for ; ; n++ {
			select {
			case <-stop:
				l.Close()
				stopped <- n
				return
			default:
				hop.Run(context.Background(), l, func(context.Context) error { return nil })
				runtime.Gosched() // else the two that talk to each other keep the one processor
				if n%10 == 0 {
					synctest.Test(t, func(t *testing.T) {
						e := new(hop.Event)
						time.AfterFunc(time.Second, e.Set)
						e.Wait(context.Background())
					})
				}
			}
		}
	}()
	schedules := make([]string, 2)
	for i := range schedules {
		for seed := range uint64(60) {
			r := explore.Run(t, explore.Options{Seed: seed}, busy)
			mustPass(t, r)
			schedules[i] += r.Schedule
		}
	}
	close(stop)
	if n := <-stopped; n == 0 {
		t.Error("the outsider has done nothing")
	}
	if schedules[0] != schedules[1] {
		t.Error("an outsider changes the schedules")
	}
}

// Parallel tests wait for each other.
func TestExplorationsInParallel(t *testing.T) {
	for _, name := range []string{"a", "b", "c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustPass(t, explore.Search(t, explore.Options{Runs: 50}, busy))
		})
	}
}

// In the fine grain, locks are points: who waits for one that is taken cannot go on, and a circle of such waits is a hang.
func TestADeadlockOfLocks(t *testing.T) {
	if !turn.Fine {
		t.Skip("locks are points only with -tags hopexplore")
	}
	r := explore.Search(t, explore.Options{}, func(x *explore.Trial) {
		var a, b turn.Mutex
		var wg sync.WaitGroup
		both := func(a, b *turn.Mutex) {
			wg.Go(func() {
				a.Lock()
				defer a.Unlock()
				b.Lock()
				defer b.Unlock()
			})
		}
		both(&a, &b)
		both(&b, &a)
		wg.Wait()
	})
	mustFail(t, r, explore.Hung, "(g2, g3 at locks that are taken)", "lock lock #2")
}

func TestTable(t *testing.T) {
	got := explore.Table([]explore.Row{
		{Step: 9, Time: 0, G: 1, Who: "test", Does: "submit", On: `call "a"`, At: "a.go:1"},
		{Step: 10, Time: time.Minute, G: 2, Who: "loop", Does: "take", On: "größte"},
		{Step: 11, Time: time.Minute, Who: "clock", Does: "time passes"},
		{Step: 12, Time: 1500 * time.Microsecond, G: 2, Who: "loop", Does: "resume", At: "b.go:22"},
	})
	want := `
step  time   clock        g1 test          g2 loop      at
   9  0s                  submit call "a"               a.go:1
  10  1m                                   take größte
  11  1m     time passes
  12  1.5ms                                resume       b.go:22
`
	if got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
}
