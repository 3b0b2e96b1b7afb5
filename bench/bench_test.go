package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/stats"
	"github.com/gohop/hop/bench/internal/workloads"
)

func TestMain(m *testing.M) {
	harness.MemoryChild(workloads.All(workloads.Full)) // the memory benchmarks start this program again
	os.Exit(m.Run())
}

func BenchmarkB1(b *testing.B)  { benchmark(b, "B1") }
func BenchmarkB2(b *testing.B)  { benchmark(b, "B2") }
func BenchmarkB3(b *testing.B)  { benchmark(b, "B3") }
func BenchmarkB4(b *testing.B)  { benchmark(b, "B4") }
func BenchmarkB5(b *testing.B)  { benchmark(b, "B5") }
func BenchmarkB6(b *testing.B)  { benchmark(b, "B6") }
func BenchmarkB7(b *testing.B)  { benchmark(b, "B7") }
func BenchmarkB8(b *testing.B)  { benchmark(b, "B8") }
func BenchmarkB9(b *testing.B)  { benchmark(b, "B9") }
func BenchmarkB10(b *testing.B) { benchmark(b, "B10") }
func BenchmarkB11(b *testing.B) { benchmark(b, "B11") }
func BenchmarkB12(b *testing.B) { benchmark(b, "B12") }
func BenchmarkB13(b *testing.B) { benchmark(b, "B13") }

// benchmark runs every side of every case of a workload as a benchmark of its own, so that benchstat can compare two commits:
//
//	go test -run '^$' -bench 'B4/.*/hop' -count 10 . > old.txt
func benchmark(b *testing.B, id string) {
	w := find(workloads.All(workloads.Full), id)
	for i := range w.Cases {
		c := &w.Cases[i]
		b.Run(strings.ReplaceAll(c.Name, ", ", "/"), func(b *testing.B) {
			for j := range c.Sides {
				b.Run(c.Sides[j].Name, func(b *testing.B) { benchmarkSide(b, c, &c.Sides[j]) })
			}
		})
	}
}

// benchmarkSide runs one side as a Go benchmark. Its time is that of one operation; what belongs to one of what the case is about is
// reported beside it: ns/each or, for latencies, their tail.
func benchmarkSide(b *testing.B, c *harness.Case, s *harness.Side) {
	if c.Procs > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.Procs))
	}
	if c.Meter != nil {
		sample, err := c.Meter(c, s, 0)
		if err != nil {
			b.Fatal(err)
		}
		for range b.N { // measured once: there is nothing to repeat
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(sample.Value, string(c.Unit)+"/each")
		return
	}
	run, err := s.New()
	if err != nil {
		b.Fatal(err)
	}
	if run.Close != nil {
		defer run.Close()
	}
	b.ReportAllocs()
	b.ResetTimer()
	var took time.Duration
	if c.Latency {
		took, err = benchmarkLatency(b, c, run)
	} else {
		took, err = run.Do(b.N)
	}
	b.StopTimer()
	if err == nil && run.Check != nil {
		err = run.Check(b.N)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(took)/float64(b.N), "ns/op")
	if c.Each > 1 {
		b.ReportMetric(float64(took)/float64(b.N)/float64(c.Each), "ns/each")
	}
}

func benchmarkLatency(b *testing.B, c *harness.Case, run *harness.Run) (sum time.Duration, err error) {
	ns := make([]int64, b.N)
	for i := range ns {
		if c.Quiet > 0 {
			time.Sleep(c.Quiet)
		}
		took, err := run.Do(1)
		if err != nil {
			return 0, err
		}
		ns[i] = int64(took)
		sum += took
	}
	tail := stats.TailOf(ns)
	b.ReportMetric(tail.P50, "p50-ns")
	b.ReportMetric(tail.P90, "p90-ns")
	b.ReportMetric(tail.P99, "p99-ns")
	return sum, nil
}

// TestWorkloads lets every side do a little of its work, which checks its own results.
func TestWorkloads(t *testing.T) {
	all := workloads.All(workloads.Tiny)
	for i := range all {
		w := &all[i]
		t.Run(w.ID, func(t *testing.T) {
			for j := range w.Cases {
				c := &w.Cases[j]
				if c.Meter != nil && c.Unit == harness.Bytes && testing.Short() {
					continue // starts processes
				}
				for k := range c.Sides {
					t.Run(c.Name+"/"+c.Sides[k].Name, func(t *testing.T) {
						if err := harness.Try(c, &c.Sides[k]); err != nil {
							t.Error(err)
						}
					})
				}
			}
		})
	}
}
