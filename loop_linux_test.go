package hop_test

// S23, and what else can be seen of threads: which one runs a call, what becomes of it, what it costs.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gohop/hop"
)

// tidOf is the thread that on runs a call on.
func tidOf(t testing.TB, on hop.Portal) int {
	t.Helper()
	return must(t, hop.Go(bg, on, func(context.Context) (int, error) { return syscall.Gettid(), nil }))
}

func threadAlive(tid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
	return err == nil
}

// onThreads runs f on each kind of place that has one OS thread.
func onThreads(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	t.Helper()
	for name, make := range map[string]func(t *testing.T) hop.Portal{
		"Loop": func(t *testing.T) hop.Portal { return newLoop(t, &hop.LoopOptions{Thread: true}) },
		"ManualLoop": func(t *testing.T) hop.Portal {
			l := newLoop(t, &hop.LoopOptions{Thread: true, Manual: true})
			done := spawn(func() { l.Run(bg) })
			t.Cleanup(func() { l.Close(); recv(t, "Run", done) })
			return l
		},
		"GuestOfThreadLoop": func(t *testing.T) hop.Portal {
			return newLoop(t, &hop.LoopOptions{Host: newLoop(t, &hop.LoopOptions{Thread: true})})
		},
		"ThreadChild": func(t *testing.T) hop.Portal {
			l, err := newLoop(t, nil).Child("child", &hop.LoopOptions{Thread: true})
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
	} {
		t.Run(name, func(t *testing.T) { f(t, make(t)) })
	}
}

// spawn runs f on a goroutine and returns a channel that is closed when it has returned.
func spawn(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

func TestS23_ATaskStaysOnItsThreadThroughEveryWait(t *testing.T) {
	onThreads(t, func(t *testing.T, on hop.Portal) {
		l := on.(*hop.Loop)
		pool := newPool(t, nil)
		tid := tidOf(t, on)
		var ps []*hop.Pending[int]
		for i := range 50 {
			ps = append(ps, hop.Go(bg, on, func(ctx context.Context) (int, error) {
				waits := []func() error{
					func() error { return hop.Yield(ctx) },
					func() error { return hop.Sleep(ctx, time.Duration(i%5)*time.Millisecond) },
					func() error { _, err := hop.Do(ctx, pool, value(1)); return err },
					func() error {
						_, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) {
							if syscall.Gettid() == tid {
								t.Error("another goroutine runs on the loop's thread")
							}
							return hop.Do(ctx, on, value(1))
						})
						return err
					},
					func() error {
						_, err := hop.Do(ctx, on, func(ctx context.Context) (int, error) {
							defer func() {
								if syscall.Gettid() != tid {
									t.Error("an inline call is on another thread")
								}
							}()
							return 0, hop.Yield(ctx)
						})
						return err
					},
				}
				for n, w := range waits {
					if got := syscall.Gettid(); got != tid {
						return 0, fmt.Errorf("before wait %d on thread %d, want %d", n, got, tid)
					}
					if err := w(); err != nil {
						return 0, err
					}
				}
				if got := syscall.Gettid(); got != tid {
					return 0, fmt.Errorf("at the end on thread %d, want %d", got, tid)
				}
				return 0, nil
			}))
		}
		for _, p := range ps {
			if err := waitErr(t, p); err != nil {
				t.Fatal(err)
			}
		}
		posted := make(chan int, 2)
		l.Post(func() {
			posted <- syscall.Gettid()
			hop.Sleep(bg, time.Millisecond)
			posted <- syscall.Gettid()
		})
		for range 2 {
			if got := recv(t, "the posted function", posted); got != tid {
				t.Errorf("a posted function on thread %d, want %d", got, tid)
			}
		}
	})
}

func TestS13_TheThreadIsTheSameAfterPanicsAndGoexits(t *testing.T) {
	onThreads(t, func(t *testing.T, on hop.Portal) {
		tid := tidOf(t, on)
		for _, f := range []func(context.Context) (int, error){
			func(context.Context) (int, error) { panic("boom") },
			func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
			func(ctx context.Context) (int, error) { hop.Yield(ctx); runtime.Goexit(); return 0, nil },
			func(ctx context.Context) (int, error) { hop.Yield(ctx); panic("boom") },
		} {
			suspended := hop.Go(bg, on, func(ctx context.Context) (int, error) {
				err := hop.Sleep(ctx, 5*time.Millisecond)
				return syscall.Gettid(), err
			})
			if err := waitErr(t, hop.Go(bg, on, f)); err == nil {
				t.Error("no error")
			}
			if got := tidOf(t, on); got != tid {
				t.Fatalf("the next call is on thread %d, want %d", got, tid)
			}
			if got := must(t, suspended); got != tid {
				t.Fatalf("the suspended task goes on on thread %d, want %d", got, tid)
			}
		}
	})
}

