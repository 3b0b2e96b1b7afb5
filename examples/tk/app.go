//go:build linux || darwin || freebsd

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
	"github.com/gohop/hop/examples/tk/tcl"
)

//go:embed ui.tcl
var ui string

// An app is the window, and what it shows. All of it belongs to the loop, so there is no lock: its methods are tasks of the
// loop, or are called by them, or by Tk.
type app struct {
	tk   *tcl.Interp
	loop *hop.Loop  // inside Tk's event loop
	pool hop.Portal // where pictures are read
	ctx  context.Context
	dir  string

	names   []string
	loading *hop.Pending[struct{}] // nil: nothing was ever loaded
	opening *hop.Pending[struct{}] // the picture that is shown in large
	quit    hop.Event

	drawn, failed int
	latest        time.Duration // how late the pulse was at most, since the loading began
}

var (
	errUser   = errors.New("the user has pressed Cancel")
	errReload = errors.New("it is loaded again")
	errOther  = errors.New("another picture was chosen")
)

// newApp opens the window, whose calls end with ctx, and starts to load. It is called on the loop.
func newApp(ctx context.Context, tk *tcl.Interp, loop *hop.Loop, pool hop.Portal, dir string) (*app, error) {
	a := &app{tk: tk, loop: loop, pool: pool, ctx: ctx, dir: dir}
	for name, f := range map[string]func(args []string) error{
		"go-cancel": func([]string) error { a.cancel(errUser); return nil },
		"go-reload": func([]string) error { a.reload(); return nil },
		"go-quit":   func([]string) error { a.quit.Set(); return nil },
		"go-open":   a.open,
		"bgerror":   func(args []string) error { slog.Error("tk: " + strings.Join(args, " ")); return nil },
	} {
		if err := tk.Command(name, f); err != nil {
			return nil, err
		}
	}
	if _, err := tk.Script(ui); err != nil {
		return nil, err
	}
	a.reload()
	return a, nil
}

// reload loads the directory, in the place of what is being loaded.
func (a *app) reload() {
	last := a.loading
	a.loading = hop.Go(a.ctx, a.loop, func(ctx context.Context) (struct{}, error) {
		if last != nil {
			last.CancelWait(ctx, errReload)
		}
		return struct{}{}, a.load(ctx)
	}, hop.Name("load"))
}

// cancel ends the loading. Tk calls it, inside a C function, where nothing can wait: nor does it need to.
func (a *app) cancel(cause error) {
	if a.loading != nil {
		a.loading.Cancel(cause)
	}
}

