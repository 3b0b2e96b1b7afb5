package hop_test

// Clauses of the promises that the tests named after them leave open.

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// Who sends, and then tells somebody who sends too, is first, whatever others send at the time.
func TestS22_WhoIsToldComesAfterWhoTells(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		const senders, rounds = 4, 300
		var order []int // on the loop
		var tokens [senders]chan int
		for i := range tokens {
			tokens[i] = make(chan int, 1)
		}
		var all, noise sync.WaitGroup
		var enough atomic.Bool
		for range 2 {
			noise.Go(func() {
				for !enough.Load() {
					hop.Do(bg, l, value(0))
				}
			})
		}
		for s := range senders {
			all.Go(func() {
				for range rounds {
					n := <-tokens[s]
					add := func() { order = append(order, n) }
					switch n % 3 {
					case 0:
						l.Post(add)
					case 1:
						hop.Go(bg, l, func(context.Context) (int, error) { add(); return 0, nil })
					case 2:
						l.Submit(hop.New(bg, func(context.Context) (int, error) { add(); return 0, nil }).Call())
					}
					tokens[(s+1)%senders] <- n + 1
				}
			})
		}
		tokens[0] <- 0
		within(t, 2*patience, "the senders", func() {
			all.Wait()
			enough.Store(true)
			noise.Wait()
			hop.Do(bg, l, value(0))
		})
		if len(order) != senders*rounds || !slices.IsSorted(order) {
			t.Errorf("%d of %d ran, in order: %v", len(order), senders*rounds, slices.IsSorted(order))
		}
	})
}

func TestS12_APlaceDoesNotKeepTheFunctionThatWasPosted(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		gone := func() func() bool {
			big, gone := collected()
			ran := make(chan struct{})
			if err := s.Post(func() { big[0]++; close(ran) }); err != nil {
				t.Fatal(err)
			}
			recv(t, "the posted function", ran)
			return gone
		}()
		eventually(t, "the posted function is collected while the place lives", gone)
		runtime.KeepAlive(s)
	})
}

// Pools and Goroutines have no logger of their own.
func TestS14_AFailureOnAPoolOrAGoroutineIsReportedToTheDefaultLogger(t *testing.T) {
	var j journal
	setDefaultLog(t, j.logger().Handler())
	for name, on := range map[string]hop.Portal{"pool": newPool(t, nil), "goroutine": hop.Goroutines, "inline": hop.Inline} {
		seen, unseen := "looked at on "+name, "overlooked on "+name
		waitErr(t, hop.Go(bg, on, failure(errors.New(seen))))
		recv(t, "the failed call", hop.Go(bg, on, failure(errors.New(unseen))).Done())
		eventually(t, "the report of "+unseen, func() bool { runtime.GC(); return len(j.lines(unseen)) > 0 })
		for range 3 {
			runtime.GC()
		}
		if n := len(j.lines(unseen)); n != 1 || len(j.lines(seen)) > 0 {
			t.Errorf("%s: %d reports of what nobody looked at, %d of the other", name, n, len(j.lines(seen)))
		}
	}
}

func TestS25_ManyStopsOfOnePlace(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		in, enter := started()
		p := hop.Go(bg, s, func(ctx context.Context) (int, error) {
			enter()
			return 0, hop.Sleep(ctx, time.Hour)
		})
		recv(t, "the call", in)
		var stops sync.WaitGroup
		for i := range 10 {
			stops.Go(func() {
				var err error
				if i%2 == 0 {
					err = s.Shutdown(bg)
				} else {
					err = s.Close()
				}
				if err != nil {
					t.Errorf("stop %d: %v", i, err)
				}
				if !isDone(p.Done()) {
					t.Errorf("stop %d returned before the call was done", i)
				}
			})
		}
		within(t, patience, "ten stops", stops.Wait)
		wantIs(t, waitErr(t, p), hop.ErrStopped)
		within(t, patience, "stops of what has stopped", func() {
			if err := errors.Join(s.Close(), s.Shutdown(bg), s.Close()); err != nil {
				t.Error(err)
			}
		})
	})
}

