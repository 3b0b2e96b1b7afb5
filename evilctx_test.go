package hop_test

// Contexts of users' whose methods panic, or end the goroutine that asks: from the n-th time on, or only where one is asked that is not the user's own.

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// An evilContext has a Done, and one of its methods misbehaves from the n-th time on that it is asked, n below zero: never.
type evilContext struct {
	context.Context
	method string
	n      atomic.Int32
	exits  bool
}

// unended could end, and does not: package context would ask for its Cause on a goroutine of its own then.
var unended = func() context.Context {
	ctx, end := context.WithCancel(bg)
	context.AfterFunc(ctx, end) // which is never
	return ctx
}()

func (c *evilContext) ask(method string) {
	if method != c.method || c.n.Add(-1) >= 0 {
		return
	}
	if c.exits {
		runtime.Goexit()
	}
	panic("evil " + method)
}

func (c *evilContext) Done() <-chan struct{} {
	c.ask("Done")
	return c.Context.Done()
}

func (c *evilContext) Err() error {
	c.ask("Err")
	return c.Context.Err()
}

func (c *evilContext) Value(key any) any {
	c.ask("Value")
	return c.Context.Value(key)
}

func (c *evilContext) AfterFunc(f func()) func() bool {
	c.ask("AfterFunc")
	stop := context.AfterFunc(c.Context, f)
	return func() bool {
		c.ask("stop")
		return stop()
	}
}

func TestAContextThatPanicsOrEndsItsGoroutineLeavesNothingBehind(t *testing.T) {
	waits := map[string]func(ctx context.Context, e *hop.Event, p *hop.Pending[int]){
		"Event":   func(ctx context.Context, e *hop.Event, p *hop.Pending[int]) { e.Wait(ctx) },
		"Pending": func(ctx context.Context, e *hop.Event, p *hop.Pending[int]) { p.Wait(ctx) },
		"Sleep":   func(ctx context.Context, e *hop.Event, p *hop.Pending[int]) { hop.Sleep(ctx, time.Millisecond) },
		"Yield":   func(ctx context.Context, e *hop.Event, p *hop.Pending[int]) { hop.Yield(ctx) },
		"Recv": func(ctx context.Context, e *hop.Event, p *hop.Pending[int]) {
			hop.Recv(ctx, time.After(time.Millisecond))
		},
		"Group": func(ctx context.Context, e *hop.Event, p *hop.Pending[int]) {
			hop.WithGroup(ctx, nil, func(ctx context.Context) error { return hop.Sleep(ctx, time.Millisecond) })
		},
	}
	places := map[string]func() hop.Portal{
		"Loop": func() hop.Portal { return hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) {}}) },
		"ThreadLoop": func() hop.Portal {
			return hop.NewLoop(&hop.LoopOptions{Thread: true, OnPanic: func(*hop.PanicError) {}})
		},
		"Pool": func() hop.Portal { return hop.NewPool(&hop.PoolOptions{Size: 1}) },
	}
	for place, make := range places {
		for what, wait := range waits {
			for _, method := range []string{"Done", "Err", "Value", "AfterFunc", "stop"} {
				for n := range int32(6) {
					for _, exits := range []bool{false, true} {
						if exits && !mayExit[method] {
							continue
						}
						name := fmt.Sprintf("%s/%s/%s/%d/%v", place, what, method, n, exits)
						evilInWait(t, name, make(), method, n, exits, wait)
						if t.Failed() {
							t.Fatal(name)
						}
					}
				}
			}
		}
	}
}

// mayExit are the methods that may end the goroutine. The others are asked too when a registration is taken back, perhaps by the loop itself.
var mayExit = map[string]bool{"Err": true, "AfterFunc": true}

func evilInWait(t *testing.T, name string, on hop.Portal, method string, n int32, exits bool, wait func(context.Context, *hop.Event, *hop.Pending[int])) {
	t.Helper()
	ctx := &evilContext{Context: unended, method: method, exits: exits}
	ctx.n.Store(n)
	var e hop.Event
	p := hop.NewPromise[int](bg)
	mine := hop.Go(bg, on, func(own context.Context) (int, error) {
		wait(ctx, &e, p.Pending())
		return 1, nil
	}, hop.Name(name))
	time.AfterFunc(time.Millisecond, func() {
		e.Set()
		p.Resolve(1)
	})
	within(t, patience, name, func() { mine.Wait(bg) })
	// What ran there has left nothing behind: the place runs on, and stops.
	within(t, patience, name+": another", func() {
		if v, err := hop.Do(bg, on, func(ctx context.Context) (int, error) { return 7, hop.Sleep(ctx, time.Microsecond) }); v != 7 || err != nil {
			t.Errorf("%s: the next call: %d, %v", name, v, err)
		}
	})
	within(t, patience, name+": Close", func() { on.(interface{ Close() error }).Close() })
	if pool, ok := on.(*hop.Pool); ok {
		if s := pool.Stats(); s != (hop.PoolStats{}) {
			t.Errorf("%s: %+v after Close", name, s)
		}
	}
}

func TestACallWhoseContextPanicsOrEndsTheGoroutineEnds(t *testing.T) {
	places := map[string]func() hop.Portal{
		"Loop":       func() hop.Portal { return hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) {}}) },
		"Pool":       func() hop.Portal { return hop.NewPool(&hop.PoolOptions{Size: 1}) },
		"Goroutines": func() hop.Portal { return hop.Goroutines },
	}
	for place, make := range places {
		for _, method := range []string{"Done", "Err", "Value", "AfterFunc", "stop"} {
			for n := range int32(10) {
				for _, exits := range []bool{false, true} {
					if exits && !mayExit[method] {
						continue
					}
					name := fmt.Sprintf("%s/%s/%d/%v", place, method, n, exits)
					evilParent(t, name, make(), method, n, exits)
					if t.Failed() {
						t.Fatal(name)
					}
				}
			}
		}
	}
}

func evilParent(t *testing.T, name string, on hop.Portal, method string, n int32, exits bool) {
	t.Helper()
	ctx := &evilContext{Context: unended, method: method, exits: exits}
	ctx.n.Store(n)
	ended := make(chan struct{})
	within(t, patience, name+": Go", func() {
		returned := false
		defer func() {
			if !returned {
				recover()
				close(ended) // there was no call
			}
		}()
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			hop.Sleep(ctx, time.Microsecond)
			hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, nil })
			return 1, nil
		}, hop.Name(name))
		returned = true
		go func() {
			done := make(chan bool, 1)
			for again := true; again; again = !<-done { // each look may ask the context too
				go func() {
					is := false
					defer func() { recover(); done <- is }()
					is = p.Call().State().Done()
				}()
			}
			close(ended)
		}()
	})
	recv(t, name+": the end", ended)
	if c, ok := on.(interface{ Close() error }); ok {
		if v, err := hop.Do(bg, on, func(ctx context.Context) (int, error) { return 7, hop.Sleep(ctx, time.Microsecond) }); v != 7 || err != nil {
			t.Errorf("%s: the next call: %d, %v", name, v, err)
		}
		within(t, patience, name+": Close", func() { c.Close() })
	}
}
