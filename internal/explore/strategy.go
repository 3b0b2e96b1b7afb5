package explore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A Strategy says which schedules are tried.
type Strategy uint8

const (
	// Random chooses among those who can go on, in some runs anew at each step, in others seldom.
	Random Strategy = iota
	// PCT gives each goroutine a random priority. Who has the highest runs, but at a few random moments loses it. It finds bugs that
	// need few goroutines to be at the wrong place, however long these must stay there: "A randomized scheduler with
	// probabilistic guarantees of finding bugs", Burckhardt and others, 2010.
	PCT
	// Exhaustive tries all schedules that take the turn from a goroutine that could go on only a few times.
	Exhaustive
)

var strategies = [...]string{"random", "PCT", "exhaustive"}

func (s Strategy) String() string { return strategies[s] }

// clock is the choice to let the clock go on.
const clock = 0

// A chooser makes the choices of one run: the id of a goroutine that is enabled, or clock.
type chooser interface{ choose(*state) int }

// A state is what a chooser sees. It is valid until it has chosen.
type state struct {
	at      int        // the number of steps before
	enabled []*routine // by id; not empty
	last    *routine   // whose turn it was
	stays   bool       // it is enabled
	passes  bool       // the clock may go on
	moment  moment
}

// A moment is when a choice is made, in terms that mean the same in schedules that differ elsewhere.
type moment struct {
	id, steps int // of the goroutine whose turn it was
	streak    int // how often the clock has gone on since
}

// usual is the choice that is made without a reason for another: the same goroutine, else the one that came first.
func (s *state) usual() int {
	if s.stays {
		return s.last.id
	}
	return s.enabled[0].id
}

// next is whose turn it is if all take turns.
func (s *state) next() *routine {
	for _, g := range s.enabled {
		if s.last != nil && g.id > s.last.id {
			return g
		}
	}
	return s.enabled[0]
}

func (s *state) of(id int) *routine {
	for _, g := range s.enabled {
		if g.id == id {
			return g
		}
	}
	return nil
}

// random is Random.
type random struct {
	rng    *rand.Rand
	sticky float64
}

func newRandom(seed uint64) *random {
	r := &random{rng: rand.New(rand.NewPCG(seed, 1))}
	r.sticky = [...]float64{0, 0.5, 0.8, 0.95}[r.rng.IntN(4)]
	return r
}

func (r *random) choose(s *state) int {
	if s.passes && r.rng.IntN(24) == 0 {
		return clock
	}
	if s.stays && r.rng.Float64() < r.sticky {
		return s.last.id
	}
	return s.enabled[r.rng.IntN(len(s.enabled))].id
}

// pct is PCT. The length of the run, which it would have to know, is guessed: another power of two in each run.
type pct struct {
	rng      *rand.Rand
	priority map[int]int
	changes  map[int]bool
	lowest   int
}

func newPCT(seed uint64, changes int) *pct {
	p := &pct{rng: rand.New(rand.NewPCG(seed, 2)), priority: make(map[int]int), changes: make(map[int]bool)}
	span := 8 << p.rng.IntN(7)
	for range changes {
		p.changes[p.rng.IntN(span)] = true
	}
	return p
}

func (p *pct) choose(s *state) int {
	highest := p.highest(s)
	if p.changes[s.at] {
		if s.passes && p.rng.IntN(4) == 0 {
			return clock
		}
		p.lowest--
		p.priority[highest] = p.lowest
		highest = p.highest(s)
	}
	return highest
}

func (p *pct) highest(s *state) int {
	best, most := 0, math.MinInt
	for _, g := range s.enabled {
		n, ok := p.priority[g.id]
		if !ok {
			n = p.rng.IntN(math.MaxInt32)
			p.priority[g.id] = n
		}
		if n > most {
			best, most = g.id, n
		}
	}
	return best
}

// replay makes the choices that were made before, and then the usual ones.
type replay struct{ choices []int }

func (r *replay) choose(s *state) int {
	if s.at < len(r.choices) {
		return r.choices[s.at]
	}
	return s.usual()
}

// guided makes the usual choices but at some moments.
type guided struct{ events map[moment]int }

func (e *guided) choose(s *state) int {
	if c, ok := e.events[s.moment]; ok && (c == clock && s.passes || s.of(c) != nil) {
		return c
	}
	return s.usual()
}

// A schedule as text is its choices, with a count where one is made several times: "1x4,2,1,t,3x2"; t is the clock.

func formatSchedule(choices []int) string {
	var b strings.Builder
	for i := 0; i < len(choices); {
		n := i
		for n < len(choices) && choices[n] == choices[i] {
			n++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		if choices[i] == clock {
			b.WriteByte('t')
		} else {
			b.WriteString(strconv.Itoa(choices[i]))
		}
		if n-i > 1 {
			fmt.Fprintf(&b, "x%d", n-i)
		}
		i = n
	}
	return b.String()
}

func parseSchedule(text string) ([]int, error) {
	var choices []int
	for part := range strings.SplitSeq(text, ",") {
		id, times, many := strings.Cut(strings.TrimSpace(part), "x")
		n, c := 1, clock
		var err error
		if many {
			n, err = strconv.Atoi(times)
		}
		if id != "t" && err == nil {
			c, err = strconv.Atoi(id)
		}
		if err != nil || n < 1 || n > 1e6 || c < 0 {
			return nil, fmt.Errorf("hop: %q in a schedule is neither a goroutine's number nor t, with a count after x", part)
		}
		for range n {
			choices = append(choices, c)
		}
	}
	return choices, nil
}

func choiceName(c int) string {
	if c == clock {
		return "the clock's"
	}
	return fmt.Sprintf("g%d's", c)
}
