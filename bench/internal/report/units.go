package report

import (
	"fmt"
	"math"
	"strconv"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/stats"
)

var (
	durations = []string{"ns", "µs", "ms", "s"}
	sizes     = []string{"B", "kB", "MB", "GB"}
)

// figure writes a value with its unit, to three digits.
func figure(u harness.Unit, v float64) string {
	switch u {
	case harness.Bytes:
		return scaled(v, sizes, digits)
	case harness.Allocations:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	default:
		return scaled(v, durations, digits)
	}
}

func scaled(v float64, units []string, write func(float64) string) string {
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	return write(v) + " " + units[i]
}

// digits writes v to three digits, without an exponent.
func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// round writes a round value, of an axis or a target, without digits that say nothing.
func round(u harness.Unit, v float64) string {
	switch u {
	case harness.Bytes:
		return scaled(v, sizes, short)
	case harness.Allocations:
		return short(v)
	default:
		return scaled(v, durations, short)
	}
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// spread writes a figure and how far half of the rounds were from it.
func spread(u harness.Unit, s stats.Spread) string {
	if u == harness.Allocations {
		return figure(u, s.Median)
	}
	return fmt.Sprintf("%s ±%.0f %%", figure(u, s.Median), 100*s.Half())
}

// ratio writes a ratio with its quartiles.
func ratio(s stats.Spread) string {
	return fmt.Sprintf("%s (%s to %s)", digits(s.Median), digits(s.Low), digits(s.High))
}
