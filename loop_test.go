package hop_test

// S11, S13, S14, S22, S24, S27, S28 on loops, RunLoop, and finding loops.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// journal is a slog handler's writer that can be read while it is written to.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

// lines returns the records that contain s.
func (j *journal) lines(s string) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.buf.String()) {
		if strings.Contains(line, s) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// --- S22: one order.

func TestS22_OneOrderForEveryDoor(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		const n = 1000
		var order []int
		next := 0
		add := func() func(context.Context) (int, error) {
			i := next
			next++
			return func(context.Context) (int, error) { order = append(order, i); return i, nil }
		}
		within(t, patience, "the sender", func() {
			for k := range n {
				hop.Go(bg, l, add())
				f := add()
				if err := l.Post(func() { f(bg) }); err != nil {
					t.Error(err)
				}
				if err := l.Submit(hop.New(bg, add()).Call()); err != nil {
					t.Error(err)
				}
				if k%50 == 0 {
					if _, err := hop.Do(bg, l, add()); err != nil {
						t.Error(err)
					}
				}
			}
			hop.Do(bg, l, value(0))
		})
		if len(order) != next || !slices.IsSorted(order) {
			t.Errorf("%d of %d ran, in order: %v", len(order), next, slices.IsSorted(order))
		}
	})
}

func TestS22_OneOrderForEverySenderOfMany(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		var got [8][]int
		var senders sync.WaitGroup
		for s := range got {
			senders.Go(func() {
				for i := range 500 {
					f := func() { got[s] = append(got[s], i) }
					if i%2 == 0 {
						l.Post(f)
					} else {
						hop.Go(bg, l, func(context.Context) (int, error) { f(); return 0, nil })
					}
				}
				hop.Do(bg, l, value(0))
			})
		}
		within(t, patience, "the senders", senders.Wait)
		for s := range got {
			if len(got[s]) != 500 || !slices.IsSorted(got[s]) {
				t.Errorf("sender %d: %d ran, in order: %v", s, len(got[s]), slices.IsSorted(got[s]))
			}
		}
	})
}

// A task that another one wakes has its place among what is sent from elsewhere before and after.
func TestS22_AResumedTaskHasItsPlaceInTheOrder(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		const n = 100
		var order []int
		next := 0
		add := func() func() {
			i := next
			next++
			return func() { order = append(order, i) }
		}
		elsewhere := func(k int) { // posts from another goroutine, which has done so when this returns
			posted := make(chan struct{})
			go func() {
				defer close(posted)
				for range k {
					l.Post(add())
				}
			}()
			<-posted
		}
		var events [n][2]hop.Event
		tasks := make([]*hop.Pending[int], 0, 2*n)
		start := make(chan struct{})
		var places [n][2]func()
		for i := range n {
			for j := range 2 {
				tasks = append(tasks, hop.Go(bg, l, func(ctx context.Context) (int, error) {
					err := events[i][j].Wait(ctx)
					places[i][j]()
					return 0, err
				}))
			}
		}
		tasks = append(tasks, hop.Go(bg, l, func(ctx context.Context) (int, error) {
			<-start
			for i := range n {
				elsewhere(i % 3)
				places[i][0] = add()
				events[i][0].Set()
				elsewhere(i / 3 % 2)
				places[i][1] = add()
				events[i][1].Set()
				elsewhere(i % 2)
				if i%4 < 2 {
					if err := hop.Yield(ctx); err != nil {
						return 0, err
					}
				}
			}
			return 0, nil
		}))
		close(start)
		for _, p := range tasks {
			must(t, p)
		}
		must(t, hop.Go(bg, l, value(0)))
		if len(order) != next || !slices.IsSorted(order) {
			t.Errorf("%d of %d ran, in order: %v", len(order), next, slices.IsSorted(order))
		}
	})
}

func TestS22_CompletionOrderIsSubmissionOrder(t *testing.T) {
	l := newLoop(t, nil)
	var order []int // written by the OnDone functions, on the loop
	var last *hop.Pending[int]
	busy, release := started()
	l.Post(func() { <-busy })
	for i := range 500 {
		last = hop.Go(bg, l, value(i))
		last.OnDone(func() { order = append(order, i) })
	}
	release()
	must(t, last)
	must(t, hop.Go(bg, l, value(0)))
	if len(order) != 500 || !slices.IsSorted(order) {
		t.Errorf("%d done, in order: %v", len(order), slices.IsSorted(order))
	}
}

