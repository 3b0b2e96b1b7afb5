package queue_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

var errOdd = errors.New("odd")

// FuzzQueue makes queues of all options and uses them in all orders. Negative ones panic as misuse does; with others every value that
// Put took is handled or dropped, once, in order, in batches that are not too large nor too late; an error ends nothing.
//
// Each byte of ops is an operation: the lower three bits say which, the others its argument.
func FuzzQueue(f *testing.F) {
	f.Add(0, 0, 0, int64(0), uint8(0), false, []byte{0, 8, 16, 1, 2, 5})
	f.Add(2, 1, 0, int64(0), uint8(1), false, []byte{0, 0, 0, 0, 3, 1, 5})
	f.Add(2, 2, 3, int64(5e6), uint8(2), true, []byte{0, 0, 0, 0, 0xf9, 0, 0, 6})
	f.Add(1, 2, 2, int64(1e6), uint8(3), true, []byte{0, 3, 0, 0, 4, 0, 9, 5, 0})
	f.Add(-1, 0, 0, int64(0), uint8(0), false, []byte{})
	f.Add(0, 7, -1, int64(-1), uint8(4), true, []byte{0})
	f.Fuzz(func(t *testing.T, limit, full, size int, wait int64, place uint8, batched bool, ops []byte) {
		if len(ops) > 100 || wait > int64(time.Hour) {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzQueue(t, limit, full, size, wait, place, batched, ops) })
	})
}

func fuzzQueue(t *testing.T, limit, full, size int, wait int64, place uint8, batched bool, ops []byte) {
	var on hop.Portal
	switch place % 5 {
	case 0:
		on = hop.Inline
	case 1:
		on = hop.Goroutines
	case 2:
		l := hop.NewLoop(nil)
		defer l.Close()
		on = l
	case 3:
		p := hop.NewPool(&hop.PoolOptions{Size: 1})
		defer p.Close()
		on = p
	case 4:
		p := hop.NewPool(&hop.PoolOptions{Size: 3})
		defer p.Close()
		on = p
	}
	o := queue.Options{Limit: limit, Full: queue.Policy(full), BatchSize: size, BatchWait: time.Duration(wait)}
	var handled, dropped []int
	failures, active := 0, 0
	var slow atomic.Bool
	handle := func(ctx context.Context, vs []int) error {
		if active++; active > 1 {
			t.Errorf("%d functions at once", active)
		}
		defer func() { active-- }()
		if batched && size > 0 && len(vs) > size || len(vs) == 0 {
			t.Errorf("a batch of %d, at most %d", len(vs), size)
		}
		handled = append(handled, vs...)
		if slow.Load() {
			hop.Sleep(ctx, time.Second)
		}
		switch v := vs[0] % 5; {
		case v == 1:
			return errOdd
		case v == 2:
			panic(errOdd)
		}
		return nil
	}
	o.OnError = func(err error) {
		failures++
		if !errors.Is(err, errOdd) && !errors.Is(err, context.Canceled) {
			t.Errorf("OnError got %v", err)
		}
	}
	o.OnDrop = func(v any) { dropped = append(dropped, v.(int)) }
	var q *queue.Queue[int]
	misused := limit < 0 || size < 0 || wait < 0 || full < 0 || full > int(queue.Wait)
	func() {
		defer func() {
			r := recover()
			if s, _ := r.(string); (r != nil) != misused || misused && !strings.HasPrefix(s, "hop: ") {
				t.Errorf("options %+v: panic %v", o, r)
			}
		}()
		if batched {
			q = queue.NewBatch(on, handle, &o)
		} else {
			q = queue.New(on, func(ctx context.Context, v int) error { return handle(ctx, []int{v}) }, &o)
		}
	}()
	if misused || q == nil {
		return
	}

	var taken []int
	ended := false
	for n, op := range ops {
		arg := int(op >> 3)
		switch op & 7 {
		case 0: // put one
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+arg)*time.Millisecond)
			err := q.Put(ctx, n)
			cancel()
			switch {
			case err == nil:
				taken = append(taken, n)
				if ended {
					t.Errorf("Put of %d after the end", n)
				}
			case ended:
				wantIs(t, err, hop.ErrStopped)
			case queue.Policy(full) == queue.Fail && limit > 0:
				wantIs(t, err, hop.ErrFull)
			case queue.Policy(full) == queue.Wait && limit > 0:
				wantIs(t, err, context.DeadlineExceeded)
			default:
				t.Errorf("Put of %d with options %+v: %v", n, o, err)
			}
		case 1:
			time.Sleep(time.Duration(arg) * time.Millisecond)
		case 2:
			synctest.Wait()
			if limit > 0 && q.Len() > limit {
				t.Errorf("%d values wait, at most %d", q.Len(), limit)
			}
		case 3:
			slow.Store(true)
		case 4:
			slow.Store(false)
		case 5:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(arg)*time.Millisecond)
			if err := q.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, hop.ErrStopped) {
				t.Errorf("Shutdown: %v", err)
			}
			cancel()
			ended = true
		case 6:
			if arg == 0 {
				if err := q.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				ended = true
			}
		}
	}
	if !slow.Load() { // all that is left is due by then
		time.Sleep(time.Duration(wait))
		synctest.Wait()
		if n := q.Len(); n > 0 {
			time.Sleep(time.Duration(len(ops)) * time.Second) // slow ones come first
			if synctest.Wait(); q.Len() > 0 {
				t.Errorf("%d values wait for ever", n)
			}
		}
	}
	if err := q.Shutdown(context.Background()); err != nil && !errors.Is(err, hop.ErrStopped) {
		t.Errorf("the last Shutdown: %v", err)
	}
	synctest.Wait()
	if !slices.IsSorted(handled) {
		t.Errorf("handled %v", handled)
	}
	all := slices.Concat(handled, dropped)
	slices.Sort(all)
	if !slices.Equal(all, taken) {
		t.Errorf("handled %v and dropped %v of %v; options %+v", handled, dropped, taken, o)
	}
}
