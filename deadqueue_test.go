package hop_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/gohop/hop"
)

// Calls that are cancelled while they wait behind a function that does not return are let go, however many come; the others keep their order, and all
// that counts calls counts these.
func TestS17_CancelledCallsDoNotPileUpBehindAStuckFunction(t *testing.T) {
	const sent, each, most = 50_000, 5000, 3000 // of which each so many is not cancelled; how many may be kept
	for name, newPlace := range map[string]func(t *testing.T) (on hop.Portal, free func()){
		"Loop": func(t *testing.T) (hop.Portal, func()) {
			l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
			return l, occupy(t, l).open
		},
		"Loop with a QueueLimit": func(t *testing.T) (hop.Portal, func()) {
			l := newLoop(t, &hop.LoopOptions{StallAfter: -1, QueueLimit: sent/each + 1})
			return l, occupy(t, l).open
		},
		"Pool": func(t *testing.T) (hop.Portal, func()) {
			p := newPool(t, &hop.PoolOptions{Size: 1})
			return p, occupy(t, p).open
		},
		"Pool with a QueueLimit": func(t *testing.T) (hop.Portal, func()) {
			p := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: sent/each + 1})
			return p, occupy(t, p).open
		},
		"Waiter": func(t *testing.T) (hop.Portal, func()) {
			w := hop.NewWaiter()
			return w, func() { w.Wait(bg, hop.Go(bg, hop.Goroutines, value(1)).Call()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC() // the longest rings of what has run before are gone
			runtime.GC()
			on, free := newPlace(t)
			var mu sync.Mutex
			var got, want []int
			var stay []*hop.Pending[int]
			kept := make([]weak.Pointer[hop.Call], 0, sent)
			for n := range sent {
				p := hop.Go(bg, on, func(context.Context) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, n)
					return n, nil
				})
				if n%each == 0 {
					want, stay = append(want, n), append(stay, p)
					continue
				}
				p.Cancel(nil)
				kept = append(kept, weak.Make(p.Call()))
			}
			runtime.GC()
			alive := 0
			for _, c := range kept {
				if c.Value() != nil {
					alive++
				}
			}
			if alive > most {
				t.Errorf("%d of %d cancelled calls are kept", alive, len(kept))
			}
			if pool, ok := on.(*hop.Pool); ok && pool.Stats().Queued != len(stay) {
				t.Errorf("Stats %+v, want %d queued", pool.Stats(), len(stay))
			}
			within(t, patience, "what frees the place", free)
			for _, p := range stay {
				must(t, p)
			}
			if !slices.Equal(got, want) {
				t.Errorf("ran %v, want %v", got, want)
			}
		})
	}
}

// The count of a Shutdown that is cut short is of those that were left.
func TestS25_AShutdownCountsWhatIsLeftAmongManyCancelled(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			g := occupy(t, on)
			for n := range 2000 {
				if p := hop.Go(bg, on, value(n)); n%500 != 0 {
					p.Cancel(nil)
				}
			}
			ctx, cancel := context.WithCancel(bg)
			cancel()
			err := on.(interface{ Shutdown(context.Context) error }).Shutdown(ctx)
			want := fmt.Sprintf("shutdown of %v: 5 calls were cancelled: ", on) // the one that runs, and four
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Shutdown: %v, want %q", err, want)
			}
			g.open()
		})
	}
}