func TestS22_OrderHoldsOnTheLoopItself(t *testing.T) {
	l := newLoop(t, nil)
	var order []int
	must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
		for i := range 300 {
			switch i % 3 {
			case 0:
				l.Post(func() { order = append(order, i) })
			case 1:
				hop.Go(ctx, l, func(context.Context) (int, error) { order = append(order, i); return 0, nil })
			case 2:
				l.Submit(hop.New(ctx, func(context.Context) (int, error) { order = append(order, i); return 0, nil }).Call())
			}
		}
		return hop.Go(ctx, l, value(1)).Wait(ctx)
	}))
	if len(order) != 300 || !slices.IsSorted(order) {
		t.Errorf("%d ran, in order: %v", len(order), slices.IsSorted(order))
	}
}

func TestS22_AfterIsNeverEarly(t *testing.T) {
	l := newLoop(t, nil)
	const d = 20 * time.Millisecond
	begin := time.Now()
	p := hop.After(bg, d, l, func(context.Context) (time.Duration, error) { return time.Since(begin), nil })
	if took := must(t, p); took < d {
		t.Errorf("ran after %v, want at least %v", took, d)
	}
}

// --- S13: what a call does to itself.

func TestS13_AfterAPanicTheLoopLivesOn(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		for _, waits := range []bool{false, true} {
			p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if waits {
					hop.Sleep(ctx, time.Millisecond)
				}
				return panickingFunction()
			})
			err := waitErr(t, p)
			var pe *hop.PanicError
			if !errors.As(err, &pe) || pe.Value != errPanicValue {
				t.Fatalf("error %v, want a *hop.PanicError with the value", err)
			}
			wantIs(t, err, errPanicValue)
			if !strings.Contains(string(pe.Stack), "panickingFunction") {
				t.Errorf("the stack is not that of the panic:\n%s", pe.Stack)
			}
			wantState(t, p.Call(), hop.Failed)
			must(t, hop.Go(bg, l, value(1)))
		}
	})
}

var errPanicValue = errors.New("the value of a panic")

//go:noinline
func panickingFunction() (int, error) { panic(errPanicValue) }

func TestS13_AfterAGoexitTheLoopLivesOn(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		// A task that is suspended all the while must survive the Goexits of others.
		pr := hop.NewPromise[int](bg)
		sleeper := hop.Go(bg, l, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
		for _, waits := range []bool{false, true} {
			deferred := false
			p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				defer func() { deferred = true }()
				if waits {
					hop.Sleep(ctx, time.Millisecond)
				}
				runtime.Goexit()
				return 1, nil
			})
			wantIs(t, waitErr(t, p), hop.ErrGoexit)
			wantState(t, p.Call(), hop.Failed)
			if !deferred {
				t.Error("the function's deferred call has not run")
			}
			must(t, hop.Go(bg, l, value(1)))
		}
		pr.Resolve(3)
		if v := must(t, sleeper); v != 3 {
			t.Errorf("the suspended task got %d", v)
		}
	})
}

func TestS13_AThousandGoexits(t *testing.T) {
	// Every one unwinds the goroutine that dispatches: nothing may pile up, and none may strand another.
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		var ps []*hop.Pending[int]
		for i := range 1000 {
			ps = append(ps, hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if i%3 == 0 {
					hop.Yield(ctx)
				}
				if i%2 == 0 {
					runtime.Goexit()
				}
				return i, nil
			}))
		}
		for i, p := range ps {
			err := waitErr(t, p)
			if i%2 == 0 {
				wantIs(t, err, hop.ErrGoexit)
			} else if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

func TestS13_GoexitInAPostedFunctionAnInlineCallAndAnOnDoneFunction(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		l.Post(runtime.Goexit)
		must(t, hop.Go(bg, l, value(1)))

		var inner *hop.Call
		outer := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, l, func(ctx context.Context) (int, error) {
				inner = hop.CurrentCall(ctx)
				runtime.Goexit()
				return 1, nil
			})
		})
		wantIs(t, waitErr(t, outer), hop.ErrGoexit)
		wantIs(t, inner.Err(), hop.ErrGoexit)
		must(t, hop.Go(bg, l, value(1)))

		p := hop.New(bg, value(2))
		p.OnDone(runtime.Goexit)
		after := make(chan struct{})
		p.OnDone(func() { close(after) })
		l.Submit(p.Call())
		recv(t, "the OnDone function after the one that ends its goroutine", after)
		if v := must(t, p); v != 2 {
			t.Errorf("got %d", v)
		}
		must(t, hop.Go(bg, l, value(1)))
	})
}

