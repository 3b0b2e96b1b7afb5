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

// runLabelled is run of a call whose context carries profile labels, if it does: the goroutine has them meanwhile.
func (c *Call) runLabelled(fb *fiber) {
	if c.has(flagLabels) {
		defer label.Set(label.Get())
		setLabels(c.parent())
	}
	c.run(fb)
}