func TestS23_OnShutdownOnDoneAndLocalsAreOnTheThread(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{Thread: true})
	tid := tidOf(t, l)
	hook, done, opened, closed := 0, 0, 0, 0
	local := hop.NewLocal(func(context.Context) (int, error) { opened = syscall.Gettid(); return 1, nil },
		func(int) error { closed = syscall.Gettid(); return nil })
	l.OnShutdown(func(ctx context.Context) error {
		hop.Sleep(ctx, time.Millisecond)
		hook = syscall.Gettid()
		return nil
	})
	p := hop.New(bg, func(ctx context.Context) (int, error) { return local.Get(ctx) })
	p.OnDone(func() { done = syscall.Gettid() })
	l.Submit(p.Call())
	must(t, p)
	within(t, patience, "Shutdown", func() {
		if err := l.Shutdown(bg); err != nil {
			t.Error(err)
		}
	})
	if hook != tid || done != tid || opened != tid || closed != tid {
		t.Errorf("OnShutdown on %d, OnDone on %d, Local opened on %d, closed on %d; want %d for all", hook, done, opened, closed, tid)
	}
}

func TestRunLoop_WithThreadIsOnTheCallersThread(t *testing.T) {
	within(t, patience, "RunLoop", func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		me := syscall.Gettid()
		for _, thread := range []bool{false, true} {
			tid, err := hop.RunLoop(bg, &hop.LoopOptions{Thread: thread}, func(ctx context.Context) (int, error) {
				err := hop.Sleep(ctx, time.Millisecond)
				return syscall.Gettid(), err
			})
			if tid != me || err != nil {
				t.Errorf("Thread %v: on thread %d, %v; want %d", thread, tid, err, me)
			}
			if got := syscall.Gettid(); got != me {
				t.Errorf("the caller is on thread %d afterwards, want %d", got, me)
			}
		}
	})
}

func TestS24_AManualThreadLoopOnLockedAndUnlockedGoroutines(t *testing.T) {
	// Driven by turns from goroutines that have locked their thread and that have not, with nothing suspended in between.
	l := newLoop(t, &hop.LoopOptions{Thread: true, Manual: true})
	for i := range 4 {
		ctx, cancel := context.WithCancel(bg)
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			a := syscall.Gettid()
			hop.Sleep(ctx, time.Millisecond)
			if syscall.Gettid() != a {
				return 0, errors.New("the task changed its thread")
			}
			return a, nil
		})
		p.OnDone(cancel)
		within(t, patience, "Run", func() {
			if i%2 == 0 {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			l.Run(ctx)
		})
		must(t, p)
	}
}

func TestS24_AManualLoopOfALockedGoroutineDrivenByAnother(t *testing.T) {
	// A task suspended under a goroutine that has locked its thread cannot be resumed by one that has not, or the process
	// dies. Whatever Run does about it (refuse, or lock too), the process lives and the task is not lost.
	l := hop.NewLoop(&hop.LoopOptions{Manual: true})
	pr := hop.NewPromise[int](bg)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
	ctx, cancel := context.WithCancel(bg)
	l.Post(cancel)
	within(t, patience, "Run on a locked goroutine", func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		l.Run(ctx)
	})
	wantState(t, p.Call(), hop.Waiting)
	pr.Resolve(1)
	ctx, cancel = context.WithTimeout(bg, time.Second)
	defer cancel()
	p.OnDone(cancel)
	within(t, patience, "Run on another", func() { l.Run(ctx) })
	within(t, patience, "Close", func() { l.Close() })
	if err := waitErr(t, p); err != nil {
		wantIs(t, err, hop.ErrStopped)
	}
}

