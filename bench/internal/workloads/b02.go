package workloads

import (
	"context"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/machine"
)

func b2() harness.Workload {
	return harness.Workload{
		ID:    "B2",
		Title: "round trip to a locked thread after 1 ms of quiet",
		About: "As B1, but the caller sleeps 1 ms before each call, so that both sides have gone to sleep. The second case is the " +
			"processor time that the whole process uses for a millisecond in which nobody calls; less than 1 % of a core (10 µs) " +
			"cannot be told from the measurement itself and counts as 1 %.",
		Cases: []harness.Case{
			{
				Name: "1 ms between calls", Unit: harness.Nanoseconds, Of: "a round trip", Latency: true,
				Quiet: time.Millisecond, Weight: 2.5, Floor: FloorFutex, Times: 2, Sides: roundTripSides(true),
				Targets: []harness.Target{{Stat: harness.P50, Max: 1}},
			},
			{
				Name: "CPU while quiet", Unit: harness.Nanoseconds, Of: "a quiet millisecond", Meter: quietCPU,
				Sides:   roundTripSides(true),
				Targets: []harness.Target{{Stat: harness.Value, Max: 1}},
			},
			{
				Name: "CPU while quiet, an idle pool", Unit: harness.Nanoseconds, Of: "a quiet millisecond", Meter: quietCPU,
				Sides: []harness.Side{
					{Name: hopSide, Kind: harness.Hop, New: hopIdlePool},
					{Name: "channel of funcs", Kind: harness.Plain, New: func() (*harness.Run, error) { return chanRoundTrip(false) }},
				},
				Targets: []harness.Target{{Stat: harness.Value, Max: 1}},
			},
		},
	}
}

// hopIdlePool calls on a pool, so that it has a worker that waits for more.
func hopIdlePool() (*harness.Run, error) {
	p := hop.NewPool(&hop.PoolOptions{Name: "bench", Size: 8})
	return &harness.Run{
		Do: harness.Every(func() error {
			_, err := hop.Do(background, p, func(context.Context) (int, error) { return 0, nil })
			return err
		}),
		Close: func() { p.Close() },
	}, nil
}

// quietCPU is the processor time that this process uses while nobody calls, for each millisecond.
func quietCPU(_ *harness.Case, s *harness.Side, _ int) (harness.Sample, error) {
	const (
		settle = 20 * time.Millisecond // a loop that spins before it sleeps has stopped by then
		quiet  = 150 * time.Millisecond
		least  = 0.01 // of a core
	)
	run, err := s.New()
	if err != nil {
		return harness.Sample{}, err
	}
	defer run.Close()
	if _, err := run.Do(100); err != nil {
		return harness.Sample{}, err
	}
	time.Sleep(settle)
	start, used := time.Now(), machine.CPUTime()
	time.Sleep(quiet)
	used, took := machine.CPUTime()-used, time.Since(start)
	share := max(least, float64(used)/float64(took))
	return harness.Sample{Value: share * float64(time.Millisecond)}, nil
}
