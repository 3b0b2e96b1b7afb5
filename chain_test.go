package hop_test

import (
	"context"
	"runtime"
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
					before := heap()
					under(func(ctx context.Context) {
						defer close(measured)
						start(ctx, on, step)
						recv(t, "the last", end)
						// A call is 112 bytes and more. A map of the context's that had an entry for each Done keeps its room.
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
