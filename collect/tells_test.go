package collect_test

import (
	"context"
	"slices"
	"testing"

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
