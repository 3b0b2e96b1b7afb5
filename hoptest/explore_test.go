package hoptest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// finds has Explore look for a bug, and asserts that it is found.
func finds(t *testing.T, o *hoptest.ExploreOptions, f func(*hoptest.Trial), want ...string) {
	t.Helper()
	report := hoptest.Find(t, o, f)
	if report == "" {
		t.Fatal("no schedule fails")
	}
	for _, w := range want {
		if !strings.Contains(report, w) {
			t.Errorf("the report does not say %q:\n%s", w, report)
		}
	}
	if testing.Verbose() {
		t.Log(report)
	}
}

// Two calls read a balance, wait for something, and write it back. They never run at the same time, since they are on one loop; but each may
// run while the other waits.
type account struct{ balance int }

func (a *account) deposit(ctx context.Context, n int) error {
	was := a.balance
	if err := hop.Sleep(ctx, time.Millisecond); err != nil { // ask somebody whether that is allowed
		return err
	}
	a.balance = was + n
	return nil
}

func (a *account) depositRight(ctx context.Context, n int) error {
	if err := hop.Sleep(ctx, time.Millisecond); err != nil {
		return err
	}
	a.balance += n // between two waits a task is alone on its loop
	return nil
}

func deposits(deposit func(*account, context.Context, int) error) func(*hoptest.Trial) {
	return func(x *hoptest.Trial) {
		l := hop.NewLoop(&hop.LoopOptions{Name: "bank"})
		defer l.Close()
		var a account
		err := hop.WithGroup(x.Context(), nil, func(ctx context.Context) error {
			for _, who := range []string{"ann", "bob"} {
				hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, deposit(&a, ctx, 10) }, hop.Name(who))
			}
			return nil
		})
		if err != nil || a.balance != 20 {
			x.Errorf("%v; the balance is %d, want 20", err, a.balance)
		}
	}
}

func TestExplore_FindsALostUpdate(t *testing.T) {
	finds(t, nil, deposits((*account).deposit), "the balance is 10, want 20", `start call "ann"`, `start call "bob"`, "explore_test.go:", "HOP_SEED=")
}

func TestExplore_PassesWhereNoUpdateIsLost(t *testing.T) {
	for _, s := range []hoptest.Strategy{hoptest.Random, hoptest.PCT, hoptest.Exhaustive} {
		hoptest.Explore(t, &hoptest.ExploreOptions{Strategy: s}, deposits((*account).depositRight))
	}
}

// A cache asks for what it does not have. Who waits for it must look again afterwards: others did the same.
type cache struct {
	values map[string]string
	loads  int
}

func (c *cache) get(ctx context.Context, key string) (string, error) {
	if v, ok := c.values[key]; ok {
		return v, nil
	}
	v, err := c.load(ctx, key)
	c.values[key] = v
	return v, err
}

func (c *cache) load(ctx context.Context, key string) (string, error) {
	c.loads++
	return hop.Do(ctx, hop.Workers(), func(context.Context) (string, error) { return "value of " + key, nil })
}

func TestExplore_FindsThatACacheLoadsTwice(t *testing.T) {
	body := func(x *hoptest.Trial) {
		l := hop.NewLoop(nil)
		defer l.Close()
		c := cache{values: make(map[string]string)}
		a := hop.Go(x.Context(), l, func(ctx context.Context) (string, error) { return c.get(ctx, "k") })
		b := hop.Go(x.Context(), l, func(ctx context.Context) (string, error) { return c.get(ctx, "k") })
		a.Wait(x.Context())
		b.Wait(x.Context())
		if c.loads != 1 {
			x.Errorf("the cache has loaded %d times", c.loads)
		}
	}
	finds(t, &hoptest.ExploreOptions{Strategy: hoptest.PCT}, body, "the cache has loaded 2 times")
}

// A queue is closed while somebody waits to put something in: a check before the wait says nothing about after it.
func TestExplore_FindsAMissingCheckAfterAWait(t *testing.T) {
	body := func(x *hoptest.Trial) {
		l := hop.NewLoop(&hop.LoopOptions{Name: "queue"})
		defer l.Close()
		var closed bool
		var room hop.Event
		put := hop.Go(x.Context(), l, func(ctx context.Context) (int, error) {
			if closed {
				return 0, errors.New("closed")
			}
			if err := room.Wait(ctx); err != nil {
				return 0, err
			}
			if closed { // here it should give up
				x.Errorf("something was put into a closed queue")
			}
			return 1, nil
		}, hop.Name("put"))
		x.Go("reader", room.Set)
		hop.Run(x.Context(), l, func(context.Context) error { closed = true; return nil }, hop.Name("close"))
		put.Wait(x.Context())
	}
	finds(t, nil, body, "closed queue", `start call "close"`)
}

// Two goroutines wait for each other's events, by hand: hop sees no calls that wait in a circle, and so cannot refuse.
func TestExplore_FindsADeadlock(t *testing.T) {
	body := func(x *hoptest.Trial) {
		a, b := hop.NewLimiter(1), hop.NewLimiter(1)
		both := func(first, second *hop.Limiter) func() {
			return func() {
				first.Acquire(x.Context())
				defer first.Release()
				second.Acquire(x.Context())
				defer second.Release()
			}
		}
		done := make(chan bool)
		x.Go("ann", func() { both(a, b)(); done <- true })
		x.Go("bob", func() { both(b, a)(); done <- true })
		<-done
		<-done
	}
	finds(t, nil, body, "nothing moves any more", "ann", "bob", "Acquire")
}

func TestExplore_FindsWhatIsLeftBehind(t *testing.T) {
	body := func(x *hoptest.Trial) {
		p, w := hop.NewPool(nil), make(chan int)
		defer p.Close()
		hop.Go(x.Context(), p, func(ctx context.Context) (int, error) { return <-w, nil }, hop.Abandon())
	}
	finds(t, nil, body, "goroutines are left", "worker")
}

// aHost is a foreign event loop: its functions run one after another, on one goroutine.
type aHost chan func()

func (h aHost) Post(f func()) error {
	h <- f
	return nil
}

// Under every schedule what a guest waits for comes, though a goroutine of hop's own tells its host.
func TestExplore_AGuestOfAForeignHost(t *testing.T) {
	for _, s := range []hoptest.Strategy{hoptest.Random, hoptest.PCT, hoptest.Exhaustive} {
		hoptest.Explore(t, &hoptest.ExploreOptions{Strategy: s, Runs: 1000}, func(x *hoptest.Trial) {
			host := make(aHost, 10)
			defer close(host)
			go func() {
				for f := range host {
					f()
				}
			}()
			guest := hop.NewLoop(&hop.LoopOptions{Name: "guest", Host: host})
			var e hop.Event
			waits := hop.Go(x.Context(), guest, func(ctx context.Context) (int, error) { return 1, e.Wait(ctx) })
			asks := hop.Go(x.Context(), guest, func(ctx context.Context) (int, error) {
				return hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { e.Set(); return 2, nil }).Wait(ctx)
			})
			for i, p := range []*hop.Pending[int]{waits, asks} {
				if v, err := p.Wait(x.Context()); v != i+1 || err != nil {
					x.Errorf("got %d, %v", v, err)
				}
			}
			if err := guest.Close(); err != nil {
				x.Errorf("Close: %v", err)
			}
		})
	}
}
