package hoptest_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

func closeAfter(t *testing.T, c interface{ Close() error }) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func newLoop(t *testing.T, o hop.LoopOptions) *hop.Loop {
	o.StallAfter = -1
	l := hop.NewLoop(&o)
	closeAfter(t, l)
	return l
}

func newPool(t *testing.T, o hop.PoolOptions) *hop.Pool {
	p := hop.NewPool(&o)
	closeAfter(t, p)
	return p
}

// portals are hop's own, and some that a user might write; all keep the promises.
var portals = map[string]func(t *testing.T) hop.Portal{
	"Inline":     func(*testing.T) hop.Portal { return hop.Inline },
	"Goroutines": func(*testing.T) hop.Portal { return hop.Goroutines },
	"Workers":    func(*testing.T) hop.Portal { return hop.Workers() },
	"Shared":     func(*testing.T) hop.Portal { return hop.Shared() },
	"Loop":       func(t *testing.T) hop.Portal { return newLoop(t, hop.LoopOptions{}) },
	"Loop with a thread": func(t *testing.T) hop.Portal {
		if runtime.GOARCH == "wasm" {
			t.Skip("there is one thread only")
		}
		return newLoop(t, hop.LoopOptions{Thread: true})
	},
	"Loop with a short queue": func(t *testing.T) hop.Portal { return newLoop(t, hop.LoopOptions{QueueLimit: 3}) },
	"guest":                   func(t *testing.T) hop.Portal { return newLoop(t, hop.LoopOptions{Host: newLoop(t, hop.LoopOptions{})}) },
	"child": func(t *testing.T) hop.Portal {
		l, err := newLoop(t, hop.LoopOptions{}).Child("child", nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	},
	"Manual loop": func(t *testing.T) hop.Portal {
		l := hop.NewLoop(&hop.LoopOptions{Manual: true, StallAfter: -1})
		driven := make(chan error)
		go func() { driven <- l.Run(context.Background()) }()
		t.Cleanup(func() {
			l.Close()
			if err := <-driven; err != nil && !errors.Is(err, hop.ErrStopped) {
				t.Error(err)
			}
		})
		return l
	},
	"Pool":                    func(t *testing.T) hop.Portal { return newPool(t, hop.PoolOptions{}) },
	"Pool of one":             func(t *testing.T) hop.Portal { return newPool(t, hop.PoolOptions{Size: 1}) },
	"Pool of three":           func(t *testing.T) hop.Portal { return newPool(t, hop.PoolOptions{Size: 3, MaxIdle: -1}) },
	"Pool with a short queue": func(t *testing.T) hop.Portal { return newPool(t, hop.PoolOptions{Size: 1, QueueLimit: 3}) },
	"Pool of threads": func(t *testing.T) hop.Portal {
		if runtime.GOARCH == "wasm" {
			t.Skip("there is one thread only")
		}
		return newPool(t, hop.PoolOptions{Size: 2, Threads: true})
	},
	"Waiter on a goroutine": func(t *testing.T) hop.Portal {
		w := hop.NewWaiter()
		serve(t, w, func(f func()) { go f() })
		return w
	},
	"Waiter on a task": func(t *testing.T) hop.Portal {
		w, l := hop.NewWaiter(), newLoop(t, hop.LoopOptions{})
		serve(t, w, func(f func()) { l.Post(f) })
		return w
	},
	"one that forwards": func(t *testing.T) hop.Portal { return forward{newPool(t, hop.PoolOptions{Size: 2})} },
}

// serve has w wait, where start starts it, until the test ends.
func serve(t *testing.T, w *hop.Waiter, start func(func())) {
	done := hop.NewPromise[int](context.Background())
	waited := make(chan error, 1)
	start(func() { waited <- w.Wait(context.Background(), done.Pending().Call()) })
	t.Cleanup(func() {
		done.Resolve(0)
		if err := <-waited; err != nil {
			t.Error(err)
		}
	})
}

type forward struct{ to hop.Portal }

func (f forward) Submit(c *hop.Call) error { return f.to.Submit(c) }

// An actor runs one call after the other on a goroutine of its own: what a user's portal often is.
type actor struct {
	mu     sync.Mutex
	queue  []*hop.Call
	wake   chan struct{}
	closed bool
	ended  chan struct{}
}

var errClosed = errors.New("the actor is closed")

func newActor() *actor {
	a := &actor{wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go a.main()
	return a
}

func (a *actor) Submit(c *hop.Call) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errClosed
	}
	a.queue = append(a.queue, c)
	a.poke()
	return nil
}

