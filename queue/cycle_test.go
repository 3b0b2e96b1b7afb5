package queue_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// The functions of full queues that put into each other wait for each other: one is told, and the rest goes on.
func TestS4_FullQueuesThatPutIntoEachOther(t *testing.T) {
	for _, n := range []int{2, 3} {
		besides(t, func(t *testing.T, on hop.Portal) {
			var mu sync.Mutex
			var refused []error
			handled := 0
			qs := make([]*queue.Queue[int], n)
			for i := range qs {
				qs[i] = queue.New(on, func(ctx context.Context, v int) error {
					mu.Lock()
					handled++
					mu.Unlock()
					if v == 0 {
						return nil
					}
					for range 3 { // one is taken at once, one waits in the queue, and then there is no room
						if err := qs[(i+1)%n].Put(ctx, v-1); err != nil {
							mu.Lock()
							refused = append(refused, err)
							mu.Unlock()
						}
					}
					return nil
				}, &queue.Options{Limit: 1, Full: queue.Wait})
			}
			for _, q := range qs {
				put(t, q, 3, 3, 3)
			}
			for changed := true; changed; { // each may still put into the next
				mu.Lock()
				before := handled
				mu.Unlock()
				for _, q := range qs {
					for q.Len() > 0 {
						hop.Run(t.Context(), on, func(ctx context.Context) error { return hop.Yield(ctx) })
					}
				}
				mu.Lock()
				changed = handled != before
				mu.Unlock()
			}
			for _, q := range qs {
				shutdown(t, q)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(refused) == 0 {
				t.Error("no wait was refused: the queues were never in each other's way, and the test is none")
			}
			for _, err := range refused {
				if errors.Is(err, hop.ErrStopped) {
					continue // of a shutdown that came before
				}
				var d *hop.DeadlockError
				if !errors.As(err, &d) {
					t.Errorf("%v, want a deadlock", err)
					continue
				}
				if len(d.Cycle) != n {
					t.Errorf("%d waits in the cycle, want %d: %v", len(d.Cycle), n, err)
				}
				for _, w := range d.Cycle {
					if !strings.HasSuffix(w.File, "cycle_test.go") {
						t.Errorf("a wait at %s:%d, want this file", w.File, w.Line)
					}
				}
			}
		})
	}
}

// A wait for room is an edge as any other: here the function waits for the call that puts.
func TestS4_TheFunctionWaitsForACallThatPuts(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var q *queue.Queue[int]
		puts := make(chan *hop.Pending[int], 1)
		errs := make(chan error, 1)
		begun := make(chan struct{})
		var full hop.Event
		q = queue.New(on, func(ctx context.Context, v int) error {
			if v == 1 {
				close(begun)
				if err := full.Wait(ctx); err != nil {
					return err
				}
				_, err := (<-puts).Wait(ctx)
				errs <- err
			}
			return nil
		}, &queue.Options{Limit: 1, Full: queue.Wait})
		put(t, q, 1)
		<-begun
		put(t, q, 2)
		p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 3, q.Put(ctx, 3) })
		waiting(p.Call())
		puts <- p
		full.Set()
		refused := <-errs
		wantIs(t, refused, hop.ErrDeadlock)
		v, err := p.Wait(t.Context())
		if err != nil { // it waits before it has looked, and was the last to look: the function got its error
			wantIs(t, err, hop.ErrDeadlock)
			if refused != err {
				t.Errorf("the function got %v, the call that puts %v: want one of them refused", refused, err)
			}
		} else if v != 3 { // there was room again
			t.Errorf("%d", v)
		}
		shutdown(t, q)
	})
}

// And none that is invented: a function that waits for who does not wait for it makes room in the end.
func TestS4_AFunctionThatWaitsMakesRoomLater(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var other hop.Event
		begun := make(chan struct{})
		q := queue.New(on, func(ctx context.Context, v int) error {
			if v == 1 {
				close(begun)
				_, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, other.Wait(ctx) })
				return err
			}
			return nil
		}, &queue.Options{Limit: 1, Full: queue.Wait})
		put(t, q, 1)
		<-begun
		put(t, q, 2)
		var puts []*hop.Pending[int]
		for range 10 {
			p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Put(ctx, 3) })
			waiting(p.Call())
			puts = append(puts, p)
		}
		other.Set()
		for _, p := range puts {
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		shutdown(t, q)
	})
}

// A value that its queue's portal does not take leaves no call behind that could still give a Limiter's place back.
func TestARefusedPutIsNoWayOut(t *testing.T) {
	stoppedLoop := hop.NewLoop(nil)
	stoppedLoop.Close()
	stoppedPool := hop.NewPool(nil)
	stoppedPool.Close()
	for _, on := range []hop.Portal{nil, stoppedLoop, stoppedPool} {
		lim := hop.NewLimiter(1)
		p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
			if err := lim.Acquire(ctx); err != nil {
				return 0, err
			}
			defer lim.Release()
			if on != nil {
				q := queue.New(on, func(context.Context, int) error { return nil }, nil)
				if err := q.Put(ctx, 1); !errors.Is(err, hop.ErrStopped) {
					t.Errorf("%v: Put returned %v", on, err)
				}
			}
			return 0, lim.Acquire(ctx)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := p.Wait(ctx); !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("after a Put on %v: %v", on, err)
		}
		cancel()
	}
}
