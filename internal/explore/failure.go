package explore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gohop/hop/internal/turn"
)

// A Kind is how a run has failed.
type Kind uint8

const (
	Failed   Kind = iota // it was said so: Errorf, Fatalf
	Panicked             // the body, or a goroutine of Trial.Go
	Hung                 // nothing moves, and there are goroutines at the body or at points
	Left                 // the body has returned, and goroutines are blocked for ever
	Endless              // it has used up its steps
	Stuck                // it does not come to rest
	Diverged             // a schedule that is repeated is not possible any more
)

var kinds = [...]string{"failed", "panicked", "hung", "left", "endless", "stuck", "diverged"}

func (k Kind) String() string { return kinds[k] }

// A Failure is a run that has failed.
type Failure struct {
	Kind     Kind
	Message  string // what was reported
	Seed     uint64 // of the run
	Strategy Strategy
	Run      int    // it was the Run-th
	Schedule string // runs it again
	Trace    []Row  // its steps until it failed
	Logs     []string
	Test     string // the test's name

	steps  int  // before it failed
	first  int  // the same before it was shortened; 0: it was not
	outer  bool // the surrounding test has failed, not the trial
	locked bool // a goroutine that is stuck has a lock of hop's
}

// repeats reports whether the schedule can be run again with sense.
func (f *Failure) repeats() bool {
	return f.Kind != Stuck && f.Kind != Diverged && !f.outer && !f.locked
}

// failure completes the failure of r.
func (s *search) failure(r *run) *Failure {
	f := r.failure
	f.Strategy, f.Test = s.o.Strategy, s.t.Name()
	f.Schedule = r.schedule()
	f.Trace = r.rowsOf(r.upToFailure())
	f.Logs = r.logs
	return f
}

// Error returns all that is known of the failure: what has happened, the interleaving, and how to run it again.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "hop: schedule %d (%v, seed %d) fails:\n%s\n", f.Run, f.Strategy, f.Seed, indent(f.Message))
	if len(f.Logs) > 0 {
		b.WriteString("log:\n" + indent(strings.Join(f.Logs, "\n")) + "\n")
	}
	b.WriteString("what was done, in this order")
	if f.first > len(f.Trace) {
		fmt.Fprintf(&b, " (shortened, from %d steps to %d)", f.first, len(f.Trace))
	}
	b.WriteString(":\n" + indent(f.Table()) + "\n")
	if f.Kind != Stuck {
		tags := ""
		if turn.Fine {
			tags = "-tags hopexplore "
		}
		var names []string
		for name := range strings.SplitSeq(f.Test, "/") {
			names = append(names, "^"+regexp.QuoteMeta(name)+"$")
		}
		fmt.Fprintf(&b, "again: HOP_SEED=%d HOP_SCHEDULE=%s go test %s-run '%s'\n", f.Seed, f.Schedule, tags, strings.Join(names, "/"))
	}
	return b.String()
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

const (
	maxColumns = 6   // more goroutines share one column
	maxWidth   = 140 // and so do those with much to say
	maxRows    = 300 // of a table
)

// Table returns the interleaving, one step a line: its number, the virtual time, what each goroutine is about to do, and where. If there are
// few goroutines, each has a column.
func (f *Failure) Table() string { return Table(f.Trace) }

// Table returns rows as text, in lined up columns.
func Table(rows []Row) string {
	ids := make([]int, 0)
	who := make(map[int]string)
	for _, r := range rows {
		if _, ok := who[r.G]; !ok {
			ids = append(ids, r.G)
			who[r.G] = r.title()
		}
	}
	slices.Sort(ids)
	columns := len(ids) <= maxColumns && width(rows) <= maxWidth
	head := []string{"step", "time"}
	if columns {
		for _, id := range ids {
			head = append(head, who[id])
		}
	} else {
		head = append(head, "goroutine", "does")
	}
	head = append(head, "at")
	lines := [][]string{head}
	for i, r := range rows {
		if skip := len(rows) - maxRows; skip > 0 && i >= maxRows/2 && i < maxRows/2+skip {
			if i == maxRows/2 {
				lines = append(lines, []string{"…", fmt.Sprintf("%d steps", skip)})
			}
			continue
		}
		line := make([]string, len(head))
		line[0], line[1], line[len(line)-1] = fmt.Sprint(r.Step), short(r.Time), r.At
		if columns {
			for j, id := range ids {
				if id == r.G {
					line[2+j] = r.does()
				}
			}
		} else {
			line[2], line[3] = who[r.G], r.does()
		}
		lines = append(lines, line)
	}
	return align(lines)
}

// width returns how wide the columns of all goroutines are together.
func width(rows []Row) int {
	widths := make(map[int]int)
	for _, r := range rows {
		widths[r.G] = max(widths[r.G], utf8.RuneCountInString(r.title()), utf8.RuneCountInString(r.does()))
	}
	sum := 0
	for _, w := range widths {
		sum += w + 2
	}
	return sum
}

func (r Row) title() string {
	if r.G == clock {
		return "clock"
	}
	return strings.TrimSpace(fmt.Sprintf("g%d %s", r.G, r.Who))
}

func (r Row) does() string { return strings.TrimSpace(r.Does + " " + r.On) }

// short is a duration without needless zeros.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// align lines up columns; the first is flush right.
func align(lines [][]string) string {
	var width []int
	for _, l := range lines {
		for i, cell := range l {
			if i == len(width) {
				width = append(width, 0)
			}
			if len(l) > 2 {
				width[i] = max(width[i], utf8.RuneCountInString(cell))
			}
		}
	}
	var b strings.Builder
	for _, l := range lines {
		var line strings.Builder
		for i, cell := range l {
			pad := strings.Repeat(" ", max(0, width[i]-utf8.RuneCountInString(cell)))
			if i == 0 {
				line.WriteString(pad + cell)
			} else {
				line.WriteString("  " + cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
