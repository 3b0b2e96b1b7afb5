package hop_test

// Faults of the functions of a place: OnPanic, OnShutdown, the open and close of a Local.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// Goexit in OnPanic ends nothing else. A panic there crashes the process: see TestFault_Crash.
func TestFault_GoexitInOnPanic(t *testing.T) {
	for _, k := range loopKinds {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			hoptest.NoLeaks(t)
			told := make(chan struct{}, 10)
			l := k.make(t, hop.LoopOptions{StallAfter: -1, OnPanic: func(*hop.PanicError) { told <- struct{}{}; runtime.Goexit() }})
			suspended := hop.NewPromise[int](bg)
			task := hop.Go(bg, l, func(ctx context.Context) (int, error) { return suspended.Pending().Wait(ctx) })
			for _, f := range []func(){explode, func() { hop.Yield(bg); explode() }} {
				if err := l.Post(f); err != nil {
					t.Fatal(err)
				}
				recv(t, "OnPanic", told)
				wantIdle(t, l)
			}
			p := hop.New(bg, value(1))
			p.OnDone(explode)
			l.Submit(p.Call())
			recv(t, "OnPanic", told)
			must(t, p)
			suspended.Resolve(1)
			must(t, task)
		})
	}
}

func TestFault_OnShutdownFunctions(t *testing.T) {
	for _, k := range loopKinds {
		for _, stop := range []string{"Shutdown", "Close"} {
			t.Run(k.name+"/"+stop, func(t *testing.T) {
				if k.thread {
					needsThread(t)
				}
				for _, fault := range faults {
					for _, wait := range []bool{false, true} {
						what := fmt.Sprintf("%s after a wait %v", fault.name, wait)
						log := new(records)
						l := k.make(t, hop.LoopOptions{StallAfter: -1, Logger: slog.New(slog.NewTextHandler(log, nil))})
						var ran []int
						for i := range 5 {
							l.OnShutdown(func(ctx context.Context) error {
								if wait {
									if _, err := hop.Do(ctx, hop.Goroutines, value(1)); err != nil {
										t.Errorf("%s: a wait in OnShutdown: %v", what, err)
									}
								}
								ran = append(ran, i)
								if i%2 == 0 {
									fault.strike()
								}
								return nil
							})
						}
						within(t, patience, what, func() {
							err := l.Shutdown(bg)
							if stop == "Close" {
								err = l.Close()
							}
							if err != nil {
								t.Errorf("%s: %v", what, err)
							}
						})
						if !slices.Equal(ran, []int{0, 1, 2, 3, 4}) {
							t.Errorf("%s: %v ran", what, ran)
						}
						if n := log.with("shutdown function"); n != 3 {
							t.Errorf("%s: %d failures were logged, want 3", what, n)
						}
					}
				}
			})
		}
	}
}

// A Close that comes when a Shutdown has got to the shutdown functions hurries them, but each runs.
func TestFault_CloseDuringTheShutdownFunctions(t *testing.T) {
	const tries, hooks = 5000, 200
	lost := 0
	for range tries {
		l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1, Logger: slog.New(slog.DiscardHandler)})
		ran := 0
		some := make(chan struct{})
		for range hooks {
			l.OnShutdown(func(context.Context) error {
				if ran++; ran == 3 {
					close(some)
				}
				return nil
			})
		}
		over := inBackground(func() { l.Shutdown(bg) })
		recv(t, "the third", some)
		closeAll(t, "the loop", l.Close)
		recv(t, "Shutdown", over)
		if ran != hooks {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d loops have not run all of their shutdown functions", lost, tries)
	}
}

// eachHolder runs f on each kind of place that has Locals.
func eachHolder(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	eachLoop(t, func(t *testing.T, l *hop.Loop, _ chan *hop.PanicError) { f(t, l) })
	eachPool(t, func(t *testing.T, p *hop.Pool) { f(t, p) })
}

