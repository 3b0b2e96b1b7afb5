package workloads

import (
	"context"
	"sync"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/eventloop"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

const posts = 1000 // before each barrier

func b4() harness.Workload {
	libraries := harness.Target{Stat: harness.Value, Max: 0.1, Label: "to the library", Against: harness.OnlyLibraries}
	channel := harness.Target{Stat: harness.Value, Max: 0.5, Label: "to the channel", Against: harness.OnlyPlain}
	oneP := harness.Target{Stat: harness.Value, Max: 1, Label: "to the channel", Against: harness.OnlyPlain}
	c := func(name string, locked bool, senders int, targets ...harness.Target) harness.Case {
		return harness.Case{
			Name: name, Unit: harness.Nanoseconds, Of: "a post", Each: posts * senders, Floor: FloorSwap,
			Sides: postSides(locked, senders), Targets: targets,
		}
	}
	single := c("one P, 1 sender", true, 1, oneP)
	single.Procs = 1
	return harness.Workload{
		ID:    "B4",
		Title: "1,000 posts and a barrier",
		About: "Each sender posts a function 1,000 times and then waits for a barrier, that is for a call behind them. The posted function " +
			"adds one to a number that only the loop touches; the sum is compared with the posts. The channel is buffered for 1,024.",
		Cases: []harness.Case{
			c("thread, 1 sender", true, 1, channel),
			c("thread, 8 senders", true, 8, channel),
			c("loop, 1 sender", false, 1, libraries, channel),
			c("loop, 8 senders", false, 8, libraries, channel),
			c("thread, 64 senders", true, 64, channel,
				harness.Target{Stat: harness.Value, Max: 1.2, Label: "to 1 sender", Case: "thread, 1 sender"}),
			single,
		},
	}
}

func postSides(locked bool, senders int) []harness.Side {
	sides := []harness.Side{
		{Name: hopSide, Kind: harness.Hop, New: func() (*harness.Run, error) { return hopPosts(locked, senders) }},
		{Name: "buffered channel of funcs", Kind: harness.Plain, New: func() (*harness.Run, error) { return chanPosts(locked, senders) }},
	}
	if !locked {
		sides = append(sides,
			harness.Side{Name: "goja_nodejs RunOnLoop", Kind: harness.Library, New: func() (*harness.Run, error) { return gojaPosts(senders) }})
	}
	return sides
}

func hopPosts(locked bool, senders int) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench", Thread: locked})
	count := 0
	f := func() { count++ }
	barrier := func(context.Context) error { return nil }
	return &harness.Run{
		Do: sending(senders, func(int) error {
			for range posts {
				if err := l.Post(f); err != nil {
					return err
				}
			}
			return hop.Run(background, l, barrier)
		}),
		Check: func(n int) error { return harness.Same("the number of posts run", count, n*senders*posts) },
		Close: func() { l.Close() },
	}, nil
}

func chanPosts(locked bool, senders int) (*harness.Run, error) {
	l := newChanLoop(locked, 1024)
	count := 0
	f := func() { count++ }
	barriers := newBarriers(senders)
	return &harness.Run{
		Do: sending(senders, func(sender int) error {
			for range posts {
				l.funcs <- f
			}
			l.funcs <- barriers[sender].f
			<-barriers[sender].reached
			return nil
		}),
		Check: func(n int) error { return harness.Same("the number of posts run", count, n*senders*posts) },
		Close: l.close,
	}, nil
}

func gojaPosts(senders int) (*harness.Run, error) {
	l := eventloop.NewEventLoop(eventloop.EnableConsole(false))
	l.Start()
	count := 0
	f := func(*goja.Runtime) { count++ }
	barriers := newBarriers(senders)
	return &harness.Run{
		Do: sending(senders, func(sender int) error {
			for range posts {
				l.RunOnLoop(f)
			}
			l.RunOnLoop(func(*goja.Runtime) { barriers[sender].f() })
			<-barriers[sender].reached
			return nil
		}),
		Check: func(n int) error { return harness.Same("the number of posts run", count, n*senders*posts) },
		Close: func() { l.Stop() },
	}, nil
}

// A barrier is a function to post behind others, and the channel that tells when it has run.
type barrier struct {
	f       func()
	reached chan struct{}
}

func newBarriers(n int) []barrier {
	bs := make([]barrier, n)
	for i := range bs {
		reached := make(chan struct{}, 1)
		bs[i] = barrier{f: func() { reached <- struct{}{} }, reached: reached}
	}
	return bs
}

// sending makes a Do in which each sender is a goroutine that calls f n times.
func sending(senders int, f func(sender int) error) func(n int) (time.Duration, error) {
	if senders == 1 {
		return harness.Every(func() error { return f(0) })
	}
	return func(n int) (time.Duration, error) {
		start := time.Now()
		errs := make([]error, senders)
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for range n {
					if errs[s] = f(s); errs[s] != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(start)
		for _, err := range errs {
			if err != nil {
				return 0, err
			}
		}
		return took, nil
	}
}
