package report

import (
	"fmt"
	"io"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/plot"
)

// WriteChart draws the plot of one workload.
func (r *Report) WriteChart(w io.Writer, wl *harness.Workload) error {
	c := plot.Chart{Title: wl.ID + ": " + wl.Title}
	c.Keys = []plot.Key{{Class: "hop", Text: "hop"}, {Class: "library", Text: "libraries"}, {Class: "plain", Text: "plain Go"}}
	latency := false
	for _, res := range r.of(wl.ID) {
		latency = latency || res.Latency
		c.Panels = append(c.Panels, r.panel(res))
	}
	c.Legend = "point: median over the rounds; line: their quartiles; left is better"
	if latency {
		c.Legend = "point: p50; tick: p90; ring: p99; left is better"
	}
	return c.Write(w)
}

var classes = map[harness.Kind]string{harness.Hop: "hop", harness.Library: "library", harness.Plain: "plain"}

func (r *Report) panel(res *harness.Result) plot.Panel {
	p := plot.Panel{
		Title:  res.Case + ": " + of(res, harness.Value),
		Linear: res.Unit == harness.Allocations,
		Format: func(v float64) string { return round(res.Unit, v) },
	}
	if res.Latency || res.Unit == harness.Allocations {
		p.Title = res.Case + ": " + res.Of
	}
	if floor := r.floor(res); floor > 0 {
		times := ""
		if res.Times > 1 {
			times = fmt.Sprintf("%g × ", res.Times)
		}
		p.Mark = &plot.Mark{Label: "floor: " + times + res.Floor, At: floor}
	}
	for _, f := range res.Figures {
		if f.Error != "" {
			continue
		}
		row := plot.Row{Label: f.Side, Class: classes[f.Kind]}
		if res.Latency {
			p50, p90, p99 := f.Stats[harness.P50].Median, f.Stats[harness.P90].Median, f.Stats[harness.P99].Median
			row.From, row.Point, row.Tick, row.To, row.Ring = p50, p50, p90, p99, true
			row.Note = figure(res.Unit, p50) + " · " + figure(res.Unit, p90) + " · " + figure(res.Unit, p99)
		} else {
			s := f.Stats[harness.Value]
			row.From, row.Point, row.To = s.Low, s.Median, s.High
			row.Note = spread(res.Unit, s)
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}