func TestFault_OpenOfALocal(t *testing.T) {
	eachHolder(t, func(t *testing.T, on hop.Portal) {
		for _, fault := range faults {
			for _, step := range steps {
				what := fault.name + " " + step.name
				var mu sync.Mutex
				opens, closes := 0, 0
				local := hop.NewLocal(func(ctx context.Context) (int, error) {
					mu.Lock()
					opens++
					first := opens == 1
					mu.Unlock()
					if first {
						step.f(ctx, on, fault.strike)
					}
					return 7, nil
				}, func(int) error { mu.Lock(); defer mu.Unlock(); closes++; return nil })
				get := func(ctx context.Context) (int, error) { return local.Get(ctx) }
				// The others ask while the first opens, or afterwards.
				ps := []*hop.Pending[int]{hop.Go(bg, on, get), hop.Go(bg, on, get), hop.Go(bg, on, get)}
				struck := 0
				for _, p := range ps {
					if v, err := wait(t, p); fault.struckBy(err) {
						struck++
					} else if v != 7 || err != nil {
						t.Errorf("%s: got %d, %v", what, v, err)
					}
				}
				if struck != 1 {
					t.Errorf("%s: %d calls were struck, want the one that opened first", what, struck)
				}
				if v := must(t, hop.Go(bg, on, get)); v != 7 {
					t.Errorf("%s: the next Get gave %d", what, v)
				}
			}
		}
	})
}

func TestFault_CloseOfALocal(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			workers := defaultLog(t)
			var closed []int
			var mu sync.Mutex
			locals := func() (ls []*hop.Local[int]) {
				closed = nil
				for i := range 4 {
					ls = append(ls, hop.NewLocal(value(i), func(i int) error {
						mu.Lock()
						closed = append(closed, i)
						mu.Unlock()
						if i%2 == 1 {
							fault.strike()
						}
						return nil
					}))
				}
				return ls
			}
			openAll := func(on hop.Portal) {
				ls := locals()
				must(t, hop.Go(bg, on, func(ctx context.Context) (int, error) {
					for i, l := range ls {
						if v, err := l.Get(ctx); v != i || err != nil {
							return 0, errors.Join(errStruck, err)
						}
					}
					return 1, nil
				}))
			}
			want := func(what string) {
				t.Helper()
				mu.Lock()
				defer mu.Unlock()
				if !slices.Equal(closed, []int{3, 2, 1, 0}) {
					t.Errorf("%s: closed %v, want each once, the last first", what, closed)
				}
			}
			for _, k := range loopKinds {
				if k.thread && wasm {
					continue // one thread only
				}
				log := new(records)
				l := k.make(t, hop.LoopOptions{StallAfter: -1, Logger: slog.New(slog.NewTextHandler(log, nil))})
				openAll(l)
				closeAll(t, k.name, l.Close)
				want(k.name)
				if log.with("closing of locals") == 0 {
					t.Errorf("%s: nothing was logged", k.name)
				}
			}
			for _, k := range poolKinds {
				if k.o.Threads && wasm {
					continue
				}
				p := hop.NewPool(&k.o)
				openAll(p)
				must(t, hop.Go(bg, p, value(1)))
				closeAll(t, k.name, p.Close)
				eventually(t, k.name+": all are closed", func() bool { mu.Lock(); defer mu.Unlock(); return len(closed) == 4 })
				want(k.name)
			}
			if n := workers.with("closing of locals"); n == 0 && !fault.goexit {
				t.Error("nothing was logged by the pools")
			}
		})
	}
}

// A Local whose value is being opened when its loop is closed: the opening ends, who waits for it too.
func TestFault_OpenOfALocalUnderAStop(t *testing.T) {
	eachLoop(t, func(t *testing.T, other *hop.Loop, _ chan *hop.PanicError) {
		for _, fault := range faults {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			local := hop.NewLocal(func(ctx context.Context) (int, error) {
				hop.Sleep(ctx, time.Hour)
				fault.strike()
				return 1, nil
			}, nil)
			get := func(ctx context.Context) (int, error) { return local.Get(ctx) }
			first, second := hop.Go(bg, l, get), hop.Go(bg, l, get)
			untilWaiting(t, first.Call())
			untilWaiting(t, second.Call())
			must(t, hop.Go(bg, other, func(ctx context.Context) (int, error) { return 1, l.Close() }))
			err := waitErr(t, first)
			wantIs(t, wantCancelled(t, err), hop.ErrStopped)
			if !fault.struckBy(err) {
				t.Errorf("%s: the opening ended with %v", fault.name, err)
			}
			wantCancelled(t, waitErr(t, second))
		}
	})
}
