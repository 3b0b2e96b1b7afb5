package queue_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// A portal may take a call and never run it: what it has taken must end by Run or Fail, and may be cancelled.

// A portal that is a function, and counts what it is asked.
type submits struct {
	f func(c *hop.Call) error
	n atomic.Int32
}

func (s *submits) Submit(c *hop.Call) error {
	s.n.Add(1)
	return s.f(c)
}

// both runs f in virtual time for a queue on s of single values, and for one of batches.
func both(t *testing.T, o queue.Options, on func() *submits, f func(t *testing.T, q *queue.Queue[int], on *submits, r *record)) {
	for name, make := range map[string]func(on hop.Portal, r *record) *queue.Queue[int]{
		"single": func(on hop.Portal, r *record) *queue.Queue[int] { return queue.New(on, r.f, r.options(o)) },
		"batch":  func(on hop.Portal, r *record) *queue.Queue[int] { return queue.NewBatch(on, r.batch, r.options(o)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r record
				s := on()
				f(t, make(s, &r), s, &r)
			})
		})
	}
}

// Where Submit itself fails the call, that is its error: Put has it, under each policy, and nothing is put.
func TestAPortalFailsACallInsideSubmit(t *testing.T) {
	for _, why := range []error{errWhy, hop.ErrStopped, hop.ErrFull} {
		for _, full := range []queue.Policy{queue.Fail, queue.Drop, queue.Wait} {
			fails := true
			both(t, queue.Options{Limit: 2, Full: full}, func() *submits {
				fails = true
				return &submits{f: func(c *hop.Call) error {
					if fails {
						c.Fail(why)
					} else {
						c.Run()
					}
					return nil
				}}
			}, func(t *testing.T, q *queue.Queue[int], on *submits, r *record) {
				for v := range 3 {
					wantIs(t, q.Put(t.Context(), v), why)
				}
				if n := on.n.Load(); n != 3 || q.Len() != 0 {
					t.Errorf("asked %d times for three values, %d wait", n, q.Len())
				}
				fails = false
				put(t, q, 3)
				shutdown(t, q)
				r.want(t, []int{3}, nil)
			})
		}
	}
}

// Where it fails the call later, it is asked once more; then what waits is dropped, once, and the queue has ended.
func TestAPortalFailsEachCallLater(t *testing.T) {
	for _, why := range []error{errWhy, hop.ErrStopped} {
		for name, end := range map[string]func(*hop.Call) bool{
			"Fail":   func(c *hop.Call) bool { return c.Fail(why) },
			"Cancel": func(c *hop.Call) bool { return c.Cancel(why) && why == hop.ErrStopped },
		} {
			if name == "Cancel" && why != hop.ErrStopped {
				continue
			}
			both(t, queue.Options{}, func() *submits {
				return &submits{f: func(c *hop.Call) error {
					time.AfterFunc(time.Second, func() { end(c) })
					return nil
				}}
			}, func(t *testing.T, q *queue.Queue[int], on *submits, r *record) {
				put(t, q, 1, 2)
				down := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Shutdown(ctx) })
				wantIs(t, q.Shutdown(t.Context()), why)
				_, err := down.Wait(t.Context())
				wantIs(t, err, why)
				wantIs(t, q.Put(t.Context(), 3), hop.ErrStopped)
				if err := q.Close(); err != nil {
					t.Error(err)
				}
				if n := on.n.Load(); n != 2 {
					t.Errorf("asked %d times, want 2", n)
				}
				synctest.Wait() // OnDrop is told by who drops
				r.want(t, nil, []int{1, 2})
			})
		}
	}
}

// A portal that is full for a while, or whose calls are cancelled for a while, is asked again, but not as fast as it can answer, and each value is
// handled once; several who wait for the end do not make it ask more often.
func TestAPortalIsAskedAgainAfterARest(t *testing.T) {
	for name, no := range map[string]func(*hop.Call) error{
		"is full":          func(*hop.Call) error { return hop.ErrFull },
		"is full, at once": func(c *hop.Call) error { c.Fail(hop.ErrFull); return nil },
		"is full, later":   func(c *hop.Call) error { go c.Fail(hop.ErrFull); return nil },
		"cancels at once":  func(c *hop.Call) error { c.Cancel(nil); return nil },
		"cancels later":    func(c *hop.Call) error { go c.Cancel(errWhy); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var open time.Time
			both(t, queue.Options{BatchWait: time.Millisecond}, func() *submits {
				first := true
				open = time.Now().Add(time.Second)
				return &submits{f: func(c *hop.Call) error {
					switch {
					case first: // is taken, and lost, so that Put has put a value
						first = false
						time.AfterFunc(10*time.Millisecond, func() { c.Cancel(nil) })
					case time.Now().Before(open):
						return no(c)
					default:
						go c.Run()
					}
					return nil
				}}
			}, func(t *testing.T, q *queue.Queue[int], on *submits, r *record) {
				put(t, q, 1, 2)
				var ends []*hop.Pending[int]
				for range 3 {
					ends = append(ends, hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Shutdown(ctx) }))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				wantIs(t, q.Shutdown(ctx), context.DeadlineExceeded)
				for _, p := range ends {
					if _, err := p.Wait(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if n := on.n.Load(); n < 50 || n > 250 {
					t.Errorf("asked %d times in a second", n)
				}
				r.want(t, []int{1, 2}, nil)
			})
		})
	}
}