func TestS13_GoexitOnAPoolOfOne(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(fmt.Sprintf("Threads=%v", threads), func(t *testing.T) {
			if threads {
				needsThread(t)
			}
			noLeak(t)
			pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: threads})
			for range 20 {
				wantIs(t, waitErr(t, hop.Go(bg, pool, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })), hop.ErrGoexit)
				pool.Post(runtime.Goexit)
				must(t, hop.Go(bg, pool, value(1)))
			}
			eventually(t, "nothing runs", func() bool { return pool.Stats().Running == 0 })
		})
	}
}

// --- S14: what nobody can receive.

func TestS14_APostedPanicGoesToOnPanic(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("afterAWait=%v", waits), func(t *testing.T) {
			got := make(chan *hop.PanicError, 1)
			l := newLoop(t, &hop.LoopOptions{OnPanic: func(e *hop.PanicError) { got <- e }})
			l.Post(func() {
				if waits {
					hop.Sleep(bg, time.Millisecond)
				}
				panickingFunction()
			})
			e := recv(t, "OnPanic", got)
			if e.Value != errPanicValue || !strings.Contains(string(e.Stack), "panickingFunction") {
				t.Errorf("OnPanic got %v with stack\n%s", e.Value, e.Stack)
			}
			must(t, hop.Go(bg, l, value(1)))
		})
	}
}

func TestS14_APanicOfAnOnDoneFunctionGoesToOnPanic(t *testing.T) {
	got := make(chan *hop.PanicError, 4)
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(e *hop.PanicError) { got <- e }})
	p := hop.New(bg, value(1))
	ran := make(chan bool, 1)
	p.OnDone(func() { panickingFunction() })
	p.OnDone(func() { ran <- l.Here() })
	l.Submit(p.Call())
	if e := recv(t, "OnPanic", got); e.Value != errPanicValue {
		t.Errorf("OnPanic got %v", e.Value)
	}
	if !recv(t, "the next OnDone function", ran) {
		t.Error("it did not run on the loop, which completed the call")
	}
	if v := must(t, p); v != 1 {
		t.Errorf("the call's result %d", v)
	}
	must(t, hop.Go(bg, l, value(1)))
	if n := len(got); n != 0 {
		t.Errorf("OnPanic was called %d times more", n)
	}
}

func TestS14_APostedPanicCrashesWithTheOriginalStack(t *testing.T) {
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("the point is how a process dies: wasm cannot start one")
	}
	switch os.Getenv("HOP_TEST_CRASH") {
	case "":
	case "post":
		l := hop.NewLoop(nil)
		l.Post(func() { panickingFunction() })
		time.Sleep(patience)
		return
	case "post after a wait":
		l := hop.NewLoop(nil)
		l.Post(func() { hop.Sleep(bg, time.Millisecond); panickingFunction() })
		time.Sleep(patience)
		return
	case "thread":
		l := hop.NewLoop(&hop.LoopOptions{Thread: true})
		l.Post(func() { panickingFunction() })
		time.Sleep(patience)
		return
	case "pool":
		hop.NewPool(nil).Post(func() { panickingFunction() })
		time.Sleep(patience)
		return
	case "OnDone":
		p := hop.New(bg, value(1))
		p.OnDone(func() { panickingFunction() })
		hop.NewLoop(nil).Submit(p.Call())
		time.Sleep(patience)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	for _, how := range []string{"post", "post after a wait", "thread", "pool", "OnDone"} {
		ctx, cancel := context.WithTimeout(bg, 2*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, exe, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "HOP_TEST_CRASH="+how)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%s: %v, want exit status 2; output:\n%s", how, err, out)
			continue
		}
		for _, want := range []string{"panic: ", errPanicValue.Error(), "panickingFunction"} {
			if !bytes.Contains(out, []byte(want)) {
				t.Errorf("%s: no %q in what it said:\n%s", how, want, out)
			}
		}
	}
}

