package plot

import "math"

// An axis maps values to places between left and right.
type axis struct {
	linear   bool
	from, to float64 // for a logarithmic axis, decimal logarithms
	ticks    []float64
}

// axis spans everything that the panel shows.
func (p *Panel) axis() axis {
	low, high := math.Inf(1), math.Inf(-1)
	include := func(v float64) {
		if v > 0 || p.Linear {
			low, high = min(low, v), max(high, v)
		}
	}
	for _, r := range p.Rows {
		include(r.From)
		include(r.Point)
		include(r.To)
	}
	if p.Mark != nil {
		include(p.Mark.At)
	}
	if math.IsInf(low, 0) {
		low, high = 1, 10
	}
	if p.Linear {
		return linearAxis(high)
	}
	return logAxis(low, high)
}

func linearAxis(high float64) axis {
	step := 1.0
	for high/step > 6 {
		step *= 2
	}
	a := axis{linear: true, to: max(step, math.Ceil(high/step)*step)}
	for v := 0.0; v <= a.to; v += step {
		a.ticks = append(a.ticks, v)
	}
	return a
}

// logAxis leaves a little room at both ends. It has a tick at each decade or, where that would be few, at 2 and 5 as well.
func logAxis(low, high float64) axis {
	a := axis{from: math.Log10(low) - 0.12, to: math.Log10(high) + 0.12}
	if a.to-a.from < 0.8 {
		middle := (a.from + a.to) / 2
		a.from, a.to = middle-0.4, middle+0.4
	}
	steps := []float64{1}
	if a.to-a.from < 2.5 {
		steps = []float64{1, 2, 5}
	}
	for decade := math.Floor(a.from); decade <= a.to; decade++ {
		for _, s := range steps {
			if at := decade + math.Log10(s); at >= a.from && at <= a.to {
				a.ticks = append(a.ticks, s*math.Pow(10, decade))
			}
		}
	}
	return a
}

func (a axis) at(v float64) float64 {
	if !a.linear {
		v = math.Log10(max(v, math.Pow(10, a.from)))
	}
	part := (v - a.from) / (a.to - a.from)
	return left + (right-left)*min(1, max(0, part))
}
