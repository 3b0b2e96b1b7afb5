package hop

import (
	"context"
	"runtime/pprof"

	"github.com/gohop/hop/internal/label"
)

// labelsIn reports whether ctx carries profile labels.
func labelsIn(ctx context.Context) bool {
	switch ctx := ctx.(type) {
	case *callContext:
		return (*Call)(ctx).has(flagLabels)
	case *groupContext:
		return ctx.labels
	}
	if ctx == context.Background() {
		return false
	}
	found := false
	pprof.ForLabels(ctx, func(string, string) bool {
		found = true
		return false
	})
	return found
}

// setLabels puts ctx's labels on the calling goroutine.
func setLabels(ctx context.Context) { pprof.SetGoroutineLabels(ctx) }

// label has the goroutine have the profile labels that the call's context carries, while the function runs, and not while the call ends.
//
//go:noinline
func (p *Pending[T]) label() {
	f := p.f
	p.f = func(ctx context.Context) (T, error) {
		defer label.Set(label.Get())
		setLabels(p.c.parent())
		return f(ctx)
	}
}