func TestS14_AFailureNobodyLookedAtIsReportedOnce(t *testing.T) {
	var j journal
	l := newLoop(t, &hop.LoopOptions{Logger: j.logger()})
	hop.Go(bg, l, failure(errors.New("overlooked failure")), hop.Name("overlooked call"))
	if err := waitErr(t, hop.Go(bg, l, failure(errors.New("failure looked at")))); err == nil {
		t.Error("no error")
	}
	must(t, hop.Go(bg, l, value(1)))
	eventually(t, "the report", func() bool { runtime.GC(); return len(j.lines("overlooked failure")) > 0 })
	must(t, hop.Go(bg, l, value(1)))
	closeAll(t, "the loop", l.Close)
	for range 3 {
		runtime.GC()
	}
	reports := j.lines("overlooked failure")
	if len(reports) != 1 {
		t.Errorf("%d reports, want one:\n%s", len(reports), strings.Join(reports, ""))
	}
	if !strings.Contains(reports[0], "overlooked call") {
		t.Errorf("the report does not name the call: %s", reports[0])
	}
	if n := j.lines("failure looked at"); len(n) != 0 {
		t.Errorf("reported although somebody looked: %v", n)
	}
}

// --- S11 on loops.

func TestS11_OnDoneOnALoop(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		busy, release := started()
		defer release()
		l.Post(func() { <-busy })
		p := hop.Go(bg, l, value(7))
		var order []int
		for i := range 5 {
			stop := p.OnDone(func() {
				if !l.Here() || hop.CurrentLoop() != l {
					t.Error("not on the loop, which completes the call")
				}
				if v, err := p.Result(); v != 7 || err != nil { // would hang under a lock
					t.Errorf("Result: %d, %v", v, err)
				}
				if p.Cancel(nil) {
					t.Error("Cancel of a finished call reports true")
				}
				order = append(order, i)
				if i == 0 {
					p.OnDone(func() { order = append(order, 100) }) // at once: it is done
				}
			})
			if i == 3 && !stop() {
				t.Error("stop before completion reports false")
			}
			if i == 4 {
				defer func() {
					if stop() {
						t.Error("stop after completion reports true")
					}
				}()
			}
		}
		release()
		must(t, p)
		must(t, hop.Go(bg, l, value(1)))
		if got := fmt.Sprint(order); got != "[0 100 1 2 4]" {
			t.Errorf("order %s, want [0 100 1 2 4]", got)
		}
		ran := false
		if stop := p.OnDone(func() { ran = true }); !ran || stop() {
			t.Errorf("added after completion: ran %v at once, want true", ran)
		}
	})
}

// --- S24: manual loops.

func TestS24_CallsMadeBeforeAManualLoopRunsAreKept(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	var order []int
	var ps []*hop.Pending[int]
	for i := range 10 {
		if i%2 == 0 {
			l.Post(func() { order = append(order, i) })
			continue
		}
		ps = append(ps, hop.Go(bg, l, func(context.Context) (int, error) { order = append(order, i); return i, nil }))
	}
	for _, p := range ps {
		if _, err := p.Result(); !errors.Is(err, hop.ErrNotDone) {
			t.Errorf("before Run: %v, want ErrNotDone", err)
		}
		wantState(t, p.Call(), hop.Queued)
	}
	ctx, cancel := context.WithCancel(bg)
	l.Post(cancel)
	within(t, patience, "Run", func() { l.Run(ctx) })
	for _, p := range ps {
		must(t, p)
	}
	if len(order) != 10 || !slices.IsSorted(order) {
		t.Errorf("ran %v, want 0 to 9", order)
	}
}

func TestS24_AManualLoopIsDrivenAgainAndAgain(t *testing.T) {
	// Each time on another goroutine, with nothing suspended in between.
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	for i := range 3 {
		p := hop.Go(bg, l, value(i))
		ctx, cancel := context.WithCancel(bg)
		hop.Go(bg, l, func(context.Context) (int, error) { cancel(); return 0, nil })
		within(t, patience, "Run", func() { l.Run(ctx) })
		if v := must(t, p); v != i {
			t.Errorf("got %d, want %d", v, i)
		}
		kept := hop.Go(bg, l, value(1)) // while nobody drives it
		wantState(t, kept.Call(), hop.Queued)
	}
}

