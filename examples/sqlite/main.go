// Sqlite keeps a catalogue of files in an SQLite database, which has one writer and many readers.
//
//	go run . import [-db file] [-workers n] [-ack] [-quiet] DIR...
//	go run . top [-db file] [-n n]
//	go run . measure [-n n]
//
// Store.go is the database: a loop that writes, a queue that makes transactions, a pool that reads. Import.go fills it, measure.go
// compares it with a plain database/sql. README.md says what you see.
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
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // Ctrl-C; what was acknowledged is in the database
)

const usage = `usage: sqlite import [flags] DIR...   read all files under the DIRs into the catalogue
       sqlite top [flags]             show the largest files in it
       sqlite measure [flags]         count SQLITE_BUSY with and without one writer
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	db := flags.String("db", "files.db", "the database is in `file`")
	var err error
	switch args[0] {
	case "import":
		i := importer{stdout: stdout, stderr: stderr}
		flags.IntVar(&i.workers, "workers", max(4, 2*runtime.GOMAXPROCS(0)), "read with `n` workers")
		flags.BoolVar(&i.ack, "ack", false, "print the path of each file when it is safe in the database")
		flags.BoolVar(&i.quiet, "quiet", false, "no progress bar")
		if flags.Parse(args[1:]) != nil || flags.NArg() == 0 || i.workers < 1 {
			fmt.Fprint(stderr, usage)
			return exitUsage
		}
		err = i.run(ctx, *db, flags.Args())
	case "top":
		n := flags.Int("n", 10, "show `n` files")
		if flags.Parse(args[1:]) != nil || flags.NArg() > 0 {
			return exitUsage
		}
		err = top(ctx, *db, *n, stdout)
	case "measure":
		n := flags.Int("n", 200, "insert `n` rows at once")
		if flags.Parse(args[1:]) != nil || flags.NArg() > 0 || *n < 1 {
			return exitUsage
		}
		err = measure(ctx, *n, stdout)
	default:
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "sqlite:", err)
	return exitFailed
}

// top prints the n largest files.
func top(ctx context.Context, path string, n int, w io.Writer) (err error) {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w (fill it with: sqlite import -db %s DIR)", err, path)
	}
	s, err := open(ctx, path, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	all, largest := s.count(ctx), s.largest(ctx, n) // beside each other
	sum, err := all.WaitOrCancel(ctx)
	if err != nil {
		return err
	}
	files, err := largest.WaitOrCancel(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintf(w, "%12d  %s  %s\n", f.size, f.sha256[:12], f.path)
	}
	_, err = fmt.Fprintf(w, "%12d  in %d files\n", sum[1], sum[0])
	return err
}
