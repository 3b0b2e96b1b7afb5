//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/gohop/hop"
	"golang.org/x/sys/unix"
)

// A reuseReport is what became of the threads that were in other namespaces.
type reuseReport struct {
	were    int // threads that were in one
	process int // threads of the process now, all in the host's namespace
	tried   int // goroutines that were run on a thread each
	loops   int // loops with threads, made after
}

// How many are tried.
const (
	triedGoroutines = 50
	triedLoops      = 10
)

// threadsGone waits until no thread of this process is in another namespace than the host's; that takes a moment, since a thread ends after
// its goroutine. (Ids of threads would not do: the kernel gives them out again.)
func threadsGone(host nsID) error {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		strays, _, err := strayThreads(host)
		if err != nil || len(strays) == 0 {
			return err
		}
		if time.Since(start) > 5*time.Second {
			return fmt.Errorf("threads %v are still in other namespaces", strays)
		}
	}
}

// reuse looks whether a thread that was in another namespace, of which there were so many, is ever used again; its error says so.
func reuse(ctx context.Context, host nsID, were int) (*reuseReport, error) {
	r := &reuseReport{were: were}
	var err error
	if _, r.process, err = strayThreads(host); err != nil {
		return nil, err
	}

	// Many goroutines at once, each on a thread of its own.
	ready, leave := make(chan error, triedGoroutines), make(chan struct{})
	for range triedGoroutines {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // nothing of this thread was changed
			ready <- inHost(host)
			<-leave
		}()
	}
	var errs []error
	for range triedGoroutines {
		errs = append(errs, <-ready)
		r.tried++
	}
	close(leave)

	// And hop's own threads.
	for i := range triedLoops {
		l := hop.NewLoop(&hop.LoopOptions{Name: fmt.Sprintf("later%d", i+1), Thread: true})
		errs = append(errs, hop.Run(ctx, l, func(context.Context) error { return inHost(host) }), l.Close())
		r.loops++
	}
	return r, errors.Join(errs...)
}

func inHost(host nsID) error {
	id, err := namespaceHere()
	if err == nil && id != host {
		err = fmt.Errorf("thread %d is used again, in %v", unix.Gettid(), id)
	}
	return err
}

// strayThreads returns the threads of this process that are in another namespace than the host's, and the number of all.
func strayThreads(host nsID) (strays []int, all int, err error) {
	const dir = "/proc/self/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, task := range tasks {
		id, err := namespaceOf(filepath.Join(dir, task.Name(), "ns/net"))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH), errors.Is(err, unix.EACCES):
			continue // it has ended, or is about to
		case err != nil:
			return nil, 0, err
		}
		all++
		if id != host {
			tid, _ := strconv.Atoi(task.Name())
			strays = append(strays, tid)
		}
	}
	return strays, all, nil
}

func (r *reuseReport) print(w io.Writer) {
	fmt.Fprintf(w, "Taken down. %d threads were in these namespaces: all have ended, none was used again.\n", r.were)
	fmt.Fprintf(w, "The %d threads that the process has now, %d goroutines on threads of their own and %d new loops: all in the host's namespace.\n",
		r.process, r.tried, r.loops)
}
