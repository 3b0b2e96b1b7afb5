package harness

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
)

// childEnv tells a process that it was started to measure the memory of one side, and which.
const childEnv = "HOP_BENCH_MEMORY"

// A memoryJob is what such a process is told.
type memoryJob struct {
	Workload, Case, Side string
	N                    int
}

// Memory makes a Meter of how many bytes n operations keep in use, heap and stacks, by one of them. Each run is a process of
// its own: the Go runtime keeps dead goroutines for reuse, so a second run in one process would look cheaper than the first.
func Memory(workload string, n int) Meter {
	return func(c *Case, s *Side, less int) (Sample, error) {
		job := memoryJob{Workload: workload, Case: c.Name, Side: s.Name, N: n}
		if less > 0 {
			job.N = less
		}
		text, err := json.Marshal(job)
		if err != nil {
			return Sample{}, err
		}
		self, err := os.Executable()
		if err != nil {
			return Sample{}, err
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childEnv+"="+string(text))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return Sample{}, fmt.Errorf("measuring the memory of %s: %w", s.Name, err)
		}
		bytes, err := strconv.ParseFloat(string(out), 64)
		return Sample{Value: bytes}, err
	}
}

// MemoryChild does what Memory has started this process for, and ends it; in any other process it does nothing. Call it first.
func MemoryChild(all []Workload) {
	text := os.Getenv(childEnv)
	if text == "" {
		return
	}
	bytes, err := memoryOf(all, text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Print(strconv.FormatFloat(bytes, 'f', -1, 64))
	os.Exit(0)
}

func memoryOf(all []Workload, text string) (float64, error) {
	var job memoryJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return 0, err
	}
	side := findSide(all, job)
	if side == nil {
		return 0, fmt.Errorf("no side %q in %s, %q", job.Side, job.Workload, job.Case)
	}
	run, err := side.New()
	if err != nil {
		return 0, err
	}
	before := inUse()
	if _, err := run.Do(job.N); err != nil {
		return 0, err
	}
	after := inUse()
	if err := run.Check(job.N); err != nil { // this also keeps alive what was made
		return 0, err
	}
	return (float64(after) - float64(before)) / float64(job.N), nil
}

func findSide(all []Workload, job memoryJob) *Side {
	for i := range all {
		for j := range all[i].Cases {
			c := &all[i].Cases[j]
			if all[i].ID != job.Workload || c.Name != job.Case {
				continue
			}
			for k := range c.Sides {
				if c.Sides[k].Name == job.Side {
					return &c.Sides[k]
				}
			}
		}
	}
	return nil
}

// inUse is the memory that the program holds after a collection.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // the first may leave the sweep of what only finalizers or dead goroutines held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// CountAllocs is a Meter of how many objects one operation allocates.
func CountAllocs(c *Case, s *Side, n int) (Sample, error) {
	if n == 0 {
		n = 100
	}
	run, err := s.New()
	if err != nil {
		return Sample{}, err
	}
	if run.Close != nil {
		defer run.Close()
	}
	if _, err := run.Do(n); err != nil { // fill what is kept for reuse
		return Sample{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := run.Do(n); err != nil {
		return Sample{}, err
	}
	runtime.ReadMemStats(&after)
	if run.Check != nil {
		if err := run.Check(2 * n); err != nil {
			return Sample{}, err
		}
	}
	count := float64(after.Mallocs-before.Mallocs) / float64(n) / float64(max(1, c.Each))
	return Sample{Value: math.Round(count*20) / 20}, nil // the runtime itself allocates now and then
}
