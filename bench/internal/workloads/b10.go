package workloads

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

func b10(z Size) harness.Workload {
	c := func(name string, most float64, start func() (*harness.Run, error), peers ...harness.Side) harness.Case {
		return harness.Case{
			Name: name, Unit: harness.Bytes, Of: "one", Whole: true, Meter: harness.Memory("B10", z.Million), Weight: 2,
			Sides:   append([]harness.Side{side(hopSide, harness.Hop, start)}, peers...),
			Targets: []harness.Target{{Stat: harness.Value, Max: most}},
		}
	}
	return harness.Workload{
		ID:    "B10",
		Title: "memory at a million",
		About: "What a million of each keep in use, heap and stacks after a collection, by one of them; each run is a process of its own. " +
			"A suspended task is a posted function that waits for an Event; a Pending is one that has its result, beside the " +
			"channel, value and error of a future written by hand; a timer is hop.After in an hour beside time.AfterFunc, which " +
			"gives no result, and beside one that completes such a future. That all of them exist is checked: the tasks and goroutines have started, the results are read, the timers are stopped.",
		Cases: []harness.Case{
			c("suspended task", 1.3, memoryTask, side("parked goroutine", harness.Plain, memoryGoroutine)),
			c("Pending", 1, memoryPending, side("chan + struct", harness.Plain, memoryChan)),
			c("timer", 1, memoryAfter, side("time.AfterFunc", harness.Plain, memoryAfterFunc)),
			c("timer with a result", 1, memoryAfter, side("AfterFunc + chan + struct", harness.Plain, memoryAfterFuture)),
		},
	}
}

func memoryTask() (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench"})
	started := 0
	var event hop.Event
	now := 0
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			for range n {
				err := l.Post(func() {
					started++
					event.Wait(background)
				})
				if err != nil {
					return 0, err
				}
			}
			// This call runs behind them all, so each has started, and waits.
			var err error
			now, err = hop.Do(background, l, func(context.Context) (int, error) { return started, nil })
			return 0, err
		},
		Check: func(n int) error {
			runtime.KeepAlive(&event)
			return harness.Same("the number of tasks", now, n)
		},
	}, nil
}

func memoryGoroutine() (*harness.Run, error) {
	stop := make(chan struct{})
	started := make(chan struct{})
	return &harness.Run{
		Do: harness.Every(func() error {
			go func() {
				started <- struct{}{}
				<-stop
			}()
			<-started
			return nil
		}),
		Check: func(n int) error {
			runtime.KeepAlive(stop)
			return harness.Same("that so many goroutines live", runtime.NumGoroutine() > n, true)
		},
	}, nil
}

func memoryPending() (*harness.Run, error) {
	var pending []*hop.Pending[int]
	f := func(context.Context) (int, error) { return 1, nil }
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			pending = make([]*hop.Pending[int], n)
			for i := range pending {
				pending[i] = hop.Go(background, hop.Inline, f)
			}
			return 0, nil
		},
		Check: func(n int) error {
			sum := 0
			for _, p := range pending {
				v, err := p.Result()
				if err != nil {
					return err
				}
				sum += v
			}
			return harness.Same("the sum of the results", sum, n)
		},
	}, nil
}

// A future is the least that a result with an error, to be waited for, takes by hand.
type future struct {
	done chan struct{}
	v    int
	err  error
}

func memoryChan() (*harness.Run, error) {
	var futures []*future
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			futures = make([]*future, n)
			for i := range futures {
				futures[i] = &future{done: make(chan struct{})}
				futures[i].v = 1
				close(futures[i].done)
			}
			return 0, nil
		},
		Check: func(n int) error {
			sum := 0
			for _, f := range futures {
				<-f.done
				if f.err != nil {
					return f.err
				}
				sum += f.v
			}
			return harness.Same("the sum of the results", sum, n)
		},
	}, nil
}

func memoryAfter() (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench"})
	var pending []*hop.Pending[int]
	f := func(context.Context) (int, error) { return 1, nil }
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			pending = make([]*hop.Pending[int], n)
			for i := range pending {
				pending[i] = hop.After(background, time.Hour, l, f)
			}
			return 0, hop.Run(background, l, func(context.Context) error { return nil }) // the loop has seen them
		},
		Check: func(n int) error {
			stopped := 0
			for _, p := range pending {
				if p.Cancel(errors.New("enough")) {
					stopped++
				}
			}
			return harness.Same("the number of timers stopped", stopped, n)
		},
	}, nil
}

func memoryAfterFunc() (*harness.Run, error) {
	f := func() {}
	return memoryTimers(func() *time.Timer { return time.AfterFunc(time.Hour, f) })
}

func memoryAfterFuture() (*harness.Run, error) {
	return memoryTimers(func() *time.Timer {
		f := &future{done: make(chan struct{})}
		return time.AfterFunc(time.Hour, func() {
			f.v = 1
			close(f.done)
		})
	})
}

func memoryTimers(start func() *time.Timer) (*harness.Run, error) {
	var timers []*time.Timer
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			timers = make([]*time.Timer, n)
			for i := range timers {
				timers[i] = start()
			}
			return 0, nil
		},
		Check: func(n int) error {
			stopped := 0
			for _, t := range timers {
				if t.Stop() {
					stopped++
				}
			}
			return harness.Same("the number of timers stopped", stopped, n)
		},
	}, nil
}
