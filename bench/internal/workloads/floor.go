package workloads

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/bench/internal/stats"
)

// A Floor is a physical limit, measured in the same run as the workloads.
type Floor struct {
	Name  string
	About string
	NS    stats.Spread
}

// Floors measures what nothing that does such work can be faster than. Each figure is over rounds of about d.
func Floors(rounds int, d time.Duration) []Floor {
	floors := []struct {
		name, about string
		run         func(n int) time.Duration
	}{
		{FloorCall, "a function that is not inlined, called through a variable", floorCall},
		{FloorSwap, "an uncontended atomic swap", floorSwap},
		{FloorCoro, "from one coroutine of iter.Pull to another, one way", floorCoro},
		{FloorStart, "go f(), run and waited for among 1,000", floorStart},
		{FloorChannel, "one goroutine to another and back, unbuffered", floorChannel},
		{FloorFutex, "from waking a thread that sleeps in the kernel until it runs, one way", floorFutex},
	}
	var out []Floor
	for _, f := range floors {
		n := 1
		for took := f.run(n); took < d/10 && n < 1<<28; took = f.run(n) {
			n *= 4
		}
		var ns []float64
		for range rounds {
			took := f.run(n)
			if took <= 0 {
				break // not to be had on this system
			}
			ns = append(ns, float64(took)/float64(n))
		}
		if len(ns) > 0 {
			out = append(out, Floor{Name: f.name, About: f.about, NS: stats.Of(ns)})
		}
	}
	return out
}

var called = square

func floorCall(n int) time.Duration {
	sum := 0
	start := time.Now()
	for i := range n {
		sum += called(i)
	}
	took := time.Since(start)
	if sum == -1 {
		panic("bench: a sum of squares is negative")
	}
	return took
}

func floorSwap(n int) time.Duration {
	var word atomic.Uint64
	start := time.Now()
	for i := range n {
		word.Swap(uint64(i))
	}
	return time.Since(start)
}

func floorCoro(n int) time.Duration {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	defer stop()
	start := time.Now()
	for range n {
		next()
	}
	return time.Since(start) / 2 // there and back
}

func floorStart(n int) time.Duration {
	run, _ := startGoroutines()
	batches := (n + tasks - 1) / tasks
	took, _ := run.Do(batches)
	return took * time.Duration(n) / time.Duration(batches*tasks)
}

func floorChannel(n int) time.Duration {
	run, _ := chanTurns(false)
	defer run.Close()
	took, _ := run.Do(n)
	return took
}

// floorFutex lets two threads wake each other in turn.
func floorFutex(n int) time.Duration {
	if !haveFutex {
		return 0
	}
	var ping, pong futex
	var other sync.WaitGroup
	other.Go(func() {
		defer lockThread()()
		for range n {
			ping.wait()
			pong.wake()
		}
	})
	defer other.Wait()
	defer lockThread()()
	start := time.Now()
	for range n {
		ping.wake()
		pong.wait()
	}
	return time.Since(start) / 2 // there and back
}
