package hop_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// A function that starts the next call with its own context, as what repeats itself does, again and again: the time for each and the memory that
// is kept do not grow with the number of those before.
func TestCallsThatEachStartTheNext(t *testing.T) {
	calls := int64(20_000)
	if raceEnabled || wasm {
		calls = 2_000
	}
	roots := map[string]func(f func(ctx context.Context)){
		"background": func(f func(context.Context)) { f(bg) },
		"cancel": func(f func(context.Context)) {
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			f(ctx)
		},
		"group": func(f func(context.Context)) {
			hop.WithGroup(bg, nil, func(ctx context.Context) error { f(ctx); return nil })
		},
	}
	ways := map[string]func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)){
		"Go": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) { hop.Go(ctx, on, f) },
		"Go, looked at": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.Go(ctx, on, f).OnDone(func() {})
		},
		"Go, with its Done": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.Go(ctx, on, func(ctx context.Context) (int, error) { ctx.Done(); return f(ctx) })
		},
		"After": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.After(ctx, 1, on, f)
		},
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // what has a cleanup goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, on := range []hop.Portal{newLoop(t, &hop.LoopOptions{StallAfter: -1}), newPool(t, nil), hop.Goroutines} {
		for root, under := range roots {
			for way, start := range ways {
				t.Run(portalKind(on)+"/"+root+"/"+way, func(t *testing.T) {
					chain := func(last func()) {
						n := int64(0)
						end, measured := make(chan struct{}), make(chan struct{})
						var step func(ctx context.Context) (int, error)
						step = func(ctx context.Context) (int, error) {
							if n++; n < calls {
								start(ctx, on, step)
								return 0, nil
							}
							close(end)
							<-measured // while the last one lives
							return 0, nil
						}
						under(func(ctx context.Context) {
							defer close(measured)
							start(ctx, on, step)
							recv(t, "the last", end)
							last()
						})
					}
					if way == "Go, with its Done" {
						chain(func() {}) // the runtime keeps what it needed for the goroutines that were there at once: with one P, all
					}
					before := heap()
					// A call is 112 bytes and more. A map of the context's that had an entry for each Done keeps its room.
					chain(func() {
						eventually(t, "the memory of the others is free", func() bool { return heap()-before < calls*96 })
					})
				})
			}
		}
	}
}

// And what the first was told of still reaches the last.
func TestTheEndReachesTheLastOfAChain(t *testing.T) {
	for _, looked := range []bool{false, true} {
		for _, on := range []hop.Portal{newLoop(t, nil), newPool(t, nil), hop.Goroutines} {
			ctx, cancel := context.WithCancel(context.WithValue(bg, ctxKey{}, "the value"))
			n := 0
			last := make(chan *hop.Pending[int], 1)
			asked := make(chan struct{})
			var step func(ctx context.Context) (int, error)
			step = func(ctx context.Context) (int, error) {
				if n++; n == 100 {
					p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
						if v := ctx.Value(ctxKey{}); v != "the value" {
							t.Errorf("the value is %v", v)
						}
						close(asked)
						return 0, hop.Sleep(ctx, time.Hour)
					})
					last <- p
					return 0, nil
				}
				p := hop.Go(ctx, on, step)
				if looked {
					p.OnDone(func() {})
				}
				return 0, nil
			}
			hop.Go(ctx, on, step)
			p := recv(t, "the last", last)
			recv(t, "its start", asked)
			end := make(chan struct{})
			p.OnDone(func() { close(end) })
			cancel()
			recv(t, "its end", end)
			wantCancelled(t, waitErr(t, p))
		}
	}
}

func portalKind(on hop.Portal) string {
	switch on.(type) {
	case *hop.Loop:
		return "loop"
	case *hop.Pool:
		return "pool"
	}
	return "goroutines"
}

// Those that are passed on while others come, and while the context ends, are told all the same.
func TestAChainThatEndsWhileItsContextDoes(t *testing.T) {
	pool := hop.NewPool(nil)
	defer pool.Close()
	rounds := 10_000
	if raceEnabled || wasm {
		rounds = 500
	}
	for k := range rounds {
		ctx, cancel := context.WithCancel(bg)
		ctx, made := hop.Track(ctx)
		var told, want atomic.Int32
		var step func(n int) func(context.Context) (int, error)
		step = func(n int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				want.Add(1)
				context.AfterFunc(ctx, func() { told.Add(1) })
				if n > 0 {
					hop.Go(ctx, pool, step(n-1)).OnDone(func() {})
					if n%2 == 0 {
						sub, stop := context.WithCancel(ctx)
						_ = stop
						hop.Go(sub, pool, func(ctx context.Context) (int, error) {
							want.Add(1)
							<-ctx.Done()
							told.Add(1)
							return 0, nil
						})
					}
				}
				return 0, nil
			}
		}
		hop.Go(ctx, pool, step(20))
		for i := 0; i < k%200; i++ {
			runtime.Gosched()
		}
		cancel()
		for end := time.Now().Add(patience); len(made.Calls()) > 0 || told.Load() != want.Load(); runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("round %d: told %d of %d; %d calls are left", k, told.Load(), want.Load(), len(made.Calls()))
			}
		}
	}
}

func TestS8_OriginLeadsBackPastACallThatHasEnded(t *testing.T) {
	a := hop.NewLoop(&hop.LoopOptions{Name: "a"})
	defer a.Close()
	pool := hop.NewPool(&hop.PoolOptions{Name: "p", Size: 1})
	defer pool.Close()
	var child *hop.Pending[hop.Portal]
	g := hop.Go(bg, a, func(ctx context.Context) (int, error) {
		up := hop.Go(ctx, pool, func(ctx context.Context) (int, error) {
			child = hop.Go(ctx, pool, func(ctx context.Context) (hop.Portal, error) { return hop.Origin(ctx), nil })
			return 0, nil
		})
		_, err := up.Wait(ctx)
		child.Wait(ctx)
		return 0, err
	})
	wait(t, g)
	if p, _ := wait(t, child); p != hop.Portal(a) {
		t.Fatalf("Origin is %v", p)
	}
}
