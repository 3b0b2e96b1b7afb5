//go:build linux || darwin || freebsd

// Thumbs shows the pictures of a directory.
//
//	go run . [-workers n] DIR
//	go run . -demo
//
// The window is Tk's, which wants all calls on one thread, the main one; hop's loop runs inside Tk's event loop (package tcl), and the
// program's logic is tasks of that loop (app.go). The pictures are read on a pool (picture.go). So the window reacts while
// they are read, and there is neither a lock nor a callback in it. README.md says what to look at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/gohop/hop"
	"github.com/gohop/hop/examples/tk/tcl"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

type options struct {
	dir     string
	workers int
	demo    bool
	display string
}

func init() { runtime.LockOSThread() } // main is to stay on the main thread: some systems allow windows only there

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitDone)
	case err != nil:
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	switch err := run(ctx, o); {
	case err != nil:
		fmt.Fprintln(os.Stderr, "thumbs:", err)
		os.Exit(exitFailed)
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "thumbs: interrupted")
		os.Exit(exitInterrupted)
	}
}

// run opens the window and returns when it has been closed, or ctx has ended.
func run(ctx context.Context, o options) error {
	tk, err := tcl.New(o.display)
	if err != nil {
		return err
	}
	defer tk.Close()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "tk", Host: tk})

	// Tk has this goroutine; what decides about the end has another.
	beside := hop.Go(context.WithoutCancel(ctx), hop.Goroutines, func(context.Context) (struct{}, error) {
		defer tk.Stop()
		return struct{}{}, show(ctx, o, tk, loop)
	}, hop.Name("show"))
	if err := tk.Run(); err != nil {
		return err
	}
	_, err = beside.Wait(context.Background())
	return err
}

// show opens the window, waits until the user or ctx closes it, and stops everything in order: first the work, then the loop, whose last tasks
// still find their window. After that, nobody needs Tk any more.
func show(ctx context.Context, o options, tk *tcl.Interp, loop *hop.Loop) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	pool := hop.NewPool(&hop.PoolOptions{Name: "read", Size: o.workers})
	defer func() {
		cancel()
		err = errors.Join(err, pool.Close(), loop.Shutdown(context.Background()))
	}()
	dir := o.dir
	if o.demo {
		var err error
		if dir, err = os.MkdirTemp("", "thumbs"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		fmt.Fprintln(os.Stderr, "thumbs: making pictures …")
		if err := demo(ctx, pool, dir, 48, 1600, 1200); err != nil {
			return ignoreCancel(ctx, err)
		}
	}
	a, err := hop.Do(ctx, loop, func(context.Context) (*app, error) { return newApp(ctx, tk, loop, pool, dir) })
	if err != nil {
		return ignoreCancel(ctx, err)
	}
	return ignoreCancel(ctx, a.quit.Wait(ctx))
}

// ignoreCancel drops err if ctx has ended: that is how the program was asked to end.
func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// parse reads the command line. It has told stderr what is wrong when it returns an error.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("thumbs", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: thumbs [flags] DIR\n\nThumbs shows the pictures (PNG, JPEG, GIF, WebP) in DIR.\n\n")
		flags.PrintDefaults()
		fmt.Fprint(stderr, "\nExit code: 0 the window was closed; 1 failed; 2 wrong usage; 130 interrupted.\n")
	}
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "read at most `n` pictures at once")
	flags.BoolVar(&o.demo, "demo", false, "show pictures that are made for it, in the place of DIR's")
	flags.StringVar(&o.display, "display", "", "open the window on the X display `d`, rather than the one in DISPLAY")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case o.demo && flags.NArg() > 0:
		err = errors.New("-demo or DIR, not both")
	case !o.demo && flags.NArg() != 1:
		err = errors.New("which directory?")
	case o.workers < 1 || o.workers > 1000:
		err = fmt.Errorf("-workers %d: from 1 to 1000", o.workers)
	case !o.demo:
		o.dir = flags.Arg(0)
		var info os.FileInfo
		if info, err = os.Stat(o.dir); err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", o.dir)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "thumbs:", err)
		flags.Usage()
	}
	return o, err
}