func TestS24_AManualLoopKeepsItsSuspendedTasksBetweenRuns(t *testing.T) {
	noLeak(t)
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	within(t, patience, "three runs", func() {
		pr := hop.NewPromise[int](bg)
		suspended := hop.Go(bg, l, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
		for range 3 {
			ctx, cancel := context.WithCancel(bg)
			l.Post(cancel)
			l.Run(ctx)
			wantState(t, suspended.Call(), hop.Waiting)
		}
		pr.Resolve(5)
		ctx, cancel := context.WithCancel(bg)
		suspended.OnDone(cancel)
		l.Run(ctx)
		if v, err := suspended.Result(); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestS24_AManualLoopThatNobodyRanCanBeStopped(t *testing.T) {
	noLeak(t)
	ended, cancel := context.WithCancel(bg)
	cancel()
	for name, stop := range map[string]func(l *hop.Loop){
		"Close":    func(l *hop.Loop) { l.Close() },
		"Shutdown": func(l *hop.Loop) { l.Shutdown(ended) },
	} {
		t.Run(name, func(t *testing.T) {
			l := hop.NewLoop(&hop.LoopOptions{Manual: true})
			p := hop.Go(bg, l, value(1))
			within(t, patience, name, func() { stop(l) })
			wantIs(t, waitErr(t, p), hop.ErrStopped)
			recv(t, "the loop's end", l.Stopped())
			wantIs(t, l.Run(bg), hop.ErrStopped)
		})
	}
}

func TestS24_AManualLoopClosedBetweenRunsUnwindsItsSuspendedTasks(t *testing.T) {
	noLeak(t)
	l := hop.NewLoop(&hop.LoopOptions{Manual: true})
	cleaned := false
	q := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		defer func() { cleaned = true }()
		return 0, hop.Sleep(ctx, time.Hour)
	})
	within(t, patience, "Run and Close on one goroutine", func() {
		ctx, cancel := context.WithCancel(bg)
		l.Post(cancel)
		l.Run(ctx)
		wantState(t, q.Call(), hop.Waiting)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, waitErr(t, q), hop.ErrStopped)
	recv(t, "the loop's end", l.Stopped())
	if !cleaned {
		t.Error("the task's deferred function has not run")
	}
}

func TestS24_AManualLoopWhoseDriverIsGoneStrandsNobody(t *testing.T) {
	// The goroutine that drove it has ended, a task is suspended, and somebody waits for that. Whatever Close can do about
	// the task's stack, the call ends and its waiter goes on.
	l := hop.NewLoop(&hop.LoopOptions{Manual: true})
	q := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
	queued := hop.New(bg, value(1))
	within(t, patience, "Run", func() {
		ctx, cancel := context.WithCancel(bg)
		l.Post(cancel)
		l.Run(ctx)
	})
	wantState(t, q.Call(), hop.Waiting)
	if err := l.Submit(queued.Call()); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "Close", func() { l.Close() })
	wantIs(t, waitErr(t, queued), hop.ErrStopped)
	wantIs(t, waitErr(t, q), hop.ErrStopped)
	wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
}

func TestS24_RunOfALoopInOtherStates(t *testing.T) {
	wantIs(t, newLoop(t, nil).Run(bg), hop.ErrMismatch)

	l := newLoop(t, &hop.LoopOptions{Manual: true})
	ran := make(chan error, 1)
	go func() { ran <- l.Run(bg) }()
	must(t, hop.Go(bg, l, value(1)))
	within(t, patience, "a second Run", func() { wantIs(t, l.Run(bg), hop.ErrMismatch) })
	within(t, patience, "Close", func() { l.Close() })
	if err := recv(t, "Run", ran); err != nil && !errors.Is(err, hop.ErrStopped) {
		t.Errorf("Run ended with %v", err)
	}
}

// --- S17 where it is the loop's business.

func TestS17_AFullLoopRefusesUntilACallLeavesTheQueue(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{QueueLimit: 2})
	in, enter := started()
	busy, release := started()
	defer release()
	hop.Go(bg, l, func(context.Context) (int, error) { enter(); <-busy; return 0, nil })
	recv(t, "the first call", in)
	a, b := hop.Go(bg, l, value(1)), hop.Go(bg, l, value(2))
	wantIs(t, waitErr(t, hop.Go(bg, l, value(3))), hop.ErrFull)
	wantIs(t, l.Submit(hop.New(bg, value(4)).Call()), hop.ErrFull)
	if !a.Cancel(nil) {
		t.Error("Cancel of a queued call reports false")
	}
	recv(t, "the cancelled call", a.Done())
	c := hop.Go(bg, l, value(5)) // its place is free
	release()
	must(t, b)
	must(t, c)
}

// --- S28: stalls.

//go:noinline
func stallingFunction(end <-chan struct{}) { <-end }

func TestS28_AStallIsReportedOnceWithNameAndStack(t *testing.T) {
	for name, send := range map[string]func(l *hop.Loop, f func()){
		"call": func(l *hop.Loop, f func()) {
			hop.Go(bg, l, func(context.Context) (int, error) { f(); return 0, nil }, hop.Name("sluggish"))
		},
		"call after a wait": func(l *hop.Loop, f func()) {
			hop.Go(bg, l, func(ctx context.Context) (int, error) { hop.Sleep(ctx, time.Millisecond); f(); return 0, nil }, hop.Name("sluggish"))
		},
		"inline call": func(l *hop.Loop, f func()) {
			hop.Go(bg, l, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, l, func(context.Context) (int, error) { f(); return 0, nil }, hop.Name("sluggish"))
			}, hop.Name("sluggish"))
		},
		"posted function, unnamed": func(l *hop.Loop, f func()) { l.Post(f) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				l := newLoop(t, &hop.LoopOptions{Name: "stalled loop", StallAfter: 10 * time.Millisecond, Logger: j.logger()})
				for stall := 1; stall <= 2; stall++ {
					end, release := started()
					defer release()
					send(l, func() { stallingFunction(end) })
					eventually(t, "the report", func() bool { return len(j.lines("stallingFunction")) >= stall })
					time.Sleep(time.Second) // of the bubble: a second report of the same stall would come within
					release()
					must(t, hop.Go(bg, l, value(1)))
					lines := j.lines("stallingFunction")
					if len(lines) != stall {
						t.Fatalf("%d reports of %d stalls:\n%s", len(lines), stall, strings.Join(lines, ""))
					}
					if !strings.Contains(lines[stall-1], "stalled loop") {
						t.Errorf("the loop's name is not in %s", lines[stall-1])
					}
					if !strings.Contains(name, "unnamed") && !strings.Contains(lines[stall-1], "sluggish") {
						t.Errorf("the call's name is not in %s", lines[stall-1])
					}
				}
			})
		})
	}
}

