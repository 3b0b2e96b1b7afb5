package stats_test

import (
	"testing"

	"github.com/gohop/hop/bench/internal/stats"
)

func TestQuantile(t *testing.T) {
	sorted := []float64{10, 20, 30, 40, 50}
	for _, c := range []struct{ q, want float64 }{{0, 10}, {0.25, 20}, {0.5, 30}, {0.9, 46}, {1, 50}} {
		if got := stats.Quantile(sorted, c.q); got != c.want {
			t.Errorf("Quantile(%v) = %v, want %v", c.q, got, c.want)
		}
	}
	if got := stats.Quantile(nil, 0.5); got != 0 {
		t.Errorf("Quantile of nothing = %v, want 0", got)
	}
}

func TestSpreadLeavesItsInputAlone(t *testing.T) {
	xs := []float64{5, 1, 3, 2, 4}
	if got, want := stats.Of(xs), (stats.Spread{Low: 2, Median: 3, High: 4}); got != want {
		t.Errorf("Of = %v, want %v", got, want)
	}
	if xs[0] != 5 || xs[4] != 4 {
		t.Errorf("Of sorted its input: %v", xs)
	}
	if got := (stats.Spread{Low: 9, Median: 10, High: 11}).Half(); got != 0.1 {
		t.Errorf("Half = %v, want 0.1", got)
	}
}

func TestTail(t *testing.T) {
	ns := make([]int64, 101)
	for i := range ns {
		ns[i] = int64(100 - i)
	}
	if got, want := stats.TailOf(ns), (stats.Tail{P50: 50, P90: 90, P99: 99}); got != want {
		t.Errorf("TailOf = %v, want %v", got, want)
	}
}
