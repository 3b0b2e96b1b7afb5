// Iopub publishes the output of calls that run at once, as the kernel of a notebook does: each of its loops has a ZeroMQ
// PUB socket of its own, and subscribers in other processes see whose output each line is.
//
//	go run ./examples/iopub [-loops n] [-cells n] [-lines n] [-wait d] | python3 examples/iopub/sub.py
//
// Publish.go is all that matters: a socket for each loop, and output that finds its way there. README.md says what you see.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gohop/hop"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	loops, cells, lines int
	wait                time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("iopub", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.loops, "loops", 3, "run `n` loops, each with a socket")
	flags.IntVar(&o.cells, "cells", 4, "run `n` cells at once on each")
	flags.IntVar(&o.lines, "lines", 10, "each writes `n` lines")
	flags.DurationVar(&o.wait, "wait", 30*time.Second, "wait for a subscriber for `d`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil || flags.NArg() > 0 || o.loops < 1 || o.cells < 0 || o.lines < 0 {
		fmt.Fprintln(stderr, "usage: iopub [-loops n] [-cells n] [-lines n] [-wait d]")
		return exitUsage
	}
	err := serve(ctx, o, stdout)
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "iopub:", err)
		return exitFailed
	}
	return exitDone
}

// serve prints where the sockets are, waits for a subscriber to each, runs the cells, and returns when the subscribers have
// all of their output, also when ctx ends.
func serve(ctx context.Context, o options, stdout io.Writer) (err error) {
	all := context.WithoutCancel(ctx)
	pool := hop.NewPool(&hop.PoolOptions{Name: "work", Size: 4})
	defer pool.Close()
	var loops []*hop.Loop
	var addresses []string
	defer func() {
		for _, l := range loops {
			err = errors.Join(err, l.Shutdown(all)) // says "end", and waits for the subscribers: see listen
		}
	}()
	for i := range o.loops {
		l := hop.NewLoop(&hop.LoopOptions{Name: fmt.Sprintf("loop%d", i), Thread: true})
		loops = append(loops, l)
		address, err := hop.Do(ctx, l, func(ctx context.Context) (string, error) {
			p, err := publishers.Get(ctx)
			if err != nil {
				return "", err
			}
			return "tcp://" + p.socket.Addr().String(), nil
		}, hop.Name("listen"))
		if err != nil {
			return err
		}
		addresses = append(addresses, address)
	}
	if err := json.NewEncoder(stdout).Encode(addresses); err != nil {
		return err
	}

	// What is published before somebody has subscribed is lost, by design of PUB.
	waiting, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	for _, l := range loops {
		err := hop.Run(waiting, l, func(ctx context.Context) error {
			p, err := publishers.Get(ctx)
			if err != nil {
				return err
			}
			return p.until(ctx, func(subscribers int) bool { return subscribers > 0 })
		}, hop.Name("wait for a subscriber"))
		if err != nil {
			return fmt.Errorf("nobody has subscribed (python3 sub.py does; it needs Debian's package python3-zmq): %w", err)
		}
	}

	var cells []*hop.Pending[struct{}]
	for i, l := range loops {
		for j := range o.cells {
			cells = append(cells, execute(ctx, l, fmt.Sprintf("cell%d.%d", i, j), func(ctx context.Context) error {
				return work(ctx, pool, o.lines)
			}))
		}
	}
	for _, c := range cells {
		if _, err := c.Wait(all); err != nil && !errors.Is(err, hop.ErrCancelled) {
			return err
		}
	}
	return nil
}

// work is what a cell of the demonstration does: it writes on its loop, on a worker of a pool, and from calls beside each other.
func work(ctx context.Context, pool *hop.Pool, lines int) error {
	for i := range lines {
		var err error
		switch i % 3 {
		case 0:
			err = printf(ctx, "%d on the loop", i)
		case 1:
			err = hop.Run(ctx, pool, func(ctx context.Context) error { return printf(ctx, "%d on a worker", i) }, hop.Name("work"))
		case 2:
			err = hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				for _, part := range []string{"left", "right"} {
					hop.Go(ctx, pool, func(ctx context.Context) (struct{}, error) {
						return struct{}{}, printf(ctx, "%d %s", i, part)
					}, hop.Name(part))
				}
				return nil
			})
		}
		if err == nil {
			err = hop.Sleep(ctx, time.Millisecond)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