func (a *actor) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *actor) next() (c *hop.Call, closed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) > 0 {
		c, a.queue = a.queue[0], a.queue[1:]
	}
	return c, a.closed
}

func (a *actor) main() {
	ended := false
	defer func() {
		if !ended {
			go a.main() // a function has ended this goroutine
		}
	}()
	for {
		c, closed := a.next()
		switch {
		case c != nil:
			c.Run()
		case closed:
			ended = true
			close(a.ended)
			return
		default:
			<-a.wake
		}
	}
}

func (a *actor) Close() error {
	a.mu.Lock()
	a.closed = true
	a.poke()
	a.mu.Unlock()
	<-a.ended
	return nil
}

// A turnstile runs one call at a time and refuses others meanwhile; then it needs a while before it takes the next.
type turnstile struct {
	place chan struct{}
	pause time.Duration
}

func newTurnstile(pause time.Duration) turnstile { return turnstile{make(chan struct{}, 1), pause} }

func (s turnstile) Submit(c *hop.Call) error {
	select {
	case s.place <- struct{}{}:
	default:
		return hop.ErrFull
	}
	go func() {
		defer func() { <-s.place }()
		if s.pause > 0 {
			defer time.Sleep(s.pause)
		}
		c.Run()
	}()
	return nil
}

// A clerk takes a call only when it waits for one.
type clerk chan *hop.Call

func newClerk() clerk {
	c := make(clerk)
	go c.main()
	return c
}

func (c clerk) Submit(call *hop.Call) error {
	select {
	case c <- call:
		return nil
	default:
		return hop.ErrFull
	}
}

func (c clerk) main() {
	closed := false
	defer func() {
		if !closed {
			go c.main() // a function has ended this goroutine
		}
	}()
	for call := range c {
		call.Run()
	}
	closed = true
}

func TestPortal(t *testing.T) {
	for name, make := range portals {
		t.Run(name, func(t *testing.T) { hoptest.TestPortal(t, make) })
	}
	t.Run("an actor", func(t *testing.T) {
		hoptest.TestPortal(t, func(t *testing.T) hop.Portal {
			a := newActor()
			closeAfter(t, a)
			return a
		})
	})
	t.Run("a turnstile", func(t *testing.T) {
		hoptest.TestPortal(t, func(*testing.T) hop.Portal { return newTurnstile(0) })
	})
	t.Run("a clerk", func(t *testing.T) {
		hoptest.TestPortal(t, func(t *testing.T) hop.Portal {
			c := newClerk()
			t.Cleanup(func() { close(c) })
			return c
		})
	})
}

func TestNesting(t *testing.T) {
	for name, make := range portals {
		if name == "Loop with a short queue" || name == "Pool with a short queue" {
			continue // it refuses some
		}
		t.Run(name, func(t *testing.T) { hoptest.TestNesting(t, make) })
	}
}

func TestCheckPortal(t *testing.T) {
	l := hop.NewLoop(nil)
	if err := hoptest.CheckPortal(l); err != nil {
		t.Error(err)
	}
	if hop.LoopByID(l.ID()) != nil {
		t.Error("the loop has not been closed")
	}
	if err := hoptest.CheckPortal(nil); err == nil {
		t.Error("nil is a portal")
	}
}

// A call is done before the portal has it back: those that have no queue refuse the next one meanwhile.
func TestCheckPortal_WaitsUntilThePortalIsIdle(t *testing.T) {
	for range 20 {
		if err := hoptest.CheckPortal(newTurnstile(0)); err != nil {
			t.Errorf("a turnstile: %v", err)
		}
		c := newClerk()
		if err := hoptest.CheckPortal(c); err != nil {
			t.Errorf("a clerk: %v", err)
		}
		close(c)
	}
	synctest.Test(t, func(t *testing.T) {
		slow := newTurnstile(5 * time.Millisecond)
		if err := hoptest.CheckPortal(slow); err != nil {
			t.Errorf("a slow turnstile: %v", err)
		}
		slow.place <- struct{}{} // once the last call has left
	})
}

func TestCheckPortal_InABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, p := range map[string]hop.Portal{
			"Loop": hop.NewLoop(nil), "Pool": hop.NewPool(nil), "Goroutines": hop.Goroutines, "Inline": hop.Inline, "an actor": newActor(),
		} {
			if err := hoptest.CheckPortal(p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
