package explore

// exhaustive goes through the tree of all schedules, depth first. A schedule is the path from the root; each run is the next one. Choices
// that take the turn from a goroutine that could go on, or let the clock go on, have a price, of which a run may pay no
// more than bound: most bugs need few ("Iterative context bounding", Musuvathi and Qadeer, 2007), and the tree is finite
// work with it.
type exhaustive struct {
	bound int
	path  []fork
	used  int // in this run
}

// A fork is where several goroutines could go on.
type fork struct {
	options []int
	free    int // how many of the options cost nothing
	taken   int // the index of the one that is being tried
	used    int // the price of the path to here
}

func (f *fork) price(i int) int {
	if i < f.free {
		return 0
	}
	return 1
}

func (e *exhaustive) choose(s *state) int {
	if s.at == len(e.path) {
		e.path = append(e.path, e.fork(s))
	}
	f := &e.path[s.at]
	c := f.options[f.taken]
	e.used = f.used + f.price(f.taken)
	return c
}

func (e *exhaustive) fork(s *state) fork {
	f := fork{used: e.used, free: len(s.enabled)}
	f.options = append(f.options, s.usual())
	for _, g := range s.enabled {
		if g.id != f.options[0] {
			f.options = append(f.options, g.id)
		}
	}
	if s.stays {
		f.free = 1
	}
	if s.passes {
		f.options = append(f.options, clock)
	}
	return f
}

// next goes on to the next schedule; false: that was the last.
func (e *exhaustive) next() bool {
	e.used = 0
	for n := len(e.path); n > 0; n-- {
		f := &e.path[n-1]
		if f.taken++; f.taken < len(f.options) && f.used+f.price(f.taken) <= e.bound {
			e.path = e.path[:n]
			return true
		}
	}
	return false
}
