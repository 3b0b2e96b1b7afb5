//go:build hopexplore

package model_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// TestAskedFirst: what is sent to a Waiter when Cancel of the call that it waits for has returned is asked to end too; so it does not begin (S8, S17).
func TestAskedFirst(t *testing.T) {
	ctx := context.Background()
	wait := func(w *hop.Waiter, c *hop.Call) func(context.Context) error {
		return func(ctx context.Context) error { return w.Wait(ctx, c) }
	}
	for name, on := range map[string]func() (hop.Portal, func()){
		"goroutine": func() (hop.Portal, func()) { return hop.Goroutines, func() {} },
		"loop":      func() (hop.Portal, func()) { l := hop.NewLoop(nil); return l, func() { l.Close() } },
	} {
		t.Run(name, func(t *testing.T) {
			r := explore.Search(t, explore.Options{Strategy: explore.Random, Runs: 5_000}, func(x *explore.Trial) {
				portal, end := on()
				defer end()
				promise := hop.NewPromise[int](ctx)
				promise.OnCancel(func(error) {}) // so to be asked is not to end
				w := hop.NewWaiter()
				over := make(chan struct{})
				x.Go("waiter", func() {
					defer close(over)
					if err := hop.Run(ctx, portal, wait(w, promise.Pending().Call())); err != nil {
						x.Errorf("Wait: %v", err)
					}
				})
				promise.Pending().Cancel(nil)
				p := hop.Go(ctx, w, func(context.Context) (int, error) {
					x.Errorf("it began")
					return 0, nil
				})
				if _, err := p.Wait(ctx); !errors.Is(err, hop.ErrCancelled) {
					x.Errorf("it ended with %v", err)
				}
				promise.Resolve(1)
				<-over
			})
			if r.Failure != nil {
				t.Error(r.Failure.Error())
			}
		})
	}
}

// TestStoppedFirst: when RunLoop returns, its loop has stopped (S25).
func TestStoppedFirst(t *testing.T) {
	ctx := context.Background()
	for name, f := range map[string]func(x *explore.Trial, l *hop.Loop){
		"alone": func(*explore.Trial, *hop.Loop) {},
		"child": func(x *explore.Trial, l *hop.Loop) {
			if _, err := l.Child("child", nil); err != nil {
				x.Errorf("Child: %v", err)
			}
		},
		"told": func(x *explore.Trial, l *hop.Loop) {
			x.Go("stopper", func() { l.Shutdown(ctx) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := explore.Search(t, explore.Options{Strategy: explore.Random, Runs: 5_000}, func(x *explore.Trial) {
				l, err := hop.RunLoop(ctx, nil, func(context.Context) (*hop.Loop, error) {
					l := hop.CurrentLoop()
					f(x, l)
					return l, nil
				})
				if err != nil {
					x.Fatalf("RunLoop: %v", err)
				}
				select {
				case <-l.Stopped():
				default:
					x.Errorf("RunLoop has returned, and the loop runs")
				}
			})
			if r.Failure != nil {
				t.Error(r.Failure.Error())
			}
		})
	}
}
