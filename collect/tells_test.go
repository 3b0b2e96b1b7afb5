package collect_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// Who leaves a stream cancels all that it has pulled before a function of OnDone runs: one may wait for another of them.
func TestAsCompleted_AFunctionOfACancelledCallWaitsForAnother(t *testing.T) {
	for name, order := range map[string][2]int{"a later one": {0, 1}, "an earlier one": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			_, calls := promises(3)
			got := make(chan error, 1)
			calls[order[0]].OnDone(func() {
				_, err := calls[order[1]].Wait(context.Background())
				got <- err
			})
			within(t, func() {
				for range collect.AsCompleted(t.Context(), slices.Values(append(calls, resolved(1)))) {
					break
				}
				wantIs(t, <-got, hop.ErrCancelled)
			})
		})
	}
}

// A function of OnDone waits for one who waits for other calls that are cancelled with its own.
func TestAFunctionOfACancelledCallWaitsForOneWhoWaitsForOthers(t *testing.T) {
	type calls = []*hop.Pending[int]
	wait := func(when collect.When) func(context.Context, calls) calls {
		return func(ctx context.Context, ps calls) calls {
			done, _ := collect.Wait(ctx, when, ps[2:]...)
			return done
		}
	}
	for name, wait := range map[string]func(ctx context.Context, ps calls) calls{
		"AllDone":     wait(collect.AllDone),
		"FirstDone":   wait(collect.FirstDone),
		"FirstFailed": wait(collect.FirstFailed),
		"AsCompleted": func(ctx context.Context, ps calls) calls {
			var done calls
			for p := range collect.AsCompleted(ctx, slices.Values(slices.Delete(slices.Clone(ps), 1, 2))) {
				done = append(done, p)
			}
			if !slices.Equal(done, calls{ps[0], ps[2], ps[3], ps[4]}) {
				t.Error("not in the order in which they have ended")
			}
			return done
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := hop.NewLoop(nil)
			ps := make(calls, 5)
			for i := range ps {
				ps[i] = hop.After(context.Background(), time.Duration(i+1)*time.Hour, l, func(context.Context) (int, error) { return 0, nil })
			}
			waits := hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (calls, error) { return wait(ctx, ps), nil })
			for waits.Call().State() != hop.Waiting {
				runtime.Gosched()
			}
			ps[0].OnDone(func() {})
			got := make(chan calls, 1)
			ps[1].OnDone(func() {
				done, _ := waits.Wait(context.Background())
				got <- done
			})
			within(t, func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				if done := <-got; len(done) == 0 {
					t.Error("none has ended")
				}
			})
		})
	}
}
