//go:build hopexplore

package model_test

import (
	"context"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// TestStalePoke: somebody sends to a goroutine that waits for a call and serves meanwhile, while that call ends. This may wake the wait, but
// not what its memory is used for next: an event's Wait returns when the event is set (S8).
func TestStalePoke(t *testing.T) {
	ctx := context.Background()
	for name, serve := range map[string]func(x *explore.Trial, send func(to hop.Portal)){
		"Do": func(x *explore.Trial, send func(to hop.Portal)) {
			hop.Run(ctx, hop.Goroutines, func(ctx context.Context) error {
				origin := hop.Origin(ctx)
				x.Go("sender", func() { send(origin) }) // the call may leave it behind
				return nil
			})
		},
		"Waiter": func(x *explore.Trial, send func(to hop.Portal)) {
			w := hop.NewWaiter()
			x.Go("sender", func() { send(w) })
			w.Wait(ctx, hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { return 0, nil }).Call())
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range []explore.Strategy{explore.Random, explore.PCT} {
				r := explore.Search(t, explore.Options{Strategy: s, Runs: 5_000}, func(x *explore.Trial) {
					var event hop.Event
					sent, over := make(chan struct{}), make(chan struct{})
					x.Go("server", func() {
						serve(x, func(to hop.Portal) {
							defer close(sent)
							hop.Go(ctx, to, func(context.Context) (int, error) { return 1, nil }).Call().Err()
						})
					})
					x.Go("waiter", func() {
						defer close(over)
						if err := event.Wait(ctx); err != nil || !event.IsSet() {
							x.Errorf("Wait returned %v, and the event is set: %v", err, event.IsSet())
						}
					})
					<-sent
					event.Set()
					<-over
				})
				if r.Failure != nil {
					t.Error(r.Failure.Error())
				}
			}
		})
	}
}
