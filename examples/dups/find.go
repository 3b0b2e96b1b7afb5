package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gohop/hop"
)

// maxInFlight is how many files may be on their way through the comparison before the walk has to wait. Each of them can
// bring one back that was at rest (see index.compare), so there are never more than about twice as many.
const maxInFlight = 100

// found is what a search has found.
type found struct {
	groups       []group
	tally        tally
	read         int64 // bytes
	mostInFlight int   // files
	took         time.Duration
	interrupted  bool
	places       []*place
}

// find searches o.paths until everything is compared or ctx ends, and returns what it knows by then: it is no error that
// ctx ends.
func find(ctx context.Context, o options, s *screen) (*found, error) {
	start := time.Now()

	// The places, and the figures that are kept of them.
	pool := hop.NewPool(&hop.PoolOptions{Name: "disk", Size: o.workers})
	defer pool.Close()
	disk := newPlace("disk", fmt.Sprintf("a pool of %d", o.workers))
	loop := hop.NewLoop(&hop.LoopOptions{Name: "index"})
	defer loop.Close()
	x := newIndex(loop, pool, disk, s, o.inFlight)

	// What runs there. It ends when ctx does; with Abandon, not even a directory on a dead network disk keeps us waiting.
	s.place.sent()
	progress := hop.Go(ctx, s.loop, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.follow(ctx, x)
	}, hop.Name("progress"))

	disk.sent()
	walk := hop.Go(ctx, pool, func(ctx context.Context) (struct{}, error) {
		disk.started()
		return struct{}{}, newWalker(o, x.add).walk(ctx)
	}, hop.Name("walk"), hop.Abandon())

	// That is why these waits need not end early: they are short once ctx has ended.
	all := context.WithoutCancel(ctx)
	if _, err := walk.Wait(all); err != nil && !errors.Is(err, hop.ErrCancelled) {
		return nil, err
	}
	x.place.sent()
	f, err := hop.Do(all, loop, x.finish, hop.Name("finish"))
	if err != nil {
		return nil, err
	}
	progress.CancelWait(all, nil)
	s.place.sent()
	if err := hop.Run(all, s.loop, s.end, hop.Name("end")); err != nil {
		return nil, err
	}

	f.interrupted = ctx.Err() != nil
	f.took = time.Since(start)
	f.places = []*place{s.place, x.place, disk}
	return f, nil
}
