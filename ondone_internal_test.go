package hop

import (
	"context"
	"slices"
	"testing"
)

// To take many functions of OnDone back costs some steps for each, in whatever order, and few that were taken back are kept.
func TestFunctionsThatAreTakenBackAreLookedForSeldom(t *testing.T) {
	const n = 3000
	for name, mix := range map[string]func(stops []func() bool){
		"the earliest first": func([]func() bool) {},
		"the latest first":   slices.Reverse[[]func() bool],
		"every other": func(stops []func() bool) {
			for i := 0; i < n/2; i += 2 {
				stops[i], stops[n-1-i] = stops[n-1-i], stops[i]
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewPromise[int](context.Background()).Pending().Call()
			list := func() (all, dead int) {
				for d := c.x.Load().onDone; d != nil; d = d.next {
					if all++; d.f == nil {
						dead++
					}
				}
				return
			}
			var stops []func() bool
			for range n {
				stops = append(stops, c.OnDone(func() {}))
			}
			mix(stops)
			steps, before := 0, n
			for i, stop := range stops {
				if !stop() {
					t.Fatalf("the %dth was not taken back", i)
				}
				all, dead := list()
				if all < before {
					steps += before // it was gone through
				}
				before = all
				if live := all - dead; live != n-1-i || dead > max(maxDead, live) {
					t.Fatalf("after %d were taken back %d are left, and %d of these are kept", i+1, live, dead)
				}
			}
			if steps > 5*n {
				t.Errorf("%d steps for %d functions", steps, n)
			}
		})
	}
}
