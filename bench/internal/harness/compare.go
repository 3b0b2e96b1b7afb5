package harness

import (
	"fmt"
	"slices"
	"time"

	"github.com/gohop/hop/bench/internal/stats"
)

// A Result is what came out of one case.
type Result struct {
	Workload string
	Case     string
	Unit     Unit
	Of       string
	Latency  bool
	Floor    string
	Times    float64
	Rounds   int
	Figures  []Figure // as the case's sides; a side that failed has an Error
	Verdicts []Verdict
}

// A Figure is what one side reached: the median over the rounds, and the quartiles.
type Figure struct {
	Side  string
	Kind  Kind
	Stats map[Stat]stats.Spread
	Error string `json:",omitempty"`
}

// A Verdict says whether one target was met.
type Verdict struct {
	Case  string // the case and what tells the target from others
	Stat  Stat
	Unit  Unit
	Hop   float64
	Peers map[string]float64
	Best  string
	Ratio stats.Spread
	Max   float64
	Met   bool
}

// A Plan says how long a case may take.
type Plan struct {
	Run       time.Duration // one run of one side
	Budget    time.Duration // the whole case
	MinRounds int           // as long as they take no more than half as long again, or a moment; one is always made
	MaxRounds int
}

// moment is what the first rounds of a case may take though there is no time left.
const moment = 1500 * time.Millisecond

// heavy is a run so long that hop runs once a round, not once for each peer.
const heavy = 400 * time.Millisecond

// A contest is a case that is being run.
type contest struct {
	c     *Case
	plan  Plan
	n     []int      // operations a run, for each side
	hop   []Sample   // all of hop's
	with  [][]Sample // with[i] are hop's runs that stood beside peer i's
	peer  [][]Sample // peer[i] are those of side i
	fails []error
	long  time.Duration // hop's last run, set-up and all
}

// Compare runs a case.
func Compare(w *Workload, c *Case, p Plan) *Result {
	k := len(c.Sides)
	t := &contest{c: c, plan: p, n: make([]int, k), with: make([][]Sample, k), peer: make([][]Sample, k), fails: make([]error, k)}
	start := time.Now()
	rounds := 0
	for ; rounds < p.MaxRounds; rounds++ {
		if rounds > 0 {
			spent := time.Since(start)
			next := spent + spent/time.Duration(rounds)
			if rounds >= p.MinRounds && next > p.Budget || next > max(p.Budget*3/2, moment) {
				break
			}
		}
		t.round(rounds)
	}
	return t.result(w, rounds)
}

// round lets every peer run once, each beside a run of hop.
func (t *contest) round(r int) {
	peers := len(t.c.Sides) - 1
	if peers == 0 {
		t.run(0)
		return
	}
	var beside *Sample
	for i := range peers {
		side := 1 + (i+r)%peers // nobody always follows the same one
		if beside == nil || t.long < heavy {
			beside = t.run(0)
		}
		sample := t.run(side)
		if beside != nil && sample != nil {
			t.with[side] = append(t.with[side], *beside)
		}
	}
}

// run lets one side run once. It returns nil if that failed, or had failed before.
func (t *contest) run(side int) *Sample {
	if t.fails[side] != nil {
		return nil
	}
	start := time.Now()
	sample, err := measure(t.c, &t.c.Sides[side], t.plan.Run, &t.n[side])
	if err != nil {
		t.fails[side] = err
		return nil
	}
	if side == 0 {
		t.long = time.Since(start)
		t.hop = append(t.hop, sample)
	} else {
		t.peer[side] = append(t.peer[side], sample)
	}
	return &sample
}

// result sums a contest up.
func (t *contest) result(w *Workload, rounds int) *Result {
	c := t.c
	res := &Result{
		Workload: w.ID, Case: c.Name, Unit: c.Unit, Of: c.Of, Latency: c.Latency, Floor: c.Floor, Times: c.Times, Rounds: rounds,
	}
	for i := range c.Sides {
		samples := t.peer[i]
		if i == 0 {
			samples = t.hop
		}
		f := Figure{Side: c.Sides[i].Name, Kind: c.Sides[i].Kind, Stats: figures(samples, c.Latency)}
		if t.fails[i] != nil {
			f.Error = t.fails[i].Error()
		}
		res.Figures = append(res.Figures, f)
	}
	for i := range c.Targets {
		if v := t.verdict(&c.Targets[i], res); v != nil {
			res.Verdicts = append(res.Verdicts, *v)
		}
	}
	return res
}