// load reads the pictures and draws each as soon as it has come. It reads from top to bottom, as if it blocked; but wherever it waits, Tk
// goes on.
func (a *app) load(ctx context.Context) (err error) {
	a.names, a.drawn, a.failed, a.latest = nil, 0, 0, 0
	a.set(".top.dir", "-text", a.dir)
	a.set(".bottom.status", "-text", "Looking for pictures …")
	a.set(".top.cancel", "-state", "normal")
	a.eval("clear")
	defer func() {
		a.set(".top.cancel", "-state", "disabled")
		a.set(".bottom.status", "-text", a.summary(ctx, err))
	}()
	pulse := hop.Go(ctx, a.loop, a.pulse, hop.Name("pulse"))
	defer pulse.Cancel(nil)

	names, err := hop.Do(ctx, a.pool, func(ctx context.Context) ([]string, error) { return list(ctx, a.dir) })
	if err != nil {
		return err
	}
	a.names = names
	a.set(".bottom.bar", "-value", 0, "-maximum", max(1, len(names)))
	for i, name := range names {
		a.eval("add", i, label(name))
		if i%20 == 19 {
			if err := a.breathe(ctx); err != nil {
				return err
			}
		}
	}
	a.eval("arrange")

	// The pool gets the next picture when one has been drawn: there is never a heap of pictures that wait for the window.
	for p := range collect.AsCompleted(ctx, a.thumbs(ctx, names), collect.MaxConcurrent(8)) {
		t, err := p.Wait(ctx)
		switch {
		case err != nil:
			return err
		case t.err != nil:
			a.failed++
			a.eval("fail", t.i)
		default:
			a.drawn++
			a.eval("draw", t.i, t.ppm)
		}
		a.set(".bottom.bar", "-value", a.drawn+a.failed)
		a.set(".bottom.status", "-text", fmt.Sprintf("%d of %d pictures", a.drawn+a.failed, len(names)))
		if err := a.breathe(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// A thumb is what became of a name.
type thumb struct {
	i int
	picture
	err error
}

// thumbs starts to read a picture whenever it is asked for the next.
func (a *app) thumbs(ctx context.Context, names []string) iter.Seq[*hop.Pending[thumb]] {
	return func(yield func(*hop.Pending[thumb]) bool) {
		for i, name := range names {
			p := hop.Go(ctx, a.pool, func(ctx context.Context) (thumb, error) {
				pic, err := read(ctx, filepath.Join(a.dir, name), thumbWidth, thumbHeight)
				return thumb{i, pic, err}, nil
			}, hop.Name("read "+name))
			if !yield(p) {
				return
			}
		}
	}
}

// breathe gives Tk a turn. (A Yield would do that only now and then: a tick runs many tasks.)
func (a *app) breathe(ctx context.Context) error { return hop.Sleep(ctx, time.Millisecond) }

// summary says how the loading has ended.
func (a *app) summary(ctx context.Context, err error) string {
	s := fmt.Sprintf("%d of %d pictures", a.drawn+a.failed, len(a.names))
	if a.failed > 0 {
		s += fmt.Sprintf(" (%d cannot be read)", a.failed)
	}
	switch {
	case ctx.Err() != nil:
		s = "Cancelled: " + s
	case err != nil:
		return "Failed: " + err.Error()
	case len(a.names) == 0:
		return "No pictures"
	}
	return s + fmt.Sprintf(". The window was never kept for longer than %v.", a.latest.Round(time.Millisecond))
}

// pulse measures for how long the window does not react: it wants to run every few milliseconds, and sees how late it does.
func (a *app) pulse(ctx context.Context) (struct{}, error) {
	const every = 5 * time.Millisecond
	for {
		due := time.Now().Add(every)
		if err := hop.Sleep(ctx, every); err != nil {
			return struct{}{}, err
		}
		a.latest = max(a.latest, time.Since(due))
	}
}

// open shows a picture in large: the one that was chosen last.
func (a *app) open(args []string) error {
	i, err := strconv.Atoi(args[0])
	if err != nil || i < 0 || i >= len(a.names) {
		return fmt.Errorf("no picture %q", args[0])
	}
	if a.opening != nil {
		a.opening.Cancel(errOther)
	}
	name := a.names[i]
	path := filepath.Join(a.dir, name)
	a.opening = hop.Go(a.ctx, a.loop, func(ctx context.Context) (struct{}, error) {
		a.set(".right.text", "-text", label(name)+" …")
		p, err := hop.Blocking(ctx, func(ctx context.Context) (picture, error) { // not behind the thumbnails
			return read(ctx, path, previewWidth, previewHeight)
		})
		switch {
		case ctx.Err() != nil: // somebody else shows something now
		case err != nil:
			a.set(".right.text", "-text", fmt.Sprintf("%s: %v", label(name), err))
		default:
			a.eval("preview", p.ppm, fmt.Sprintf("%s\n%d × %d", label(name), p.width, p.height))
		}
		return struct{}{}, nil
	}, hop.Name("open "+name))
	return nil
}

// set is Tk's "configure".
func (a *app) set(widget string, options ...any) {
	a.eval(append([]any{widget, "configure"}, options...)...)
}

// eval runs a command that fails only if the program is wrong.
func (a *app) eval(words ...any) {
	if _, err := a.tk.Eval(words...); err != nil {
		slog.Error("tk", "command", words[0], "err", err)
	}
}

// label is a file's name as Tk 8.6 can show it: it has no place for characters beyond U+FFFF.
func label(name string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff || r < ' ' {
			return '\ufffd'
		}
		return r
	}, name)
}
