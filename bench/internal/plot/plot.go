// Package plot draws the charts of docs/benchmarks.md: one SVG for a workload, a panel for each of its cases, a line for each
// side. Costs differ by orders of magnitude, so the axis is logarithmic, and what is drawn is a point with its spread, never a
// bar from nought. The colours follow the reader's light or dark scheme.
package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// A Chart is one picture.
type Chart struct {
	Title  string
	Legend string // what point and line stand for
	Keys   []Key  // what the colours stand for
	Panels []Panel
}

// A Key is what the colour of a class stands for.
type Key struct{ Class, Text string }

// A Panel has an axis of its own.
type Panel struct {
	Title  string
	Rows   []Row
	Linear bool                   // from nought; else logarithmic
	Mark   *Mark                  // a limit to compare with
	Format func(v float64) string // writes a value with its unit
}

// A Row is one side: a point, the line around it, and perhaps a tick on that line and a ring at its end.
type Row struct {
	Label string
	Class string // "hop", "library" or "plain"
	From  float64
	Point float64
	To    float64
	Tick  float64 // 0: none
	Ring  bool    // at To
	Note  string  // the figures, at the right
}

// A Mark is a dashed line across a panel.
type Mark struct {
	Label string
	At    float64
}

const (
	width     = 860.0
	left      = 190.0 // where the axis begins
	right     = 610.0 // where it ends
	noteAt    = 625.0
	lineHigh  = 24.0
	panelHead = 34.0
	panelFoot = 34.0
)

const style = `
  .bg { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #59636e } .grid { stroke: #d8dee4 } .mark { stroke: #8250df }
  .marktext { fill: #8250df } .hop { stroke: #0969da; fill: #0969da } .library { stroke: #bc4c00; fill: #bc4c00 }
  .plain { stroke: #6e7781; fill: #6e7781 } .hollow { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    .bg { fill: #0d1117 } .text { fill: #e6edf3 } .dim { fill: #9198a1 } .grid { stroke: #30363d } .mark { stroke: #bc8cff }
    .marktext { fill: #bc8cff } .hop { stroke: #58a6ff; fill: #58a6ff } .library { stroke: #f0883e; fill: #f0883e }
    .plain { stroke: #9198a1; fill: #9198a1 } .hollow { fill: #0d1117 }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; stroke: none }
  .title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 } .small { font-size: 11.5px }
`

// Write draws c.
func (c *Chart) Write(w io.Writer) error {
	var b strings.Builder
	y := 62.0
	for i := range c.Panels {
		y = c.Panels[i].draw(&b, y)
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]g %[2]g" width="%[1]g" height="%[2]g" role="img" aria-label="%[3]s">
<style>%[4]s</style>
<rect class="bg" width="100%%" height="100%%" rx="6"/>
<text class="text title" x="20" y="30">%[3]s</text>
<text class="dim small" x="20" y="50">%[5]s%[7]s</text>
%[6]s</svg>
`, width, math.Ceil(y), escape(c.Title), style, escape(c.Legend), b.String(), c.keys())
	return err
}

// keys are dots of the colours, each with its meaning, after the legend.
func (c *Chart) keys() string {
	var b strings.Builder
	for _, k := range c.Keys {
		fmt.Fprintf(&b, `<tspan dx="14" class="%s">●</tspan> %s`, k.Class, escape(k.Text))
	}
	return b.String()
}

// draw adds a panel whose upper edge is at y, and returns its lower one.
func (p *Panel) draw(b *strings.Builder, y float64) float64 {
	a := p.axis()
	top := y + panelHead
	bottom := top + lineHigh*float64(len(p.Rows)) + 4
	fmt.Fprintf(b, `<text class="text head" x="20" y="%.1f">%s</text>`+"\n", y+22, escape(p.Title))
	for _, v := range a.ticks {
		x := a.at(v)
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, x, top, x, bottom)
		fmt.Fprintf(b, `<text class="dim small" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x, bottom+15, escape(p.Format(v)))
	}
	if p.Mark != nil {
		p.Mark.draw(b, a, top, bottom)
	}
	for i := range p.Rows {
		p.Rows[i].draw(b, a, top+lineHigh*(float64(i)+0.5)+2)
	}
	return bottom + panelFoot
}

func (m *Mark) draw(b *strings.Builder, a axis, top, bottom float64) {
	x := a.at(m.At)
	fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke-dasharray="4 3"/>`, x, top-4, x, bottom)
	anchor, shift := "start", 5.0
	if x > (left+right)/2 {
		anchor, shift = "end", -5.0
	}
	fmt.Fprintf(b, `<text class="marktext small" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x+shift, top-1, anchor, escape(m.Label))
}

func (r *Row) draw(b *strings.Builder, a axis, y float64) {
	class := "text"
	if r.Class == "hop" {
		class = "text head"
	}
	fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, class, left-12, y+4.5, escape(r.Label))
	fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke-width="2.5" stroke-linecap="round"/>`,
		r.Class, a.at(r.From), y, a.at(r.To), y)
	if r.Tick > 0 {
		x := a.at(r.Tick)
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke-width="2.5"/>`, r.Class, x, y-5, x, y+5)
	}
	if r.Ring {
		fmt.Fprintf(b, `<g class="%s"><circle class="hollow" cx="%.1f" cy="%.1f" r="4" stroke-width="2"/></g>`, r.Class, a.at(r.To), y)
	}
	fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="5" stroke="none"/>`, r.Class, a.at(r.Point), y)
	fmt.Fprintf(b, `<text class="dim small" x="%.1f" y="%.1f">%s</text>`+"\n", noteAt, y+4, escape(r.Note))
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string { return escaper.Replace(s) }
