package harness

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/gohop/hop/bench/internal/stats"
)

// A Sample is what one run of one side gave, for one of what the case is about.
type Sample struct {
	Value float64
	stats.Tail
	Latencies []int64 `json:"-"` // nanoseconds, sorted
}

// Stat returns one figure of the sample.
func (s Sample) Stat(st Stat) float64 {
	switch st {
	case P50:
		return s.P50
	case P90:
		return s.P90
	case P99:
		return s.P99
	default:
		return s.Value
	}
}

const (
	stuckAfter   = 40 * time.Second // a run that takes longer hangs
	maxLatencies = 20_000           // in one run
	warmLatency  = 50               // operations before the first that counts
)

// errWork marks a result that is not what the work should have given.
var errWork = errors.New("the work was not done")

// Same is nil when got is want, for the checks of workloads.
func Same[T comparable](what string, got, want T) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%w: %s is %v, want %v", errWork, what, got, want)
}

// measure sets a side up, measures one run of about d, and takes it down. *n is the number of operations that last so
// long: found in the side's first run and kept for the later ones.
func measure(c *Case, s *Side, d time.Duration, n *int) (sample Sample, err error) {
	defer guard(c, s)()
	if c.Procs > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.Procs))
	}
	runtime.GC() // no side pays for another's garbage
	if c.Meter != nil {
		return c.Meter(c, s, 0)
	}
	run, err := s.New()
	if err != nil {
		return Sample{}, err
	}
	if run.Close != nil {
		defer run.Close()
	}
	total := 0
	do := func(n int) (time.Duration, error) {
		total += n
		return run.Do(n)
	}
	if c.Latency {
		sample, err = latencies(do, c.Quiet, d)
	} else {
		sample, err = throughput(do, c, d, n)
	}
	if err == nil && run.Check != nil {
		err = run.Check(total)
	}
	return sample, err
}

// throughput times n operations as a whole.
func throughput(do func(int) (time.Duration, error), c *Case, d time.Duration, n *int) (Sample, error) {
	switch {
	case c.Whole:
		*n = 1
	case *n == 0:
		found, err := calibrate(do, d)
		if err != nil {
			return Sample{}, err
		}
		*n = found
	default: // warm up
		if _, err := do(max(1, *n/10)); err != nil {
			return Sample{}, err
		}
	}
	took, err := do(*n)
	if err != nil {
		return Sample{}, err
	}
	return Sample{Value: float64(took) / float64(*n) / float64(max(1, c.Each))}, nil
}

// calibrate finds how many operations last about d.
func calibrate(do func(int) (time.Duration, error), d time.Duration) (int, error) {
	for n := 1; ; n *= 4 {
		took, err := do(n)
		if err != nil {
			return 0, err
		}
		if took >= d/10 || n >= 1<<26 {
			return max(1, int(float64(n)*float64(d)/float64(max(took, 1)))), nil
		}
	}
}

// latencies times operations one at a time, for about d.
func latencies(do func(int) (time.Duration, error), quiet, d time.Duration) (Sample, error) {
	warm := warmLatency
	if quiet > 0 {
		warm = 3
	}
	var ns []int64
	start := time.Now()
	for i := 0; len(ns) < maxLatencies && (len(ns) == 0 || time.Since(start) < d); i++ {
		if quiet > 0 {
			time.Sleep(quiet)
		}
		took, err := do(1)
		if err != nil {
			return Sample{}, err
		}
		if i >= warm {
			ns = append(ns, int64(took))
		}
	}
	tail := stats.TailOf(ns)
	return Sample{Value: tail.P50, Tail: tail, Latencies: ns}, nil
}

// guard ends the process, with every goroutine's stack, when a run hangs: no figure is worth waiting for it for ever.
func guard(c *Case, s *Side) (stop func()) {
	timer := time.AfterFunc(stuckAfter, func() {
		fmt.Fprintf(os.Stderr, "bench: %s: %s has not finished after %v\n", c.Name, s.Name, stuckAfter)
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		os.Exit(3)
	})
	return func() { timer.Stop() }
}
