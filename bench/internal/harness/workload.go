// Package harness lets several contenders do the same work in turns, and compares them.
//
// A [Workload] has cases, a [Case] has sides: hop, the libraries that people use now, and plain Go. Machines drift and
// are shared, so the sides take turns within one run (hop, peer, hop, next peer, …) and what is compared is the ratio
// within each such pair; the median of these ratios is reported, with its quartiles.
package harness

import "time"

// A Workload is one row of the plan: B1 to B13.
type Workload struct {
	ID    string // "B4"
	Title string // a few words
	About string // what is done, how it is checked, and how to read the figures
	Cases []Case
}

// A Case is one table: the same work done by each of its sides.
type Case struct {
	Name    string
	Unit    Unit
	Of      string        // what one figure is about: "a round trip"
	Each    int           // how many of those one operation does; 0: one
	Latency bool          // time each operation by itself and show p50, p90 and p99
	Quiet   time.Duration // before each operation, not timed (only with Latency)
	Whole   bool          // one operation is long: do one a run
	Procs   int           // GOMAXPROCS meanwhile; 0: leave it
	Weight  float64       // its share of the time, beside the other cases; 0: one
	Floor   string        // the physical limit to compare it with, by the name of a floor
	Times   float64       // how often it takes that floor; 0: once
	Meter   Meter         // how a side is measured; nil: its time
	Sides   []Side        // hop is the first
	Targets []Target
}

// A Unit says what the figures of a case count.
type Unit string

const (
	Nanoseconds Unit = "ns"
	Bytes       Unit = "B"
	Allocations Unit = "allocs"
)

// A Side is one contender.
type Side struct {
	Name string
	Kind Kind
	New  func() (*Run, error) // set up, afresh for each run
}

// A Kind says where a side comes from.
type Kind string

const (
	Hop     Kind = "hop"
	Library Kind = "library"
	Plain   Kind = "plain Go"
)

// A Run is a side that is set up.
type Run struct {
	// Do does n operations, one after another, and says how long they took; preparing and clearing up is not counted.
	Do func(n int) (time.Duration, error)
	// Check looks, after n operations in all, whether the work was really done. It may be nil when Do has looked.
	Check func(n int) error
	// Close takes down what New has set up. It may be nil.
	Close func()
}

// A Meter measures one run of a side in a way of its own. It does about n operations; 0 leaves that to the meter.
type Meter func(c *Case, s *Side, n int) (Sample, error)

// A Stat names one figure of a sample.
type Stat string

const (
	Value Stat = "value" // the cost of one
	P50   Stat = "p50"
	P90   Stat = "p90"
	P99   Stat = "p99"
)

// A Target is a ratio to reach: hop's figure by the best peer's.
type Target struct {
	Stat     Stat
	Max      float64
	Label    string             // tells it from the case's other targets, if there are several
	Against  func(s *Side) bool // the peers that count; nil: all
	Absolute bool               // Max bounds hop's figure itself
	Case     string             // hop in this other case of the workload is the peer
}

// Every makes a Do that calls f n times in a row.
func Every(f func() error) func(n int) (time.Duration, error) {
	return func(n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			if err := f(); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
}

// OnlyLibraries and OnlyPlain choose peers for a target.
func OnlyLibraries(s *Side) bool { return s.Kind == Library }
func OnlyPlain(s *Side) bool     { return s.Kind == Plain }

// Share is the case's part of the time, beside the other cases.
func (c *Case) Share() float64 {
	if c.Weight == 0 {
		return 1
	}
	return c.Weight
}
