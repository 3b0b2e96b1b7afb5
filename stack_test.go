package hop_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/gohop/hop"
)

// TestTasksWaitOnTheirFirstStack: a coroutine begins with 2 KB of stack, and what a task needs to wait fits in, under a context that can be
// cancelled too. A stack that grows is copied, which takes longer than all the rest, and is twice as large.
func TestTasksWaitOnTheirFirstStack(t *testing.T) {
	switch {
	case raceEnabled, testing.CoverMode() != "":
		t.Skip("what watches the code needs stack too")
	case runtime.GOARCH != "amd64":
		t.Skip("frames are of other sizes elsewhere, and were not measured")
	}
	out, err := inChild(t, nil, func() {
		debug.SetGCPercent(-1) // a collection makes stacks smaller
		for _, ctx := range []context.Context{bg, t.Context()} {
			event := new(hop.Event)
			promise := hop.NewPromise[int](bg)
			for _, kind := range []struct {
				name string
				wait func(ctx context.Context) error
				end  func()
			}{
				{"Sleep", func(ctx context.Context) error { return hop.Sleep(ctx, 50*time.Millisecond) }, func() {}},
				{"Event.Wait", event.Wait, event.Set},
				{"Pending.Wait", func(ctx context.Context) error { _, err := promise.Pending().Wait(ctx); return err }, func() { promise.Resolve(1) }},
			} {
				const tasks = 1000
				l := newLoop(t, nil)
				moved := 0 // on the loop
				var group sync.WaitGroup
				for range tasks {
					group.Add(1)
					hop.Go(ctx, l, func(ctx context.Context) (int, error) {
						var here byte // on the stack
						before := uintptr(unsafe.Pointer(&here))
						err := kind.wait(ctx)
						if uintptr(unsafe.Pointer(&here)) != before {
							moved++
						}
						return 0, err
					}).OnDone(group.Done)
				}
				hop.Run(bg, l, func(context.Context) error { return nil }) // behind them all
				kind.end()
				group.Wait()
				if moved > tasks/5 { // three were measured; the allocator needs more now and then
					t.Errorf("%s under %v: %d of %d stacks have grown", kind.name, ctx, moved, tasks)
				}
			}
		}
	}, "GODEBUG=adaptivestackstart=0")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
