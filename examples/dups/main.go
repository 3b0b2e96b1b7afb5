// Dups finds duplicate files.
//
//	go run ./examples/dups [-min size] [-workers n] [-x] [-json] [-quiet] DIR...
//
// It is also a first program to read for whoever is new to hop. Three places take part, each with a job of its own:
//
//   - a pool of workers walks the directories and reads the files, because that blocks (walk.go, read.go);
//   - a loop owns the index of all files, a plain map that needs no lock, because nobody else touches it (index.go);
//   - the loop of the main thread draws, because that is where windows and terminals are drawn (screen.go).
//
// Find.go is where they are made and put together. README.md says what you see.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

// The exit codes.
const (
	exitDone        = 0   // every DIR was searched; what could not be read in there was reported and counted
	exitFailed      = 1   // some DIR could not be searched at all, or the output could not be written
	exitUsage       = 2   // the command line is wrong
	exitInterrupted = 130 // Ctrl-C, or a deadline: what was found so far has been printed
)

// options is what the command line asks for.
type options struct {
	paths     []string
	min       byteSize // smaller files are left out
	workers   int      // most calls on the pool at once
	inFlight  int      // how many files are in flight before the walk waits
	oneVolume bool
	json      bool
	quiet     bool
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitDone)
	case err != nil:
		os.Exit(exitUsage)
	}

	// The main thread runs its loop until the function is done, which runs beside it. Ctrl-C ends ctx.
	code := exitFailed
	err = mainthread.Run(context.Background(), func(ctx context.Context) error {
		code = run(ctx, o, mainthread.Loop(), os.Stdout, os.Stderr)
		return nil
	})
	if err != nil && code == exitDone {
		fmt.Fprintln(os.Stderr, "dups:", err)
		code = exitFailed
	}
	os.Exit(code)
}

// run searches, drawing on the loop drawing as it goes, prints what it found to stdout, and returns the exit code.
func run(ctx context.Context, o options, drawing *hop.Loop, stdout, stderr io.Writer) int {
	s := newScreen(drawing, o, stdout, stderr)
	found, err := find(ctx, o, s)
	if err != nil {
		fmt.Fprintln(stderr, "dups:", err)
		return exitFailed
	}

	out := bufio.NewWriter(stdout)
	report := found.print
	if o.json {
		report = found.printJSON
	}
	report(out, o.quiet)
	if err := out.Flush(); err != nil {
		fmt.Fprintln(stderr, "dups:", err)
		return exitFailed
	}
	switch {
	case found.interrupted:
		return exitInterrupted
	case found.tally.missing > 0:
		return exitFailed
	}
	return exitDone
}

// parse reads the command line. It has told stderr what is wrong when it returns an error.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{min: 1, inFlight: maxInFlight}
	flags := flag.NewFlagSet("dups", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: dups [flags] DIR...\n\nDups finds files with the same contents under the DIRs (which may be files, too).\n\n")
		flags.PrintDefaults()
		fmt.Fprint(stderr, "\nExit code: 0 done; 1 some DIR could not be searched, or the output not written; 2 wrong usage;\n130 interrupted (what was found is printed).\n")
	}
	flags.Var(&o.min, "min", "leave out files smaller than `size` bytes; k, M, G and T are powers of 1024")
	flags.IntVar(&o.workers, "workers", max(4, 2*runtime.GOMAXPROCS(0)), "walk and read with at most `n` workers")
	flags.BoolVar(&o.oneVolume, "x", false, "stay on the file systems of the DIRs")
	flags.BoolVar(&o.json, "json", false, "print one JSON object a line (see README.md)")
	flags.BoolVar(&o.quiet, "quiet", false, "print the duplicates only: no progress, no problems, no summary")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.paths = flags.Args()

	var err error
	switch {
	case len(o.paths) == 0:
		err = errors.New("which directories?")
	case o.workers < 1:
		err = fmt.Errorf("-workers %d: at least one is needed", o.workers)
	}
	if err != nil {
		fmt.Fprintln(stderr, "dups:", err)
		flags.Usage()
	}
	return o, err
}
