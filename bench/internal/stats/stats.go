// Package stats has the few order statistics that the benchmarks need. Nothing here assumes a normal
// distribution: wake-ups of locked threads are bimodal, and a shared machine adds outliers on one side only.
package stats

import "slices"

// Quantile returns the q-quantile (0 ≤ q ≤ 1) of xs, which must be sorted, by linear interpolation. It is 0 for no values.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(low)
	return sorted[low]*(1-part) + sorted[low+1]*part
}

// A Spread is a median and the quartiles around it.
type Spread struct {
	Low, Median, High float64
}

// Of returns the median and the quartiles of xs, which may be in any order and is left as it is.
func Of(xs []float64) Spread {
	sorted := slices.Sorted(slices.Values(xs))
	return Spread{
		Low:    Quantile(sorted, 0.25),
		Median: Quantile(sorted, 0.5),
		High:   Quantile(sorted, 0.75),
	}
}

// Half returns half the distance between the quartiles as a share of the median: what is printed after "±".
func (s Spread) Half() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / s.Median
}

// A Tail is how latencies are shown: never as a mean alone.
type Tail struct {
	P50, P90, P99 float64
}

// TailOf returns the tail of durations in nanoseconds, which it sorts in place.
func TailOf(ns []int64) Tail {
	slices.Sort(ns)
	sorted := make([]float64, len(ns))
	for i, v := range ns {
		sorted[i] = float64(v)
	}
	return Tail{
		P50: Quantile(sorted, 0.50),
		P90: Quantile(sorted, 0.90),
		P99: Quantile(sorted, 0.99),
	}
}
