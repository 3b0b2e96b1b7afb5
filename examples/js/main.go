// Js runs scripts beside each other. Each has a JavaScript VM, which has no lock and one owner: a loop of hop.
//
//	go run ./examples/js [-timeout d] [-workers n] [-guest] SCRIPT...
//
// Machine.go says who may touch a VM and when, functions.go what scripts can call, and owner.go who the owner is: hop's
// loop, or hop's loop as a guest of the engine's own. README.md says what you see.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1   // a script failed
	exitUsage       = 2   // the command line is wrong
	exitInterrupted = 130 // Ctrl-C
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the scripts that args name and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("js", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: js [flags] SCRIPT...\n\nJs runs the SCRIPTs beside each other. Try examples/js/demo.js.\n\n")
		flags.PrintDefaults()
	}
	timeout := flags.Duration("timeout", time.Minute, "end a script after `d`, waiting included")
	workers := flags.Int("workers", 8, "run at most `n` of the scripts' calls at once")
	guest := flags.Bool("guest", false, "let the engine's event loop (goja_nodejs) own the VMs, with hop's loop inside it")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() == 0 || *workers < 1 || *timeout <= 0 {
		fmt.Fprintln(stderr, "js: a script, at least one worker and a positive timeout are needed")
		flags.Usage()
		return exitUsage
	}

	own := ownedByHop
	if *guest {
		own = ownedByEngine
	}
	m := newMachine(own, *workers, stdout)
	defer m.close()

	var names = make(map[uint64]string)
	scripts := func(yield func(*hop.Pending[any]) bool) {
		for _, path := range flags.Args() {
			p := m.start(ctx, path, *timeout)
			names[p.Call().ID()] = filepath.Base(path)
			if !yield(p) {
				return
			}
		}
	}
	code := exitDone
	// They heed ctx themselves, so each is waited for: not one line is printed after the last word on it.
	for p := range collect.AsCompleted(context.WithoutCancel(ctx), scripts) {
		if v, err := p.Result(); err != nil {
			fmt.Fprintf(stderr, "js: %s: %v\n", names[p.Call().ID()], err)
			code = exitFailed
		} else if v != nil {
			fmt.Fprintf(stdout, "%s: %v\n", names[p.Call().ID()], v)
		}
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return code
}