// figures is the spread of each stat over the rounds.
func figures(samples []Sample, latency bool) map[Stat]stats.Spread {
	of := func(st Stat) stats.Spread {
		xs := make([]float64, len(samples))
		for i := range samples {
			xs[i] = samples[i].Stat(st)
		}
		return stats.Of(xs)
	}
	if !latency {
		return map[Stat]stats.Spread{Value: of(Value)}
	}
	return map[Stat]stats.Spread{P50: of(P50), P90: of(P90), P99: of(P99)}
}

// verdict compares hop with the best peer of those that count. It is nil if either has failed, and for a target against
// another case, which [Grow] judges.
func (t *contest) verdict(target *Target, res *Result) *Verdict {
	if target.Case != "" || t.fails[0] != nil {
		return nil
	}
	v := &Verdict{Case: label(t.c.Name, target, t.c.Latency), Stat: target.Stat, Unit: t.c.Unit, Max: target.Max, Peers: map[string]float64{}}
	v.Hop = res.Figures[0].Stats[target.Stat].Median
	best := 0
	for i := 1; i < len(t.c.Sides); i++ {
		if t.fails[i] != nil || target.Against != nil && !target.Against(&t.c.Sides[i]) {
			continue
		}
		median := res.Figures[i].Stats[target.Stat].Median
		v.Peers[t.c.Sides[i].Name] = median
		if best == 0 || median < res.Figures[best].Stats[target.Stat].Median {
			best = i
		}
	}
	switch {
	case target.Absolute:
		v.Best, v.Ratio = "the limit itself", res.Figures[0].Stats[target.Stat]
	case best == 0:
		return nil
	default:
		v.Best = t.c.Sides[best].Name
		v.Ratio = ratios(t.with[best], t.peer[best], target.Stat)
	}
	v.Met = v.Ratio.Median <= v.Max
	return v
}

// ratios compares run by run, so that what slows the machine for a while slows both sides of a pair.
func ratios(hop, peer []Sample, st Stat) stats.Spread {
	var xs []float64
	for i := range min(len(hop), len(peer)) {
		if p := peer[i].Stat(st); p > 0 {
			xs = append(xs, hop[i].Stat(st)/p)
		}
	}
	return stats.Of(xs)
}

func label(name string, target *Target, latency bool) string {
	if latency {
		name += ", " + string(target.Stat)
	}
	if target.Label != "" {
		name += ", " + target.Label
	}
	return name
}

// Grow judges the targets that compare hop in one case with hop in another of the workload: whether cost grows with size.
func Grow(w *Workload, results []*Result) {
	find := func(name string) *Result {
		i := slices.IndexFunc(results, func(r *Result) bool { return r.Workload == w.ID && r.Case == name })
		if i < 0 || results[i].Figures[0].Error != "" {
			return nil
		}
		return results[i]
	}
	for i := range w.Cases {
		c := &w.Cases[i]
		for j := range c.Targets {
			target := &c.Targets[j]
			here, there := find(c.Name), find(target.Case)
			if target.Case == "" || here == nil || there == nil {
				continue
			}
			now, then := here.Figures[0].Stats[target.Stat], there.Figures[0].Stats[target.Stat]
			name := fmt.Sprintf("hop in %q", target.Case)
			v := Verdict{
				Case: label(c.Name, target, c.Latency), Stat: target.Stat, Unit: c.Unit, Hop: now.Median,
				Peers: map[string]float64{name: then.Median}, Best: name, Max: target.Max,
				Ratio: stats.Spread{Low: now.Low / then.High, Median: now.Median / then.Median, High: now.High / then.Low},
			}
			v.Met = v.Ratio.Median <= v.Max
			here.Verdicts = append(here.Verdicts, v)
		}
	}
}
