package workloads

import (
	"context"
	"runtime"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

func b6() harness.Workload {
	c := func(name string, locked bool, most float64) harness.Case {
		return harness.Case{
			Name: name, Unit: harness.Nanoseconds, Of: "a turn, there and back", Floor: FloorCoro, Times: 2,
			Sides: []harness.Side{
				{Name: hopSide, Kind: harness.Hop, New: func() (*harness.Run, error) { return hopTurns(locked) }},
				{Name: "goroutines and channels", Kind: harness.Plain, New: func() (*harness.Run, error) { return chanTurns(locked) }},
			},
			Targets: []harness.Target{{Stat: harness.Value, Max: most}},
		}
	}
	return harness.Workload{
		ID:    "B6",
		Title: "two tasks of one loop waiting on each other in turn",
		About: "One task sets an Event and waits for the other's answer, an Event again, and so on, with a fresh pair of Events each turn. " +
			"Beside it, two goroutines and two unbuffered channels; in the second case the loop has a locked thread, and one of the " +
			"goroutines is locked to its thread. Both sides of a turn count it.",
		Cases: []harness.Case{c("unlocked", false, 0.6), c("locked", true, 0.02)},
	}
}

func hopTurns(locked bool) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench", Thread: locked})
	turns := 0
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			start := time.Now()
			var events turnEvents
			first := hop.Go(background, l, func(ctx context.Context) (int, error) {
				for i := range n {
					turn := events.of(i)
					turn.ask.Set()
					if err := turn.answer.Wait(ctx); err != nil {
						return i, err
					}
				}
				return n, nil
			})
			second := hop.Go(background, l, func(ctx context.Context) (int, error) {
				for i := range n {
					turn := events.of(i)
					if err := turn.ask.Wait(ctx); err != nil {
						return i, err
					}
					turns++
					turn.answer.Set()
				}
				return n, nil
			})
			for _, p := range []*hop.Pending[int]{first, second} {
				if v, err := p.Wait(background); err != nil {
					return 0, err
				} else if v != n {
					return 0, harness.Same("the number of turns", v, n)
				}
			}
			return time.Since(start), nil
		},
		Check: func(n int) error { return harness.Same("the number of turns", turns, n) },
		Close: func() { l.Close() },
	}, nil
}

// turnEvents are the Events of the turns, made some at a time: what is kept is those of the turns that are being taken.
type turnEvents struct {
	some [2][]turnPair
	made int // how many such lots
}

type turnPair struct{ ask, answer hop.Event }

const turnLot = 256

// of returns the Events of the i-th turn. The two tasks are never further apart than one turn, and both run on one loop.
func (e *turnEvents) of(i int) *turnPair {
	lot := i / turnLot
	if lot == e.made {
		e.some[lot%2] = make([]turnPair, turnLot)
		e.made++
	}
	return &e.some[lot%2][i%turnLot]
}

func chanTurns(locked bool) (*harness.Run, error) {
	ask, answer := make(chan int), make(chan int)
	go func() {
		if locked {
			runtime.LockOSThread()
		}
		turns := 0
		for range ask {
			turns++
			answer <- turns
		}
		close(answer)
	}()
	turns := 0
	return &harness.Run{
		Do: harness.Every(func() error {
			turns++
			ask <- turns
			return harness.Same("the number of turns", <-answer, turns)
		}),
		Close: func() {
			close(ask)
			<-answer
		},
	}, nil
}