func TestS28_NoStallNoReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		l := newLoop(t, &hop.LoopOptions{StallAfter: 200 * time.Millisecond, Logger: j.logger()})
		never := newLoop(t, &hop.LoopOptions{StallAfter: -1, Logger: j.logger()})
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 400*time.Millisecond) }, hop.Name("waits, does not stall"))
		q := hop.Go(bg, never, func(context.Context) (int, error) { time.Sleep(400 * time.Millisecond); return 0, nil }, hop.Name("stalls unseen"))
		must(t, p)
		must(t, q)
		for _, name := range []string{"waits, does not stall", "stalls unseen"} {
			if lines := j.lines(name); len(lines) > 0 {
				t.Errorf("reported: %s", lines)
			}
		}
	})
}

// --- S27: nothing is left.

func TestS27_NothingIsLeftAfterClose(t *testing.T) {
	for _, how := range []string{"Close", "Shutdown"} {
		t.Run(how, func(t *testing.T) {
			noLeak(t)
			var loops []*hop.Loop
			for i := range 20 {
				o := &hop.LoopOptions{Thread: i%2 == 0 && !wasm}
				l := hop.NewLoop(o)
				loops = append(loops, l)
				child, err := l.Child("child", nil)
				if err != nil {
					t.Fatal(err)
				}
				loops = append(loops, hop.NewLoop(&hop.LoopOptions{Host: child}))
			}
			for _, l := range loops {
				must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) }))
				hop.After(bg, time.Hour, l, value(1))
			}
			slices.Reverse(loops)
			for _, l := range loops {
				within(t, patience, how, func() {
					var err error
					if how == "Close" {
						err = l.Close()
					} else {
						err = l.Shutdown(bg)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func TestS27_AnUnusedLoopAndPoolLeaveNothing(t *testing.T) {
	noLeak(t)
	for range 50 {
		l := hop.NewLoop(nil)
		p := hop.NewPool(nil)
		within(t, patience, "Close", func() {
			if err := errors.Join(l.Close(), p.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// --- RunLoop.

func TestRunLoop_RunsItsFirstTaskAndWhatThatStarted(t *testing.T) {
	noLeak(t)
	within(t, patience, "RunLoop", func() {
		var l *hop.Loop
		var later *hop.Pending[int]
		hook := false
		v, err := hop.RunLoop(bg, &hop.LoopOptions{Name: "mine"}, func(ctx context.Context) (int, error) {
			l = hop.CurrentLoop()
			if l == nil || l.Name() != "mine" || !l.Here() {
				t.Errorf("CurrentLoop is %v", l)
				return 0, nil
			}
			l.OnShutdown(func(context.Context) error { hook = true; return nil })
			later = hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 2, hop.Sleep(ctx, time.Millisecond) })
			hop.Sleep(ctx, time.Millisecond)
			return 1, nil
		})
		if v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if v, err := later.Result(); v != 2 || err != nil {
			t.Errorf("what the first task started: %d, %v; it was not finished", v, err)
		}
		if !hook {
			t.Error("the OnShutdown function has not run")
		}
		if !isDone(l.Stopped()) {
			t.Error("the loop has not stopped")
		}
	})
}

func TestRunLoop_OnALoopIsRefused(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return hop.RunLoop(ctx, nil, value(1)) })
		wantIs(t, waitErr(t, p), hop.ErrCannotWait)
	})
	within(t, patience, "RunLoop in RunLoop", func() {
		_, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) { return hop.RunLoop(ctx, nil, value(1)) })
		wantIs(t, err, hop.ErrCannotWait)
	})
}

func TestRunLoop_OnAPoolWorkerOrAGoroutineOfATask(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	f := func(ctx context.Context) (int, error) { return hop.RunLoop(ctx, nil, value(4)) }
	if v := must(t, hop.Go(bg, pool, f)); v != 4 {
		t.Errorf("on a pool: %d", v)
	}
	l := newLoop(t, nil)
	v := must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return f(ctx) })
	}))
	if v != 4 {
		t.Errorf("on a goroutine that a task waits for: %d", v)
	}
}

