package hop_test

// Fuzzing of what is waited for besides calls: limiters, events, channels. Each byte is an operation.

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/gohop/hop"
)

// FuzzLimiter: TryAcquire, Acquire with ended contexts and by goroutines that wait, cancel and come back, Release, SetLimit.
func FuzzLimiter(f *testing.F) {
	f.Add(uint8(1), []byte{0, 2, 2, 4, 4, 4, 3})
	f.Add(uint8(2), []byte{0, 0, 2, 2, 2, 11, 4, 5, 29, 4})
	f.Add(uint8(3), []byte{4, 1, 2, 2, 2, 2, 13, 2, 5, 3, 4, 4})
	f.Fuzz(func(t *testing.T, n uint8, ops []byte) {
		if len(ops) > 100 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			places := int(n%4) + 1
			l := hop.NewLimiter(places)
			ended, endNow := context.WithCancel(bg)
			endNow()
			type waiter struct {
				cancel context.CancelFunc
				state  int // 0 waits, 1 has a place, 2 was cancelled
				want   int
			}
			var line []*waiter // who waits, as the model says
			var all []*waiter
			on := []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})}
			taken := 0
			grant := func() {
				for taken < places && len(line) > 0 {
					line[0].want = 1
					line = line[1:]
					taken++
				}
			}
			for _, op := range ops {
				arg := int(op >> 3)
				switch op & 7 {
				case 0, 6:
					want := taken < places && len(line) == 0
					if got := l.TryAcquire(); got != want {
						t.Fatalf("TryAcquire: %v; %d of %d taken, %d wait", got, taken, places, len(line))
					}
					if want {
						taken++
					}
				case 1:
					wantIs(t, l.Acquire(ended), context.Canceled)
				case 2, 7:
					ctx, cancel := context.WithCancel(bg)
					w := &waiter{cancel: cancel}
					all = append(all, w)
					line = append(line, w)
					grant()
					hop.Go(bg, on[arg%3], func(context.Context) (int, error) {
						if err := l.Acquire(ctx); err != nil {
							w.state = 2
						} else {
							w.state = 1
						}
						return 1, nil
					})
				case 3:
					if len(line) > 0 {
						i := arg % len(line)
						line[i].cancel()
						line[i].want = 2
						line = slices.Delete(line, i, i+1)
					}
				case 4:
					if misusedOrNot(t, taken == 0, "Release", l.Release) {
						taken--
						grant()
					}
				case 5:
					if misusedOrNot(t, arg == 0, "SetLimit", func() { l.SetLimit(arg) }) {
						places = arg
						grant()
					}
				}
				synctest.Wait()
				for i, w := range all {
					if w.state != w.want {
						t.Fatalf("after %d of %v: waiter %d is %d, want %d; %d of %d taken", op, ops, i, w.state, w.want, taken, places)
					}
				}
			}
			for _, w := range all {
				w.cancel()
			}
		})
	})
}

