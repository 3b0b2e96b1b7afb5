package explore

import (
	"maps"
	"testing"
)

// A schedule that fails is made short by taking away what is special in it. What is not said is usual: the same goroutine goes on
// for as long as it can, then that which came first. So a schedule is the moments at which it is not usual, and a subset of these is
// another schedule; a moment that does not come any more is passed over. The smallest subset that fails is looked for as in
// "Simplifying and isolating failure-inducing input", Zeller and Hildebrandt, 2002.

// shrinkRuns is how many schedules are tried to make one short.
const shrinkRuns = 500

// shrink returns a run that fails as r does, under a schedule that is shorter, or r.
func (s *search) shrink(r *run) *run {
	best, tries := r, 0
	try := func(events map[moment]int) bool {
		tries++
		n := s.run(&guided{events}, best.seed, false)
		if n.failure == nil || n.failure.Kind != best.failure.Kind || !n.shorter(best) {
			return false
		}
		n.from(best)
		best = n
		return true
	}
	for parts := 1; tries < shrinkRuns; {
		if stuck.Load() {
			break
		}
		all := best.moments
		if len(all) == 0 {
			break
		}
		parts = min(parts, len(all))
		smaller := false
		for part := range parts {
			without := maps.Clone(best.events)
			for _, m := range all[part*len(all)/parts : (part+1)*len(all)/parts] {
				delete(without, m)
			}
			if tries < shrinkRuns && try(without) {
				smaller = true
				break
			}
		}
		switch {
		case smaller:
			parts = max(1, parts-1)
		case parts == len(all):
			return best
		default:
			parts *= 2
		}
	}
	return best
}

// from takes over how the run that r is made from was found.
func (r *run) from(o *run) {
	if r.failure != nil {
		r.failure.Run, r.failure.first = o.failure.Run, o.failure.first
		if o.failure.first == 0 {
			r.failure.first = o.failure.steps
		}
	}
}

// shorter reports whether r is simpler than o.
func (r *run) shorter(o *run) bool {
	if len(r.events) != len(o.events) {
		return len(r.events) < len(o.events)
	}
	return r.failure.steps < o.failure.steps
}

// Shrink shortens the schedule of a failure of body.
func Shrink(t *testing.T, o Options, f *Failure, body func(*Trial)) *Failure {
	s, end := start(t, o, body)
	defer end()
	choices, err := parseSchedule(f.Schedule)
	if err != nil {
		panic(err)
	}
	r := s.run(&replay{choices}, f.Seed, false)
	if r.failure == nil || !r.failure.repeats() {
		return f
	}
	r.failure.Run = f.Run
	s.found(r)
	return s.result.Failure
}

// choices returns the schedule up to the failure.
func (r *run) choices() []int {
	var choices []int
	for _, st := range r.upToFailure() {
		choices = append(choices, st.id)
	}
	return choices
}

func (r *run) upToFailure() []step {
	if r.failure != nil {
		return r.steps[:min(r.failure.steps, len(r.steps))]
	}
	return r.steps
}

func (r *run) schedule() string { return formatSchedule(r.choices()) }
