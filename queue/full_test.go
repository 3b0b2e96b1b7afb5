package queue_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

func TestS32_AFullQueueFails(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{Limit: 2})
		put(t, q, 1, 2)
		wantIs(t, q.Put(context.Background(), 3), hop.ErrFull)
		if n := q.Len(); n != 2 {
			t.Errorf("Len is %d, want 2", n)
		}
		g.open.Set()
		shutdown(t, q)
		r.want(t, []int{0, 1, 2}, nil)
	})
}

func TestS32_AFullQueueDropsAndTells(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{Limit: 2, Full: queue.Drop})
		put(t, q, 1, 2, 3, 4)
		g.open.Set()
		shutdown(t, q)
		r.want(t, []int{0, 1, 2}, []int{3, 4})
	})
}

func TestS32_AQueueWithRoomDropsNothing(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{Limit: 5, Full: queue.Drop})
		put(t, q, ints(1, 6)...)
		g.open.Set()
		shutdown(t, q)
		r.want(t, ints(0, 6), nil)
	})
}

func TestS32_DroppingWithoutOnDropIsSilent(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		g := newGate()
		q := queue.New(on, func(ctx context.Context, v int) error { return g.hold(ctx) }, &queue.Options{Limit: 1, Full: queue.Drop})
		put(t, q, 0)
		<-g.reached
		put(t, q, 1, 2)
		g.open.Set()
		shutdown(t, q)
	})
}

func TestS32_AFullQueueWaitsFirstComeFirstServed(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{Limit: 1, Full: queue.Wait})
		put(t, q, 1)
		var puts []*hop.Pending[int]
		for v := 2; v < 6; v++ {
			p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return v, q.Put(ctx, v) })
			waiting(p.Call())
			puts = append(puts, p)
		}
		if n := q.Len(); n != 1 {
			t.Errorf("Len is %d, want 1", n)
		}
		g.open.Set()
		for _, p := range puts {
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		shutdown(t, q)
		r.want(t, ints(0, 6), nil)
	})
}

func TestS32_WaitingForRoomNeverBlocksTheLoop(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		l, ok := on.(*hop.Loop) // the loop of the queue itself, or another
		if !ok {
			l = newLoop(t)
		}
		var r record
		q, g := held(t, on, &r, queue.Options{Limit: 1, Full: queue.Wait})
		p := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			for v := 1; v < 50; v++ {
				if err := q.Put(ctx, v); err != nil {
					return 0, err
				}
			}
			return 0, nil
		})
		waiting(p.Call())
		if err := hop.Run(t.Context(), l, func(context.Context) error { g.open.Set(); return nil }); err != nil {
			t.Error(err)
		}
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		shutdown(t, q)
		r.want(t, ints(0, 50), nil)
	})
}

func TestS32_AWaitForRoomEndsWithCtx(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{Limit: 1, Full: queue.Wait})
		put(t, q, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		wantIs(t, q.Put(ctx, 2), context.DeadlineExceeded)
		g.open.Set()
		put(t, q, 3) // the place was not lost
		shutdown(t, q)
		r.want(t, []int{0, 1, 3}, nil)
	})
}

func TestS32_AWaitForRoomEndsWithTheQueue(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		for _, end := range []string{"Shutdown", "Close"} {
			var r record
			q, g := held(t, on, &r, queue.Options{Limit: 1, Full: queue.Wait})
			put(t, q, 1)
			var puts []*hop.Pending[int]
			for v := 2; v < 5; v++ {
				p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return v, q.Put(ctx, v) })
				waiting(p.Call())
				puts = append(puts, p)
			}
			ended := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
				if end == "Close" {
					return 0, q.Close()
				}
				return 0, q.Shutdown(ctx)
			})
			for _, p := range puts {
				_, err := p.Wait(t.Context())
				wantIs(t, err, hop.ErrStopped)
			}
			g.open.Set()
			if _, err := ended.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if end == "Close" {
				r.want(t, []int{0}, []int{1})
			} else {
				r.want(t, []int{0, 1}, nil)
			}
		}
	})
}

// Nobody else can make that room.
func TestS4_TheFunctionDoesNotWaitForRoomInItsOwnQueue(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var q *queue.Queue[int]
		errs := make(chan error, 1)
		handled, put2 := make(chan struct{}), make(chan struct{})
		q = queue.New(on, func(ctx context.Context, v int) error {
			if v == 1 {
				close(handled)
				<-put2
				errs <- q.Put(ctx, 3)
			}
			return nil
		}, &queue.Options{Name: "feed", Limit: 1, Full: queue.Wait})
		put(t, q, 1)
		within(t, func() { <-handled })
		put(t, q, 2)
		close(put2)
		err := <-errs
		wantIs(t, err, hop.ErrDeadlock)
		var d *hop.DeadlockError
		if errors.As(err, &d) && (len(d.Cycle) != 1 || d.Cycle[0].Line == 0 || d.Cycle[0].Call == nil) {
			t.Errorf("cycle is %+v", d.Cycle)
		}
		if text := err.Error(); strings.Count(text, "hop: ") != 1 || !strings.Contains(text, ` for room in queue "feed", which call "feed" makes`) {
			t.Errorf("it says %s", text)
		}
		shutdown(t, q)
	})
}

