package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gohop/hop/bench/internal/harness"
)

// A table is one of Markdown, with its columns lined up so that it can be read as it stands.
type table struct {
	rows [][]string // the first is the head
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	for n, row := range t.rows {
		for i, cell := range row {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// workloadTable has a row for each figure of each case, and a column for each side.
func (r *Report) workloadTable(id string) *table {
	results := r.of(id)
	var sides []string
	seen := map[string]bool{}
	for _, res := range results {
		for _, f := range res.Figures {
			if !seen[f.Side] {
				seen[f.Side] = true
				sides = append(sides, f.Side)
			}
		}
	}
	t := &table{}
	t.add(append(append([]string{"case", "figure"}, sides...), "hop ÷ the best (quartiles)", "target", "floor")...)
	for _, res := range results {
		for _, st := range figuresOf(res) {
			row := []string{res.Case, of(res, st)}
			for _, side := range sides {
				row = append(row, cell(res, side, st))
			}
			ratios, targets := verdicts(res, st)
			floor := ""
			if v := r.floor(res); v > 0 {
				floor = figure(harness.Nanoseconds, v)
			}
			t.add(append(row, ratios, targets, floor)...)
		}
	}
	return t
}

func figuresOf(res *harness.Result) []harness.Stat {
	if res.Latency {
		return []harness.Stat{harness.P50, harness.P90, harness.P99}
	}
	return []harness.Stat{harness.Value}
}

func of(res *harness.Result, st harness.Stat) string {
	what := res.Of
	if res.Unit == harness.Allocations {
		what = "allocations, " + what
	}
	if res.Latency {
		what += ", " + string(st)
	}
	return what
}

func cell(res *harness.Result, side string, st harness.Stat) string {
	for _, f := range res.Figures {
		switch {
		case f.Side != side:
		case f.Error != "":
			return "failed"
		default:
			return spread(res.Unit, f.Stats[st])
		}
	}
	return ""
}

// verdicts writes the ratios and the targets of one figure; there can be several of each.
func verdicts(res *harness.Result, st harness.Stat) (ratios, targets string) {
	var rs, ts []string
	for _, v := range res.Verdicts {
		if v.Stat != st {
			continue
		}
		what := ""
		if len(res.Verdicts) > 1 && !res.Latency {
			what = v.Best + ": "
		}
		rs = append(rs, what+ratio(v.Ratio))
		ts = append(ts, "≤ "+short(v.Max)+" "+mark(v.Met))
	}
	return strings.Join(rs, "; "), strings.Join(ts, "; ")
}

func mark(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

// WriteText writes the tables for a terminal.
func (r *Report) WriteText(w io.Writer) {
	for i := range r.Workloads {
		wl := &r.Workloads[i]
		fmt.Fprintf(w, "\n%s  %s\n\n", wl.ID, wl.Title)
		r.workloadTable(wl.ID).write(w)
	}
	met, all := r.count()
	fmt.Fprintf(w, "\n%d of %d targets met, in %.0f s\n", met, all, r.Took.Seconds())
}

func (r *Report) count() (met, all int) {
	for _, res := range r.Results {
		for _, v := range res.Verdicts {
			all++
			if v.Met {
				met++
			}
		}
	}
	return met, all
}
