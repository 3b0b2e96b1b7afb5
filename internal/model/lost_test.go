//go:build hopexplore

package model_test

import (
	"context"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// handing is a portal of a user's, whose goroutine may run a call before Submit has returned.
type handing chan *hop.Call

func (h handing) Submit(c *hop.Call) error {
	h <- c
	return nil
}

// TestRunWhileSubmitted: a portal runs a call while its Submit returns, which notes that it is queued. It runs once, whatever it is made with (S24).
func TestRunWhileSubmitted(t *testing.T) {
	ctx := context.Background()
	for name, start := range map[string]func(on hop.Portal, f func(context.Context) (int, error)) (int, error){
		"Go": func(on hop.Portal, f func(context.Context) (int, error)) (int, error) {
			return hop.Go(ctx, on, f).Wait(ctx)
		},
		"Timeout": func(on hop.Portal, f func(context.Context) (int, error)) (int, error) {
			return hop.Go(ctx, on, f, hop.Timeout(time.Hour)).Wait(ctx)
		},
		"Do": func(on hop.Portal, f func(context.Context) (int, error)) (int, error) {
			return hop.Do(ctx, on, f)
		},
		"After": func(on hop.Portal, f func(context.Context) (int, error)) (int, error) {
			return hop.After(ctx, time.Second, on, f).Wait(ctx)
		},
		"group with a Limit": func(on hop.Portal, f func(context.Context) (int, error)) (v int, err error) {
			err = hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) (err error) {
				hop.Go(ctx, on, func(context.Context) (int, error) { return 0, nil })
				v, err = hop.Go(ctx, on, f, hop.Timeout(time.Hour)).Wait(ctx)
				return err
			})
			return v, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := explore.Search(t, explore.Options{Strategy: explore.Random, Runs: 5_000}, func(x *explore.Trial) {
				on := make(handing, 4)
				x.Go("runner", func() {
					for c := range on {
						c.Run()
					}
				})
				ran := 0
				if v, err := start(on, func(context.Context) (int, error) { ran++; return 7, nil }); v != 7 || err != nil || ran != 1 {
					x.Errorf("%d, %v; it has run %d times", v, err, ran)
				}
				close(on)
			})
			if r.Failure != nil {
				t.Error(r.Failure.Error())
			}
		})
	}
}