func TestS23_ThreadLoopsHaveThreadsOfTheirOwnAndNeverTheMainThread(t *testing.T) {
	const n = 100
	main := syscall.Getpid()
	for range 3 {
		seen := map[int]bool{}
		var loops []*hop.Loop
		var starters sync.WaitGroup
		var mu sync.Mutex
		for range n {
			starters.Go(func() {
				l := hop.NewLoop(&hop.LoopOptions{Thread: true})
				mu.Lock()
				defer mu.Unlock()
				loops = append(loops, l)
			})
		}
		within(t, patience, "the loops start", starters.Wait)
		pool := hop.NewPool(&hop.PoolOptions{Size: n, MaxIdle: n, Threads: true})
		var places []hop.Portal
		for _, l := range loops {
			places = append(places, l)
		}
		for range n / 2 {
			places = append(places, pool)
		}
		all, arrive := started()
		var in sync.WaitGroup
		in.Add(len(places))
		var ps []*hop.Pending[int]
		for _, on := range places {
			ps = append(ps, hop.Go(bg, on, func(context.Context) (int, error) {
				in.Done()
				<-all // all at once, so that no two calls share a worker
				return syscall.Gettid(), nil
			}))
		}
		within(t, patience, "every thread", in.Wait)
		arrive()
		for _, p := range ps {
			tid := must(t, p)
			if tid == main {
				t.Error("the main thread was taken")
			}
			if seen[tid] {
				t.Errorf("two places on thread %d", tid)
			}
			seen[tid] = true
		}
		within(t, 2*patience, "Close", func() {
			for _, l := range loops {
				l.Close()
			}
			pool.Close()
		})
		for tid := range seen {
			eventually(t, fmt.Sprintf("thread %d is gone", tid), func() bool { return !threadAlive(tid) })
		}
	}
}

func TestS27_AChangedThreadIsNotReused(t *testing.T) {
	// A name given to a loop's thread must be gone with the loop: a thread whose state was changed ends.
	const name = "hop-marked"
	mark := func(context.Context) (int, error) {
		b := append([]byte(name), 0)
		_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0)
		runtime.KeepAlive(b)
		if errno != 0 {
			return 0, errno
		}
		return syscall.Gettid(), nil
	}
	marked := func() (tids []string) {
		dir, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range dir {
			comm, err := os.ReadFile("/proc/self/task/" + e.Name() + "/comm")
			if err == nil && strings.TrimSpace(string(comm)) == name {
				tids = append(tids, e.Name())
			}
		}
		return tids
	}
	var closers []func() error
	var loops, pools []int
	for range 5 {
		l := hop.NewLoop(&hop.LoopOptions{Thread: true})
		p := hop.NewPool(&hop.PoolOptions{Threads: true})
		loops = append(loops, must(t, hop.Go(bg, l, mark)))
		pools = append(pools, must(t, hop.Go(bg, p, mark)))
		closers = append(closers, l.Close, p.Close)
	}
	if len(marked()) == 0 {
		t.Fatal("no thread is marked: the test sees nothing")
	}
	within(t, patience, "Close", func() {
		for _, c := range closers {
			if err := c(); err != nil {
				t.Error(err)
			}
		}
	})
	for end := time.Now().Add(patience); len(marked()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("threads %v of process %d still have the name; the loops' were %v, the pools' %v", marked(), syscall.Getpid(), loops, pools)
		}
	}
}

func TestS31_EachWorkerOfAThreadPoolIsAThread(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 4, Threads: true})
	var in sync.WaitGroup
	in.Add(4)
	all, arrive := started()
	var ps []*hop.Pending[int]
	for range 4 {
		ps = append(ps, hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			tid := syscall.Gettid()
			in.Done()
			<-all
			for range 3 {
				hop.Sleep(ctx, time.Millisecond)
				if got := syscall.Gettid(); got != tid {
					return 0, fmt.Errorf("on thread %d after a wait, want %d", got, tid)
				}
			}
			return tid, nil
		}))
	}
	within(t, patience, "the calls start", in.Wait)
	arrive()
	seen := map[int]bool{}
	for _, p := range ps {
		tid := must(t, p)
		if seen[tid] {
			t.Errorf("two calls on thread %d", tid)
		}
		seen[tid] = true
	}
	within(t, patience, "Close", func() { pool.Close() })
	for tid := range seen {
		eventually(t, fmt.Sprintf("thread %d is gone", tid), func() bool { return !threadAlive(tid) })
	}
}

