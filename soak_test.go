package hop_test

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gohop/hop"
)

var (
	soakTime = flag.Duration("soak", soakDefault(), "how long TestSoak runs; the environment's HOP_SOAK is its default")
	soakSeed = flag.Uint64("soakseed", uint64(time.Now().UnixNano()), "the seed of TestSoak")
)

func soakDefault() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("HOP_SOAK")); err == nil {
		return d
	}
	return 2 * time.Second
}

// A footprint is what the process holds when nothing runs.
type footprint struct {
	goroutines, threads, loops int
	heap, inUse, stacks        uint64 // bytes
}

// measure collects garbage and looks.
func measure() footprint {
	var m runtime.MemStats
	for range 3 {
		runtime.GC() // what a cleanup lets go of is garbage at the next
	}
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	f := footprint{loops: len(hop.Loops()), heap: m.HeapAlloc, inUse: m.HeapInuse, stacks: m.StackInuse}
	f.goroutines = runtime.NumGoroutine() - hop.Workers().Stats().Idle
	if tasks, err := os.ReadDir("/proc/self/task"); err == nil {
		f.threads = len(tasks)
	}
	return f
}

// over tells what f has too much of, compared with base. Threads are the runtime's to keep: those that calls of the system had
// blocked stay, so some more are allowed; but not one for each loop or worker that has ended.
func (f footprint) over(base footprint) string {
	switch {
	case f.loops > base.loops:
		return "loops"
	case f.goroutines > base.goroutines:
		return "goroutines"
	case f.threads > base.threads+2*runtime.GOMAXPROCS(0)+8:
		return "threads"
	case f.heap > base.heap+base.heap/10+1<<20:
		return "heap"
	}
	return ""
}

// TestSoak runs a mixed random load in rounds, for as long as -soak says. Each round makes new places, and stops them at its end;
// what the process holds then must not grow.
//
//	go test -run TestSoak -soak 10m -v -timeout 15m
func TestSoak(t *testing.T) {
	if *soakTime <= 0 {
		t.Skip("-soak is not positive")
	}
	setDefaultLog(t, slog.DiscardHandler) // it loses many failures
	const rounds = 5                      // at least, the first of which is warm-up
	round := min(*soakTime/rounds, 10*time.Second)
	t.Logf("seed %d, %v in rounds of %v, GOMAXPROCS %d", *soakSeed, *soakTime, round, runtime.GOMAXPROCS(0))
	loops := len(hop.Loops())
	begun := time.Now()
	told := begun
	done := make(map[string]int64)
	var calls int64
	var base, worst, last footprint
	for n := 0; n < 2 || time.Since(begun) < *soakTime; n++ {
		end := time.Now().Add(round)
		l := newLoad(t)
		l.run(8, *soakSeed+uint64(n), func() bool { return time.Now().After(end) })
		l.stop()
		if t.Failed() {
			t.Fatalf("in round %d after %v, seed %d", n, time.Since(begun), *soakSeed+uint64(n))
		}
		for name, n := range l.done {
			done[name] += n.Load()
		}
		calls += l.made.Load()
		l = nil
		if n == 0 {
			if base = measure(); base.loops > loops {
				t.Errorf("%d loops are left: %v", base.loops, hop.Loops())
			}
			continue
		}
		for limit := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // what is about to end
			last = measure()
			if what := last.over(base); what == "" {
				break
			} else if time.Now().After(limit) {
				t.Fatalf("round %d after %v, seed %d: more %s than after warm-up: %+v, then %+v\n%s",
					n, time.Since(begun), *soakSeed, what, last, base, stacks())
			}
		}
		worst = worst.max(last)
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			t.Logf("%4.0f s: %d calls, %d goroutines, %d threads, heap %d kB", time.Since(begun).Seconds(), calls, last.goroutines, last.threads, last.heap>>10)
		}
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tloops\tgoroutines\tthreads\theap kB\tin use kB\tstacks kB\t")
	for _, row := range []struct {
		name string
		f    footprint
	}{{"after warm-up", base}, {"at most", worst}, {"at the end", last}} {
		f := row.f
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", row.name, f.loops, f.goroutines, f.threads, f.heap>>10, f.inUse>>10, f.stacks>>10)
	}
	fmt.Fprintf(w, "\n%v\tcalls\t", time.Since(begun).Round(time.Second))
	for _, d := range deeds {
		fmt.Fprintf(w, "%s\t", d.name)
	}
	fmt.Fprintf(w, "\n\t%d\t", calls)
	for _, d := range deeds {
		fmt.Fprintf(w, "%d\t", done[d.name])
	}
	fmt.Fprintln(w)
	w.Flush()
	t.Logf("\n%s", b.String())
}

func (f footprint) max(g footprint) footprint {
	return footprint{max(f.goroutines, g.goroutines), max(f.threads, g.threads), max(f.loops, g.loops),
		max(f.heap, g.heap), max(f.inUse, g.inUse), max(f.stacks, g.stacks)}
}
