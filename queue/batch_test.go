package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

func TestS33_AtMostBatchSizeInOrderTheLastPartial(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.NewBatch(on, r.batch, r.options(queue.Options{BatchSize: 10, BatchWait: time.Hour}))
		put(t, q, ints(0, 95)...)
		shutdown(t, q)
		r.want(t, ints(0, 95), nil)
		for i, b := range r.batches {
			if len(b) > 10 {
				t.Errorf("batch %d has %d values", i, len(b))
			}
		}
		if last := r.batches[len(r.batches)-1]; len(last) != 5 || len(r.batches) != 10 {
			t.Errorf("%d batches, the last of %d values; want 10 and 5", len(r.batches), len(last))
		}
	})
}

// bubble runs f in virtual time for a queue on each kind of portal.
func bubble(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	for _, kind := range []string{"loop", "pool", "goroutines", "inline"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var on hop.Portal
				switch kind {
				case "loop":
					l := hop.NewLoop(nil)
					defer l.Close()
					on = l
				case "pool":
					p := hop.NewPool(nil)
					defer p.Close()
					on = p
				case "goroutines":
					on = hop.Goroutines
				default:
					on = hop.Inline
				}
				f(t, on)
			})
		})
	}
}

func TestS33_AtMostBatchWaitLate(t *testing.T) {
	bubble(t, func(t *testing.T, on hop.Portal) {
		start := time.Now()
		var got []string
		q := queue.NewBatch(on, func(_ context.Context, vs []int) error {
			got = append(got, fmt.Sprintf("%v%v", time.Since(start), vs))
			return nil
		}, &queue.Options{BatchSize: 3, BatchWait: 10 * time.Second})
		at := func(d time.Duration, vs ...int) {
			time.Sleep(d - time.Since(start))
			synctest.Wait()
			put(t, q, vs...)
		}
		at(1*time.Second, 1)
		at(6*time.Second, 2)        // both at 11 s
		at(20*time.Second, 3, 4)    //
		at(25*time.Second, 5, 6)    // full; 6 waits until 35 s
		at(34*time.Second, 7)       //
		at(50*time.Second, 8, 9)    // 60 s
		at(50*time.Second, 10)      // full at 50 s
		at(100*time.Second, 11)     //
		time.Sleep(2 * time.Second) // the last partial one at once
		shutdown(t, q)
		want := fmt.Sprint([]string{"11s[1 2]", "25s[3 4 5]", "35s[6 7]", "50s[8 9 10]", "1m42s[11]"})
		if fmt.Sprint(got) != want {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// The wait is that of each value, not that of the function: what came while it was busy has waited.
func TestS33_TheWaitCountsWhileTheFunctionIsBusy(t *testing.T) {
	bubble(t, func(t *testing.T, on hop.Portal) {
		if on == hop.Inline {
			return // there the sender is busy
		}
		start := time.Now()
		var got []string
		q := queue.NewBatch(on, func(ctx context.Context, vs []int) error {
			got = append(got, fmt.Sprintf("%v%v", time.Since(start), vs))
			return hop.Sleep(ctx, 8*time.Second)
		}, &queue.Options{BatchSize: 2, BatchWait: 10 * time.Second})
		put(t, q, 1, 2)
		time.Sleep(time.Second)
		put(t, q, 3)
		time.Sleep(20 * time.Second)
		put(t, q, 4, 5)
		time.Sleep(time.Second)
		put(t, q, 6, 7)
		shutdown(t, q)
		want := fmt.Sprint([]string{"0s[1 2]", "11s[3]", "21s[4 5]", "29s[6 7]"})
		if fmt.Sprint(got) != want {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestS33_WithoutAWaitABatchIsWhatCameMeanwhile(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		g := newGate()
		q := queue.NewBatch(on, func(ctx context.Context, vs []int) error {
			g.hold(ctx)
			return r.batch(ctx, vs)
		}, nil)
		put(t, q, 0)
		<-g.reached
		put(t, q, ints(1, 100)...)
		g.open.Set()
		shutdown(t, q)
		r.want(t, ints(0, 100), nil)
		if len(r.batches) != 2 {
			t.Errorf("%d batches, want 2", len(r.batches))
		}
	})
}

// There would be no room for a fuller one.
func TestS33_ALimitBelowBatchSizeMakesAFullBatch(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.NewBatch(on, r.batch, r.options(queue.Options{BatchSize: 100, BatchWait: time.Hour, Limit: 5, Full: queue.Wait}))
		put(t, q, ints(0, 50)...)
		shutdown(t, q)
		r.want(t, ints(0, 50), nil)
		if len(r.batches) != 10 {
			t.Errorf("%d batches, want 10", len(r.batches))
		}
	})
}

func TestS33_ABatchThatFailsDoesNotStopTheNext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		bad := errors.New("bad")
		var r record
		q := queue.NewBatch(on, func(ctx context.Context, vs []int) error {
			r.batch(ctx, vs)
			if vs[0] == 0 {
				panic(bad)
			}
			return bad
		}, r.options(queue.Options{BatchSize: 2, BatchWait: time.Hour}))
		put(t, q, ints(0, 6)...)
		shutdown(t, q)
		r.want(t, ints(0, 6), nil)
		if len(r.errs) != 3 || !errors.Is(r.errs[0], bad) || r.errs[1] != bad {
			t.Errorf("OnError was told %v", r.errs)
		}
	})
}

func TestS33_AFunctionMayKeepItsBatch(t *testing.T) {
	within(t, func() {
		var r record
		q := queue.NewBatch(hop.Goroutines, r.batch, r.options(queue.Options{BatchSize: 3, BatchWait: time.Hour}))
		put(t, q, ints(0, 9)...)
		shutdown(t, q)
		if got := fmt.Sprint(r.batches); got != "[[0 1 2] [3 4 5] [6 7 8]]" {
			t.Errorf("batches are %v", got)
		}
	})
}

// The loop's own Shutdown finishes what was put, the partial batch too.
func TestS33_TheLoopsShutdownHandlesTheLastBatch(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		var r record
		q := queue.NewBatch(l, r.batch, r.options(queue.Options{BatchSize: 10, BatchWait: time.Hour}))
		put(t, q, ints(0, 15)...)
		if err := l.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown of the loop: %v", err)
		}
		r.want(t, ints(0, 15), nil)
		wantIs(t, q.Put(t.Context(), 15), hop.ErrStopped)
		shutdown(t, q)
	})
}

