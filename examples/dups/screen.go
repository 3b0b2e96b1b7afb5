package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gohop/hop"
)

// screen shows how the search goes: a line that is drawn over and over on a terminal, a line now and then elsewhere; and
// the problems as they come. All of it is drawn on one loop, that of the main thread, so lines never mix.
type screen struct {
	place  *place
	loop   *hop.Loop
	out    io.Writer // results
	err    io.Writer // the rest
	json   bool
	quiet  bool
	redraw bool          // err is a terminal
	every  time.Duration // between two progress lines

	drawn int // length of the progress line that stands there now
}

// status is how far the search has come.
type status struct {
	files  int   // found
	groups int   // of duplicates
	read   int64 // bytes
}

func newScreen(loop *hop.Loop, o options, stdout, stderr io.Writer) *screen {
	s := &screen{
		place: newPlace("screen", "the main thread's loop"),
		loop:  loop,
		out:   stdout,
		err:   stderr,
		json:  o.json,
		quiet: o.quiet,
		every: time.Second,
	}
	if isTerminal(stderr) {
		s.redraw = true
		s.every = 100 * time.Millisecond
	}
	return s
}

// follow draws a progress line every so often, until ctx ends. It is a task of the loop that spends its time waiting, for
// the clock and for the index; the loop is free meanwhile.
func (s *screen) follow(ctx context.Context, x *index) error {
	s.place.started()
	if s.quiet {
		return nil
	}
	last, at, speed := status{}, time.Now(), 0.0
	for hop.Sleep(ctx, s.every) == nil {
		x.place.sent()
		now, err := hop.Do(ctx, x.loop, x.status, hop.Name("status"))
		if err != nil {
			break
		}
		// The mean of the speed since the last line and the speed that stood there: it shows changes, but does not flicker.
		t := time.Now()
		speed = (speed + float64(now.read-last.read)/t.Sub(at).Seconds()) / 2
		last, at = now, t
		s.progress(fmt.Sprintf("%s, %v read, %v/s, %s", count(now.files, "file"), byteSize(now.read), byteSize(speed),
			count(now.groups, "group")+" of duplicates"))
	}
	return nil
}

// progress draws the progress line.
func (s *screen) progress(line string) {
	if !s.redraw {
		fmt.Fprintln(s.err, "dups:", line)
		return
	}
	fmt.Fprintf(s.err, "\r%-*s", s.drawn, line) // the blanks wipe out what was there
	s.drawn = len(line)
}

// clear wipes the progress line out.
func (s *screen) clear() {
	if s.drawn > 0 {
		fmt.Fprintf(s.err, "\r%s\r", strings.Repeat(" ", s.drawn))
		s.drawn = 0
	}
}

// show draws problems, from any goroutine, and returns when they are drawn.
func (s *screen) show(ctx context.Context, problems []problem) error {
	if s.quiet || len(problems) == 0 {
		return nil
	}
	s.place.sent()
	return hop.Run(ctx, s.loop, func(context.Context) error {
		s.place.started()
		s.clear()
		for _, p := range problems {
			if s.json {
				json.NewEncoder(s.out).Encode(p.json())
			} else {
				fmt.Fprintln(s.err, "dups:", p)
			}
		}
		return nil
	}, hop.Name("problems"))
}

// end is the last to be drawn.
func (s *screen) end(context.Context) error {
	s.place.started()
	s.clear()
	return nil
}

// isTerminal tells whether w is a terminal that lines can be drawn over on. It takes a few other devices for terminals, too,
// which does no harm.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