// Who is refused by a full place does not look at what was cancelled there again each time.
func TestS17_ARefusalIsCheapWhereManyWereCancelled(t *testing.T) {
	const limit, cancelled, refused = 10, 50_000, 100
	for name, on := range map[string]hop.Portal{
		"Loop": newLoop(t, &hop.LoopOptions{QueueLimit: limit, StallAfter: -1}),
		"Pool": newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: limit}),
	} {
		t.Run(name, func(t *testing.T) {
			g := occupy(t, on)
			for range cancelled {
				hop.Go(bg, on, value(1)).Cancel(nil)
			}
			for range limit {
				hop.Go(bg, on, value(1))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range refused {
				if err := on.Submit(hop.New(bg, value(1)).Call()); err == nil {
					t.Fatal("there was room")
				}
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / refused; each > 8<<10 {
				t.Errorf("a refusal allocates %d bytes: it lists those that have ended", each)
			}
			g.open()
		})
	}
}

// countedContext counts how often it is asked whether it has ended.
type countedContext struct {
	context.Context
	times *atomic.Int64
}

func (c countedContext) Err() error {
	c.times.Add(1)
	return c.Context.Err()
}

// Nor does who is refused by a long queue look at each of those whose contexts may have ended; but soon somebody does.
func TestS17_ARefusalIsCheapWhereThousandsWait(t *testing.T) {
	const limit, refused = 20_000, 2000
	for name, on := range map[string]hop.Portal{
		"Loop": newLoop(t, &hop.LoopOptions{QueueLimit: limit, StallAfter: -1}),
		"Pool": newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: limit}),
	} {
		t.Run(name, func(t *testing.T) {
			g := occupy(t, on)
			defer g.open()
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			var asked atomic.Int64
			for range limit {
				if err := on.Submit(hop.New(countedContext{ctx, &asked}, value(1)).Call()); err != nil {
					t.Fatal(err)
				}
			}
			asked.Store(0)
			submit := func() error { return on.Submit(hop.New(bg, value(1)).Call()) }
			for range refused {
				if err := submit(); !errors.Is(err, hop.ErrFull) {
					t.Fatalf("Submit to a full place: %v", err)
				}
			}
			if looks := asked.Load() / limit; looks < 1 || looks > refused/20 {
				t.Errorf("%d refusals looked %d times at all that wait", refused, looks)
			}
			cancel()
			eventually(t, "there is room again", func() bool { return submit() == nil })
			for range limit - 1 {
				if err := submit(); err != nil {
					t.Fatalf("Submit when none of those before counts: %v", err)
				}
			}
			wantIs(t, submit(), hop.ErrFull)
		})
	}
}

// Where fewer wait, a call whose context is over makes room for the next at once, however many were refused before.
func TestS17_ACallWhoseContextIsOverMakesRoomAtOnce(t *testing.T) {
	const limit = 500
	for name, on := range map[string]hop.Portal{
		"Loop": newLoop(t, &hop.LoopOptions{QueueLimit: limit, StallAfter: -1}),
		"Pool": newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: limit}),
	} {
		t.Run(name, func(t *testing.T) {
			g := occupy(t, on)
			defer g.open()
			for range limit - 1 {
				hop.Go(bg, on, value(1))
			}
			for range 100 {
				ctx, cancel := context.WithCancel(bg)
				if err := on.Submit(hop.New(ctx, value(1)).Call()); err != nil {
					t.Fatal(err)
				}
				wantIs(t, on.Submit(hop.New(bg, value(1)).Call()), hop.ErrFull)
				cancel()
			}
		})
	}
}

// Among cancels that race with a loop and a pool at their work, every other call runs, in the order of its sender.
func TestCancelsRaceWithTheReceiver(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			const senders, each = 4, 2000
			var senderOf [senders][]int // written by the place's functions, one at a time
			var left [senders][]*hop.Pending[int]
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for n := range each {
						p := hop.Go(bg, on, func(context.Context) (int, error) {
							if n%10 == 0 {
								senderOf[s] = append(senderOf[s], n)
							}
							if n%500 == 0 {
								time.Sleep(time.Millisecond) // a load: what comes meanwhile waits
							}
							return n, nil
						})
						if n%10 == 0 {
							left[s] = append(left[s], p)
						} else {
							p.Cancel(nil)
						}
					}
				})
			}
			within(t, patience, "the senders", wg.Wait)
			for s := range senders {
				for i, p := range left[s] {
					if v := must(t, p); v != 10*i {
						t.Fatalf("sender %d: got %d, want %d", s, v, 10*i)
					}
				}
				if len(senderOf[s]) != each/10 || !slices.IsSorted(senderOf[s]) {
					t.Errorf("sender %d: %d ran, sorted %v", s, len(senderOf[s]), slices.IsSorted(senderOf[s]))
				}
			}
		})
	}
}