// FuzzEvent: an event is set once, for ever, and wakes all.
func FuzzEvent(f *testing.F) {
	f.Add([]byte{2, 10, 18, 1, 3, 0, 2, 1, 3})
	f.Add([]byte{2, 4, 2, 4, 0, 0, 3})
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 100 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			var e hop.Event
			ended, endNow := context.WithCancel(bg)
			endNow()
			on := []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1}), hop.Workers()}
			set := false
			var woken, cancelled atomic.Int32
			var wantWoken, wantCancelled, waiting int32
			var cancels []context.CancelFunc
			for _, op := range ops {
				switch op & 7 {
				case 0, 5:
					e.Set()
					set = true
					wantWoken += waiting
					waiting, cancels = 0, nil
				case 1:
					if e.IsSet() != set {
						t.Fatalf("IsSet is %v", !set)
					}
				case 2, 6, 7:
					ctx, cancel := context.WithCancel(bg)
					defer cancel()
					hop.Go(bg, on[op>>3%4], func(context.Context) (int, error) {
						if err := e.Wait(ctx); err == nil {
							woken.Add(1)
						} else if errors.Is(err, context.Canceled) {
							cancelled.Add(1)
						}
						return 1, nil
					})
					if set {
						wantWoken++
					} else {
						waiting++
						cancels = append(cancels, cancel)
					}
				case 3:
					if err := e.Wait(ended); set != (err == nil) || !set && !errors.Is(err, context.Canceled) {
						t.Fatalf("Wait with an ended context: %v, set %v", err, set)
					}
				case 4:
					if len(cancels) > 0 {
						cancels[0]()
						cancels = cancels[1:]
						waiting--
						wantCancelled++
					}
				}
				synctest.Wait()
				if woken.Load() != wantWoken || cancelled.Load() != wantCancelled {
					t.Fatalf("after %d of %v: %d woken, %d cancelled; want %d, %d", op, ops, woken.Load(), cancelled.Load(), wantWoken, wantCancelled)
				}
			}
			e.Set()
		})
	})
}

// FuzzRecv: one receiver at a time, on any place, gets what is sent in order; one whose context ends gets nothing, and loses
// nothing.
func FuzzRecv(f *testing.F) {
	f.Add(uint8(0), []byte{0, 0, 2, 2, 2, 0, 1, 2})
	f.Add(uint8(2), []byte{2, 0, 10, 3, 0, 18, 4, 1, 2})
	f.Add(uint8(3), []byte{2, 1, 26, 2, 4})
	f.Fuzz(func(t *testing.T, buffer uint8, ops []byte) {
		if len(ops) > 100 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			ch := make(chan int, buffer%4+1)
			ended, endNow := context.WithCancel(bg)
			endNow()
			on := []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1}), newLoop(t, &hop.LoopOptions{Thread: !wasm})}
			var queued []int // sent and not received
			sent, closed := 0, false
			type result struct {
				v   int
				ok  bool
				err error
			}
			var p *hop.Pending[result] // the receiver that waits
			cancel := func() {}
			start := func(ctx context.Context, place hop.Portal) {
				p = hop.Go(bg, place, func(context.Context) (result, error) {
					v, ok, err := hop.Recv(ctx, ch)
					return result{v, ok, err}, nil
				})
			}
			settle := func(ended bool) {
				synctest.Wait()
				if p == nil {
					return
				}
				r, err := p.Result()
				switch {
				case len(queued) > 0:
					if err != nil || r != (result{queued[0], true, nil}) {
						t.Fatalf("received %+v, %v, want %d; %v", r, err, queued[0], ops)
					}
					queued, p = queued[1:], nil
				case closed:
					if err != nil || r != (result{}) {
						t.Fatalf("received %+v, %v of a closed channel; %v", r, err, ops)
					}
					p = nil
				case ended:
					if err != nil || !errors.Is(r.err, context.Canceled) || r.ok {
						t.Fatalf("received %+v, %v, and its context has ended; %v", r, err, ops)
					}
					p = nil
				default:
					wantIs(t, err, hop.ErrNotDone)
				}
			}
			for _, op := range ops {
				switch op & 7 {
				case 0, 5, 6:
					if !closed && len(queued) < cap(ch) {
						sent++
						ch <- sent
						queued = append(queued, sent)
					}
					settle(false)
				case 1:
					if !closed && op>>3 == 0 {
						close(ch)
						closed = true
					}
					settle(false)
				case 2, 7:
					if p == nil {
						var ctx context.Context
						ctx, cancel = context.WithCancel(bg)
						start(ctx, on[op>>3%4])
					}
					settle(false)
				case 3:
					cancel()
					settle(true)
				case 4:
					if p == nil {
						start(ended, on[op>>3%4])
						settle(true)
					}
				}
			}
			cancel()
			settle(true)
		})
	})
}