func TestRunLoop_ReturnsHoweverItsTaskEnds(t *testing.T) {
	why := errors.New("why")
	for name, c := range map[string]struct {
		f    func(context.Context) (int, error)
		want error
	}{
		"error":  {failure(why), why},
		"panic":  {func(context.Context) (int, error) { panic(why) }, why},
		"Goexit": {func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, hop.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			within(t, patience, "RunLoop", func() {
				_, err := hop.RunLoop(bg, nil, c.f)
				wantIs(t, err, c.want)
			})
		})
	}
	t.Run("ctx", func(t *testing.T) {
		noLeak(t)
		ctx, cancel := context.WithCancelCause(bg)
		within(t, patience, "RunLoop", func() {
			_, err := hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
				cancel(why)
				return 0, hop.Sleep(ctx, time.Hour)
			})
			wantIs(t, err, hop.ErrCancelled)
			wantIs(t, err, why)
		})
	})
}

func TestRunLoop_WaitsForCallsFromOtherGoroutines(t *testing.T) {
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	within(t, patience, "RunLoop", func() {
		v, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) {
			l := hop.CurrentLoop()
			return hop.Do(ctx, pool, func(ctx context.Context) (int, error) { return hop.Do(ctx, l, value(6)) })
		})
		if v != 6 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestRunLoop_StopsAProtectedLoop(t *testing.T) {
	within(t, patience, "RunLoop", func() {
		var l *hop.Loop
		_, err := hop.RunLoop(bg, &hop.LoopOptions{Protected: true}, func(context.Context) (int, error) {
			l = hop.CurrentLoop()
			wantIs(t, l.Close(), hop.ErrProtected)
			return 1, nil
		})
		if err != nil {
			t.Error(err)
		}
		if !isDone(l.Stopped()) {
			t.Error("the loop has not stopped")
		}
	})
}

// --- Finding loops.

func TestLoop_IdentityAndWhereAmI(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		if l.Here() || hop.CurrentLoop() != nil {
			t.Error("this goroutine is on no loop")
		}
		if hop.LoopByID(l.ID()) != l || !slices.Contains(hop.Loops(), l) {
			t.Error("the running loop is not found by its ID, or not among Loops")
		}
		other := newLoop(t, nil)
		must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
			if !l.Here() || hop.CurrentLoop() != l || other.Here() {
				t.Error("on the loop: Here or CurrentLoop is wrong")
			}
			hop.Sleep(ctx, time.Millisecond)
			if !l.Here() || hop.CurrentLoop() != l {
				t.Error("on the loop after a wait: Here or CurrentLoop is wrong")
			}
			ch := make(chan bool, 1)
			go func() { ch <- l.Here() || hop.CurrentLoop() != nil }()
			if on, _, _ := hop.Recv(ctx, ch); on {
				t.Error("a goroutine that a task started counts as on the loop")
			}
			return 0, nil
		}))
		in := make(chan bool, 1)
		l.Post(func() { in <- l.Here() && hop.CurrentLoop() == l })
		if !recv(t, "the posted function", in) {
			t.Error("a posted function is not on the loop")
		}
	})
}