// cancelAsItRuns runs c, which may be cancelled when its function has begun and looks whether it was.
func cancelAsItRuns(c *hop.Call) {
	go c.Cancel(nil)
	c.Run()
}

// Close ends what such a portal would be asked for ever.
func TestCloseOfAQueueWhosePortalRunsNothing(t *testing.T) {
	for name, f := range map[string]func(*hop.Call) error{
		"cancels at once": func(c *hop.Call) error { c.Cancel(nil); return nil },
		"cancels later":   func(c *hop.Call) error { go c.Cancel(nil); return nil },
		"is full, later":  func(c *hop.Call) error { go c.Fail(hop.ErrFull); return nil },
		"keeps them":      func(c *hop.Call) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, queue.Options{Limit: 3, Full: queue.Wait}, func() *submits { return &submits{f: f} },
				func(t *testing.T, q *queue.Queue[int], on *submits, r *record) {
					put(t, q, 1, 2, 3)
					blocked := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Put(ctx, 4) })
					down := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
						time.Sleep(time.Second)
						return 0, q.Shutdown(ctx)
					})
					time.Sleep(2 * time.Second)
					if err := q.Close(); err != nil {
						t.Error(err)
					}
					_, err := blocked.Wait(t.Context())
					wantIs(t, err, hop.ErrStopped)
					_, err = down.Wait(t.Context())
					wantIs(t, err, hop.ErrStopped)
					time.Sleep(time.Second)
					asked := on.n.Load()
					if time.Sleep(time.Minute); on.n.Load() != asked {
						t.Error("it is asked after the end")
					}
					r.want(t, nil, []int{1, 2, 3})
				})
		})
	}
}

// A portal that runs calls before Submit returns, of a function that cancels each: what it has put itself needs no deeper stack for each value.
func TestABacklogOnInlineWhoseCallsAreCancelled(t *testing.T) {
	const n = 2000
	var r record
	var q *queue.Queue[int]
	deepest := 0
	q = queue.New(hop.Inline, func(ctx context.Context, v int) error {
		if v == 0 {
			put(t, q, ints(1, n)...)
		}
		r.handle(v)
		deepest = max(deepest, runtime.Callers(0, make([]uintptr, 1000)))
		hop.CurrentCall(ctx).Cancel(nil)
		return nil
	}, r.options(queue.Options{}))
	put(t, q, 0)
	shutdown(t, q)
	r.want(t, ints(0, n), nil)
	if deepest > 100 {
		t.Errorf("a function ran under %d others", deepest)
	}
}

// Whatever the portal does with each call, of each value one thing becomes true.
func TestEveryValueIsAccountedForOnAnEvilPortal(t *testing.T) {
	odd := errors.New("odd")
	for seed := range 200 {
		both(t, queue.Options{Limit: seed % 4, Full: queue.Policy(seed % 3), BatchWait: time.Duration(seed%2) * time.Millisecond}, func() *submits {
			var asked atomic.Int64
			return &submits{f: func(c *hop.Call) error {
				at := (int64(seed)*1000 + asked.Add(1)) * 2654435761 & (1<<31 - 1)
				end := []func(){
					func() { c.Fail(odd) }, func() { c.Fail(hop.ErrFull) }, func() { c.Cancel(nil) }, func() { c.Cancel(hop.ErrStopped) },
					c.Run, c.Run, c.Run, func() { cancelAsItRuns(c) },
				}[at>>16%8]
				switch at >> 8 % 5 {
				case 0:
					end()
				case 1:
					go end()
				case 2:
					time.AfterFunc(time.Second, end)
				case 3:
					time.AfterFunc(time.Second, c.Run)
				case 4:
					return []error{odd, hop.ErrFull}[at>>12%2]
				}
				return nil
			}}
		}, func(t *testing.T, q *queue.Queue[int], on *submits, r *record) {
			var put []int
			for v := range 30 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if q.Put(ctx, v) == nil {
					put = append(put, v)
				}
				cancel()
				if v%4 == 0 {
					time.Sleep(time.Duration(v) * 100 * time.Millisecond)
				}
			}
			q.Shutdown(t.Context()) // it may have lost its portal
			synctest.Wait()         // OnDrop is told by who drops
			all := slices.Concat(r.handled, r.dropped)
			if slices.Sort(all); !slices.Equal(all, put) {
				t.Errorf("handled %v and dropped %v of %v", r.handled, r.dropped, put)
			}
			if !slices.IsSorted(r.handled) {
				t.Errorf("handled %v", r.handled)
			}
			if n := on.n.Load(); n > 2000 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
