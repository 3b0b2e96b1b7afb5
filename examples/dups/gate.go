package main

import (
	"context"

	"github.com/gohop/hop"
)

// gate counts the files in flight, and makes newcomers wait while there are too many.
//
// It needs no lock, because it belongs to a loop: only tasks of that loop use it, and a task has the loop for itself from
// one wait to the next. (hop.Limiter is for places that do not share a loop.)
type gate struct {
	limit   int
	inside  int
	most    int
	changed *hop.Promise[struct{}] // resolved at the next leave; nil if nobody waits for that
}

// enter waits until fewer than limit are inside, and counts one more.
func (g *gate) enter(ctx context.Context) error {
	for g.inside >= g.limit {
		if err := g.wait(ctx); err != nil {
			return err
		}
	}
	g.join(1)
	return nil
}

// join counts n more without waiting: they come back because of one that is inside, so making it wait for a place would
// be making it wait for itself.
func (g *gate) join(n int) {
	g.inside += n
	g.most = max(g.most, g.inside)
}

// leave counts one less, and wakes whoever waits.
func (g *gate) leave() {
	g.inside--
	if p := g.changed; p != nil {
		g.changed = nil
		p.Resolve(struct{}{})
	}
}

// empty waits until nobody is inside.
func (g *gate) empty(ctx context.Context) error {
	for g.inside > 0 {
		if err := g.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wait waits for the next leave.
func (g *gate) wait(ctx context.Context) error {
	if g.changed == nil {
		// Several tasks may wait on it, so it must not end with the context of one of them.
		g.changed = hop.NewPromise[struct{}](context.WithoutCancel(ctx))
	}
	_, err := g.changed.Pending().Wait(ctx)
	return err
}