// A batch that falls due while the loop finishes other things is kept for the loop's last moment, and so is one that
// the queue's own Shutdown is to hand over then.
func TestS33_ABatchThatFallsDueWhileTheLoopShutsDown(t *testing.T) {
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := hop.NewLoop(nil)
			var r record
			q := queue.NewBatch(l, r.batch, r.options(queue.Options{BatchSize: 10, BatchWait: time.Minute}))
			put(t, q, ints(0, 5)...)
			hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			end := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, l.Shutdown(ctx) })
			time.Sleep(time.Second)
			put(t, q, 5)
			if down {
				shutdown(t, q)
			}
			if _, err := end.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			r.want(t, ints(0, 6), nil)
			shutdown(t, q)
		})
	}
}

// On a loop that is past its shutdown functions nothing will come for the values.
func TestS33_ABatchOnALoopThatHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hop.NewLoop(nil)
		l.Close()
		var r record
		q := queue.NewBatch(l, r.batch, r.options(queue.Options{BatchWait: time.Minute}))
		put(t, q, 1, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.want(t, nil, []int{1, 2})
		wantIs(t, q.Shutdown(t.Context()), hop.ErrStopped)
	})
}

func TestS33_NoTimerIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, on hop.Portal) {
		for _, end := range []string{"Shutdown", "Close"} {
			var r record
			start := time.Now()
			q := queue.NewBatch(on, r.batch, r.options(queue.Options{BatchSize: 2, BatchWait: time.Hour}))
			put(t, q, 0, 1, 2)
			synctest.Wait()
			if end == "Close" {
				q.Close()
				r.want(t, ints(0, 2), ints(2, 3))
			} else {
				shutdown(t, q)
				r.want(t, ints(0, 3), nil)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("%s took %v", end, d)
			}
		}
	})
}