// What a timer, a goroutine, a context that lives on or a table of the process still knew, would not be collected.
func TestS27_WhatHasStoppedIsCollected(t *testing.T) {
	ctx, cancel := context.WithCancel(bg) // outlives every place
	defer cancel()
	parent := newLoop(t, nil)
	loop := func(o *hop.LoopOptions) func() stoppable { return func() stoppable { return hop.NewLoop(o) } }
	for name, c := range map[string]struct {
		thread bool
		make   func() stoppable
	}{
		"Loop":       {false, loop(nil)},
		"ThreadLoop": {true, loop(&hop.LoopOptions{Thread: true})},
		"Guest":      {false, loop(&hop.LoopOptions{Host: parent})},
		"Child": {false, func() stoppable {
			l, err := parent.Child("child", nil)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}},
		"Pool":       {false, func() stoppable { return hop.NewPool(&hop.PoolOptions{Size: 2}) }},
		"ThreadPool": {true, func() stoppable { return hop.NewPool(&hop.PoolOptions{Size: 2, Threads: true}) }},
		"ManualLoop": {false, func() stoppable {
			l := hop.NewLoop(&hop.LoopOptions{Manual: true})
			go l.Run(bg)
			return l
		}},
	} {
		for _, stop := range []string{"Close", "Shutdown"} {
			t.Run(name+"/"+stop, func(t *testing.T) {
				if c.thread {
					needsThread(t)
				}
				var gone atomic.Bool
				within(t, patience, "the life of the place", func() { liveAndStop(t, ctx, c.make(), stop, &gone) })
				eventually(t, "the place is collected", func() bool { runtime.GC(); return gone.Load() })
			})
		}
	}
}

// liveAndStop uses s and stops it; gone is set once it is garbage.
func liveAndStop(t *testing.T, ctx context.Context, s stoppable, stop string, gone *atomic.Bool) {
	switch s := s.(type) {
	case *hop.Loop:
		runtime.AddCleanup(s, func(b *atomic.Bool) { b.Store(true) }, gone)
	case *hop.Pool:
		runtime.AddCleanup(s, func(b *atomic.Bool) { b.Store(true) }, gone)
	}
	must(t, hop.Go(ctx, s, value(1)))
	hop.After(ctx, time.Hour, s, value(1))
	must(t, hop.Go(ctx, s, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Microsecond) }, hop.Timeout(time.Hour)))
	short, cancel := context.WithTimeout(ctx, time.Hour)
	must(t, hop.Go(short, s, func(ctx context.Context) (int, error) { return 1, hop.Yield(ctx) }))
	defer cancel()
	asleep := hop.Go(ctx, s, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Hour) })
	untilWaiting(t, asleep.Call())
	if stop == "Close" {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	} else {
		asleep.Cancel(nil)
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
	wantCancelled(t, waitErr(t, asleep))
}

func TestS28_ATaskThatStallsAgainIsReportedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		l := hop.NewLoop(&hop.LoopOptions{StallAfter: time.Second, Logger: j.logger()})
		defer l.Close()
		for _, wait := range []func(context.Context) error{
			hop.Yield,
			func(ctx context.Context) error { return hop.Sleep(ctx, time.Minute) },
		} {
			before := len(j.lines("sluggard"))
			_, err := hop.Do(bg, l, func(ctx context.Context) (int, error) {
				time.Sleep(5 * time.Second)
				err := wait(ctx)
				time.Sleep(5 * time.Second)
				return 0, err
			}, hop.Name("sluggard"))
			if n := len(j.lines("sluggard")) - before; n != 2 || err != nil {
				t.Errorf("%d reports of two stalls, %v", n, err)
			}
		}
	})
}

// Nobody may spin until another has run: where there is one thread, that one never runs. (On wasm all tests show that.)
func TestS29_OneProcessorIsEnough(t *testing.T) {
	old := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
	host := newLoop(t, nil)
	guest, l, pool := newLoop(t, &hop.LoopOptions{Host: host}), newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	// If somebody kept the processor until it is taken away, each round would take some ten milliseconds.
	const rounds = 3000
	within(t, patience, "the rounds", func() {
		for i := range rounds {
			v, err := hop.Do(bg, l, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, pool, func(ctx context.Context) (int, error) {
					return hop.Do(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) {
						return hop.Do(ctx, guest, func(ctx context.Context) (int, error) { return i, hop.Yield(ctx) })
					})
				})
			})
			if v != i || err != nil {
				t.Errorf("round %d: %d, %v", i, v, err)
				return
			}
		}
	})
	within(t, patience, "a hundred tasks that sleep", func() {
		err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
			for range 100 {
				hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) })
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// What is left of calls that have ended is collected by a goroutine of no bubble: it must not touch what is of one.
func TestS30_CallsOfABubbleAreCollectedInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 5 {
			var gone atomic.Bool
			upper := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (<-chan struct{}, error) {
				big := new([1 << 10]byte)
				runtime.AddCleanup(big, func(b *atomic.Bool) { b.Store(true) }, &gone)
				_, err := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (byte, error) {
					<-time.After(time.Second)
					select { // somebody has asked for its end
					case <-ctx.Done():
					default:
					}
					return big[0], nil
				}).Wait(ctx)
				synctest.Wait()
				return ctx.Done(), err
			})
			if _, err := upper.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < 1000 && !gone.Load(); i++ {
				runtime.GC()
				runtime.Gosched()
			}
			if !gone.Load() {
				t.Fatal("nothing is collected: this test tests nothing")
			}
			synctest.Wait()
		}
	})
}
