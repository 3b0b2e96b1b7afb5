package plot_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gohop/hop/bench/internal/plot"
)

func TestChartIsWellFormed(t *testing.T) {
	format := func(v float64) string { return fmt.Sprintf("%g <ns>", v) }
	c := plot.Chart{
		Title:  `B0: "a" & b`,
		Legend: "point: p50",
		Panels: []plot.Panel{
			{Title: "decades", Format: format, Mark: &plot.Mark{Label: "floor", At: 1}, Rows: []plot.Row{
				{Label: "hop", Class: "hop", From: 10, Point: 10, To: 90_000, Tick: 500, Ring: true, Note: "10 ns"},
				{Label: "peer", Class: "library", From: 100, Point: 100, To: 100},
			}},
			{Title: "one value", Format: format, Rows: []plot.Row{{Label: "hop", Class: "hop", From: 7, Point: 7, To: 7}}},
			{Title: "linear, with nought", Format: format, Linear: true, Rows: []plot.Row{{Label: "hop", Class: "hop"}, {Label: "peer", Class: "plain", Point: 3, To: 3}}},
			{Title: "nothing", Format: format},
		},
	}
	var out strings.Builder
	if err := c.Write(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Error("the chart has a coordinate that is no number")
	}
	d := xml.NewDecoder(strings.NewReader(out.String()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
