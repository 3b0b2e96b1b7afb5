//go:build linux

// Netns builds a small network of Linux network namespaces, probes every path in it, and prints who reaches whom.
//
//	sudo go run . [-hosts n] [-timeout d] [-hold]
//
// A network namespace belongs to a thread, and Go moves goroutines between threads. Here every namespace is owned by a
// [hop.Loop] with a thread of its own, and joined by the workers of a [hop.Pool] of threads (space.go), so whatever is sent there is in
// that namespace. On top of that:
//
//   - network.go connects the namespaces: a bridge, veth pairs, two guests that may not see each other;
//   - serve.go has what runs in them: a web server, name servers; dial.go is how they are reached from any goroutine;
//   - probe.go probes all paths at once and prints the matrix;
//   - escape.go shows how Go's ordinary dialer leaves the namespace that it is called in, and the dialer that does not;
//   - threads.go shows that no thread that was in a namespace is ever used again.
//
// Nothing of it touches the host's own network. README.md says what you see.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const (
	maxHosts = 20
	wholeRun = time.Minute // nothing here takes longer, but for -hold
)

// options is what the command line asks for.
type options struct {
	hosts   int           // plain hosts, besides those with a part of their own
	timeout time.Duration // of one probe
	hold    bool
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitDone)
	case err != nil:
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once; the kernel then takes everything down
	switch err := run(ctx, o, os.Stdout); {
	case err == nil:
	case ctx.Err() != nil && !errors.Is(err, errLeft):
		fmt.Fprintln(os.Stderr, "netns: interrupted; everything has been taken down")
		os.Exit(exitInterrupted)
	default:
		fmt.Fprintln(os.Stderr, "netns:", err)
		os.Exit(exitFailed)
	}
}

var errLeft = errors.New("not everything could be taken down; it goes when this process ends")

// run does it all. When it returns, whatever it made is gone, also after an error or when ctx has ended.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	host, err := namespaceHere()
	if err != nil {
		return err
	}
	hold := ctx // as long as the user likes; the rest is bounded
	ctx, cancel := context.WithTimeout(ctx, wholeRun)
	defer cancel()

	n := newNetwork()
	takeDown := sync.OnceValue(func() error {
		if err := errors.Join(n.close(), threadsGone(host)); err != nil {
			return fmt.Errorf("%w: %w", errLeft, err)
		}
		return nil
	})
	defer func() { err = errors.Join(err, takeDown()) }()
	if err := n.build(ctx, o.hosts); err != nil {
		return err
	}
	n.print(out)

	sv, err := serve(hold, n)
	if err != nil {
		return err
	}
	defer sv.close() // before the network, which its sockets would keep

	start := time.Now()
	m, err := probeAll(ctx, n, sv.webPort, o.timeout)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nWho reaches whom (%d probes at once, %v):\n\n", m.probes, time.Since(start).Round(time.Millisecond))
	m.print(out)

	report, err := showEscape(ctx, host, n.spaces[1], sv.webPort, sv.namePort)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	report.print(out)

	if o.hold {
		n.printHold(out)
		<-hold.Done()
		return context.Cause(hold)
	}

	threads := n.threads()
	sv.close()
	if err := takeDown(); err != nil {
		return err
	}
	r, err := reuse(ctx, host, len(threads))
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	r.print(out)
	return nil
}

// parse reads the command line. It has told stderr what is wrong when it returns an error.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("netns", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: netns [flags]\n\nNetns builds a network of namespaces, prints who reaches whom in it, and takes it down.\n\n")
		flags.PrintDefaults()
		fmt.Fprint(stderr, "\nExit code: 0 done; 1 failed; 2 wrong usage; 130 interrupted (everything was taken down).\n")
	}
	flags.IntVar(&o.hosts, "hosts", 2, fmt.Sprintf("`n` plain hosts, at most %d", maxHosts))
	flags.DurationVar(&o.timeout, "timeout", 500*time.Millisecond, "give up a probe after `d`")
	flags.BoolVar(&o.hold, "hold", false, "keep the network until Ctrl-C, and say how to look into it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("what is %q?", flags.Arg(0))
	case o.hosts < 1 || o.hosts > maxHosts:
		err = fmt.Errorf("-hosts %d: from 1 to %d", o.hosts, maxHosts)
	case o.timeout <= 0 || o.timeout > 10*time.Second:
		err = fmt.Errorf("-timeout %v: up to 10s", o.timeout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "netns:", err)
		flags.Usage()
	}
	return o, err
}