func TestLoop_AStoppedLoopIsNotFound(t *testing.T) {
	l := hop.NewLoop(nil)
	id := l.ID()
	within(t, patience, "Close", func() { l.Close() })
	if hop.LoopByID(id) != nil || slices.Contains(hop.Loops(), l) {
		t.Error("a stopped loop is found by its ID, or among Loops")
	}
	if l.Here() {
		t.Error("Here on a stopped loop")
	}
}

func TestLoop_IDsAndNamesAreItsOwn(t *testing.T) {
	a, b := newLoop(t, &hop.LoopOptions{Name: "same"}), newLoop(t, &hop.LoopOptions{Name: "same"})
	if a.ID() == b.ID() {
		t.Error("two loops with one ID")
	}
	if a.Name() != "same" || newLoop(t, nil).Name() == "" {
		t.Error("Name is not the one given, or a loop without a name has none")
	}
}

func TestLoop_SharedIsOneProtectedLoop(t *testing.T) {
	s := hop.Shared()
	if s != hop.Shared() {
		t.Error("two shared loops")
	}
	wantIs(t, s.Close(), hop.ErrProtected)
	wantIs(t, s.Shutdown(bg), hop.ErrProtected)
	if v := must(t, hop.Go(bg, s, value(1))); v != 1 {
		t.Error("it does not run")
	}
}

func TestLoop_YieldLetsOthersRun(t *testing.T) {
	l := newLoop(t, nil)
	var order []string
	busy, release := started()
	l.Post(func() { <-busy })
	mk := func(name string) *hop.Pending[int] {
		return hop.Go(bg, l, func(ctx context.Context) (int, error) {
			for i := range 3 {
				order = append(order, fmt.Sprint(name, i))
				if err := hop.Yield(ctx); err != nil {
					return 0, err
				}
			}
			return 0, nil
		})
	}
	a, b := mk("a"), mk("b")
	release()
	must(t, a)
	must(t, b)
	if got := fmt.Sprint(order); got != "[a0 b0 a1 b1 a2 b2]" {
		t.Errorf("order %s, want [a0 b0 a1 b1 a2 b2]", got)
	}
}

func TestLoop_MisuseOfOptionsPanics(t *testing.T) {
	host := newLoop(t, nil)
	for name, f := range map[string]func(){
		"Host with Thread":    func() { hop.NewLoop(&hop.LoopOptions{Host: host, Thread: true}) },
		"Host with Manual":    func() { hop.NewLoop(&hop.LoopOptions{Host: host, Manual: true}) },
		"negative QueueLimit": func() { hop.NewLoop(&hop.LoopOptions{QueueLimit: -1}) },
		"RunLoop with Host":   func() { hop.RunLoop(bg, &hop.LoopOptions{Host: host}, value(1)) },
		"RunLoop with Manual": func() { hop.RunLoop(bg, &hop.LoopOptions{Manual: true}, value(1)) },
		"zero Loop":           func() { new(hop.Loop).Submit(hop.New(bg, value(1)).Call()) },
		"zero Pool":           func() { new(hop.Pool).Submit(hop.New(bg, value(1)).Call()) },
		"zero Waiter":         func() { new(hop.Waiter).Submit(hop.New(bg, value(1)).Call()) },
		"negative pool Size":  func() { hop.NewPool(&hop.PoolOptions{Size: -1}) },
		"negative pool limit": func() { hop.NewPool(&hop.PoolOptions{QueueLimit: -1}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if s := fmt.Sprint(recover()); !strings.HasPrefix(s, "hop: ") {
					t.Errorf("panic %q, want one that starts with hop:", s)
				}
			}()
			f()
		})
	}
}