func TestManySendersAtAFullQueue(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		const senders, each = 16, 200
		var r record
		q := queue.New(on, r.f, r.options(queue.Options{Limit: 3, Full: queue.Wait}))
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() { put(t, q, ints(s*each, (s+1)*each)...) })
		}
		wg.Wait()
		shutdown(t, q)
		if len(r.handled) != senders*each || len(r.dropped) != 0 {
			t.Errorf("%d handled, %d dropped", len(r.handled), len(r.dropped))
		}
	})
}

// A full portal refuses the value that it would have to take a call for.
func TestAFullPortal(t *testing.T) {
	within(t, func() {
		l := hop.NewLoop(&hop.LoopOptions{QueueLimit: 2})
		defer l.Close()
		var r record
		q := queue.New(l, r.f, r.options(queue.Options{}))
		g := newGate()
		block := make(chan struct{})
		l.Post(func() { close(g.reached); <-block })
		<-g.reached
		put(t, q, 1, 2)
		wantIs(t, q.Put(t.Context(), 3), hop.ErrFull)
		if q.Len() != 2 {
			t.Errorf("Len is %d, want 2", q.Len())
		}
		close(block)
		shutdown(t, q)
		r.want(t, []int{1, 2}, nil)
	})
}

// Values that were taken are kept while the portal is full.
func TestABatchIsDueWhileThePortalIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
		block := make(chan struct{})
		running := make(chan struct{})
		f := func(context.Context) (int, error) { <-block; return 0, nil }
		hop.Go(t.Context(), p, func(ctx context.Context) (int, error) { close(running); return f(ctx) })
		<-running
		hop.Go(t.Context(), p, f)
		var r record
		q := queue.NewBatch(p, r.batch, r.options(queue.Options{BatchWait: time.Millisecond}))
		put(t, q, 1, 2, 3)
		time.AfterFunc(time.Second, func() { close(block) }) // of the bubble: the batch has been due long before
		shutdown(t, q)
		r.want(t, []int{1, 2, 3}, nil)
	})
}

// Who puts is the goroutine, not the context that it has.
func TestS4_TheQueuesOwnFunctionPutsWithAnotherContext(t *testing.T) {
	var q *queue.Queue[int]
	full, own, others := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	q = queue.New(hop.Goroutines, func(ctx context.Context, v int) error {
		if v != 0 {
			return nil
		}
		<-full
		own <- q.Put(context.Background(), 2)                          // waits for what only its own return brings
		go func() { others <- q.Put(context.WithoutCancel(ctx), 3) }() // another goroutine's: that one may
		return nil
	}, &queue.Options{Limit: 1, Full: queue.Wait})
	if err := q.Put(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for q.Len() > 0 { // until it is handled
		runtime.Gosched()
	}
	if err := q.Put(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	close(full)
	wantIs(t, <-own, hop.ErrDeadlock)
	if err := <-others; err != nil {
		t.Error(err)
	}
	if err := q.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// directHost is a foreign event loop whose own code runs beside what is posted to it, on one goroutine.
type directHost chan func()

func (h directHost) Post(f func()) error {
	h <- f
	return nil
}

// serve is the host's loop, on its one thread.
func (h directHost) serve() {
	if runtime.GOARCH != "wasm" { // where a lock outlives its goroutine
		runtime.LockOSThread()
	}
	for f := range h {
		f()
	}
}

// The room would be made on the goroutine that waits for it.
func TestS39_PutOnAHostIntoAFullQueueOnItsGuest(t *testing.T) {
	for name, run := range map[string]func(host directHost){
		"goroutine": func(host directHost) { go host.serve() },
		"call": func(host directHost) {
			hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) { host.serve(); return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := make(directHost, 100)
			run(host)
			t.Cleanup(func() { close(host) })
			guest := hop.NewLoop(&hop.LoopOptions{Name: t.Name(), Host: host})
			t.Cleanup(func() { within(t, func() { guest.Close() }) })
			within(t, func() { // a tick, so that the host's goroutine is known
				hop.Run(context.Background(), guest, func(context.Context) error { return nil })
			})
			var r record
			busy := queue.New(guest, r.f, r.options(queue.Options{Limit: 1, Full: queue.Wait})) // full of what has not begun
			held, g := held(t, guest, &r, queue.Options{Limit: 1, Full: queue.Wait})            // and of what waits
			elsewhere := queue.New(hop.Goroutines, r.f, r.options(queue.Options{Limit: 1, Full: queue.Wait}))
			done := make(chan struct{})
			host <- func() {
				defer close(done)
				put(t, busy, 1)
				wantIs(t, busy.Put(context.Background(), 2), hop.ErrCannotWait)
				put(t, held, 3)
				wantIs(t, held.Put(context.Background(), 4), hop.ErrCannotWait)
				put(t, elsewhere, 5, 5, 5, 5)
			}
			within(t, func() { <-done })
			g.open.Set()
			within(t, func() {
				for _, q := range []*queue.Queue[int]{busy, held, elsewhere} {
					shutdown(t, q)
				}
			})
			r.mu.Lock()
			defer r.mu.Unlock()
			if slices.Sort(r.handled); !slices.Equal(r.handled, []int{0, 1, 3, 5, 5, 5, 5}) {
				t.Errorf("handled %v", r.handled)
			}
		})
	}
}