func cpuTime() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func TestS27_IdleUsesNoCPU(t *testing.T) {
	host := newLoop(t, nil)
	for i := range 20 {
		for _, l := range []*hop.Loop{newLoop(t, &hop.LoopOptions{Thread: i%2 == 0}), newLoop(t, &hop.LoopOptions{Host: host})} {
			must(t, hop.Go(bg, l, value(1)))
			hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			hop.After(bg, time.Hour, l, value(1))
		}
		must(t, hop.Go(bg, newPool(t, &hop.PoolOptions{Threads: i%2 == 0}), value(1)))
	}
	runtime.GC()
	const d = 500 * time.Millisecond
	least := time.Hour
	for range 5 { // the best of five: the runtime itself may be at work
		before := cpuTime()
		time.Sleep(d)
		if used := cpuTime() - before; used < least {
			least = used
		}
		if least < d/100 {
			break
		}
	}
	if least >= d/50 {
		t.Errorf("60 idle loops and pools used %v of CPU in %v", least, d)
	}
}

func TestS23_GuestsOfOneHostAreOnItsThread(t *testing.T) {
	host := newLoop(t, &hop.LoopOptions{Thread: true})
	want := tidOf(t, host)
	for range 2 {
		guest := newLoop(t, &hop.LoopOptions{Host: host})
		inner := newLoop(t, &hop.LoopOptions{Host: guest})
		for _, l := range []*hop.Loop{guest, inner} {
			tid := must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if hop.CurrentLoop() != l {
					return 0, errors.New("CurrentLoop is not the guest")
				}
				err := hop.Sleep(ctx, time.Millisecond)
				return syscall.Gettid(), err
			}))
			if tid != want {
				t.Errorf("a guest's task is on thread %d, want %d", tid, want)
			}
		}
	}
}

func TestS14_AStackOfAPanicOnAThreadIsThatOfTheTask(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Thread: true})
	err := waitErr(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
		hop.Sleep(ctx, time.Millisecond)
		return panickingFunction()
	}))
	var pe *hop.PanicError
	if !errors.As(err, &pe) || !bytes.Contains(pe.Stack, []byte("panickingFunction")) {
		t.Errorf("error %v, want the panic with its stack", err)
	}
}

// A Manual loop with Thread keeps its thread between two Runs while tasks are suspended: their coroutines belong to it.
func TestS23_AManualLoopKeepsItsThreadBetweenRuns(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, l *hop.Loop, p *hop.Pending[int]){
		"Run": func(t *testing.T, l *hop.Loop, p *hop.Pending[int]) {
			ctx, cancel := context.WithCancel(bg)
			p.OnDone(cancel)
			l.Run(ctx)
			if v, err := p.Result(); v != 3 || err != nil {
				t.Errorf("result %d, %v", v, err)
			}
			l.Close()
		},
		"Close": func(t *testing.T, l *hop.Loop, p *hop.Pending[int]) {
			l.Close()
			if _, err := p.Result(); !errors.Is(err, hop.ErrStopped) {
				t.Errorf("error %v, want stopped", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, patience, "the driver", func() {
				l := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true})
				var before, after int
				ctx, cancel := context.WithCancel(bg)
				var event hop.Event
				p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
					before = syscall.Gettid()
					cancel()
					err := event.Wait(ctx)
					after = syscall.Gettid()
					return 3, err
				})
				l.Run(ctx)
				// Others would take the thread if it had been let go of.
				over := make(chan struct{})
				defer close(over)
				for range 20 {
					locked := make(chan struct{})
					go func() { runtime.LockOSThread(); close(locked); <-over }()
					<-locked
				}
				event.Set()
				end(t, l, p)
				if before != after {
					t.Errorf("the task ran on thread %d, then on %d", before, after)
				}
			})
		})
	}
}

// A Manual loop with Thread that nobody drives is closed on a thread of its own.
func TestS23_AnUndrivenLoopIsNotClosedOnTheFirstThread(t *testing.T) {
	for range 100 {
		l := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true})
		first := false
		l.OnShutdown(func(context.Context) error { first = syscall.Gettid() == os.Getpid(); return nil })
		over := make(chan struct{})
		for range 2 { // so that the first thread is likely to be free
			go func() { runtime.LockOSThread(); <-over }()
		}
		l.Close()
		close(over)
		if first {
			t.Fatal("the loop's shutdown functions ran on the process's first thread")
		}
	}
}
