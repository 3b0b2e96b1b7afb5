package hop_test

// The mixed load of fault_load_test.go under pressure: few and many processors, a collector that never rests, other settings of
// the runtime.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestFault_UnderEachGOMAXPROCS(t *testing.T) {
	if wasm {
		t.Skip("wasm has one processor")
	}
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	for n := 1; n <= 16; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			runtime.GOMAXPROCS(n)
			underLoad(t, uint64(n), 150)
		})
	}
}

// The number of processors changes while everything runs.
func TestFault_WhileGOMAXPROCSChanges(t *testing.T) {
	if wasm {
		t.Skip("wasm has one processor")
	}
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	beside(t, func(n int) { runtime.GOMAXPROCS(1 + n%8) })
	underLoad(t, 1, 400)
}

func TestFault_WhileTheCollectorRuns(t *testing.T) {
	before := debug.SetGCPercent(1)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	beside(t, func(int) { runtime.GC() })
	underLoad(t, 1, 300)
}

// Pendings that nobody holds while they run: nothing of them may be collected too early.
func TestFault_TheCollectorAndCallsThatNobodyHolds(t *testing.T) {
	before := debug.SetGCPercent(1)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	beside(t, func(int) { runtime.GC() })
	eachPlace(t, func(t *testing.T, k kind, on hop.Portal) {
		var ended atomic.Int64
		const n = 100
		for range n {
			p := hop.New(bg, func(ctx context.Context) (int, error) {
				hop.Sleep(ctx, 10*time.Microsecond)
				return 1, hop.Yield(ctx)
			}, hop.Timeout(time.Hour))
			p.OnDone(func() { ended.Add(1) })
			on.Submit(p.Call())
		}
		eventually(t, "the end of all", func() bool { return ended.Load() == n })
	})
}

// beside runs f again and again, until the end of the test.
func beside(t *testing.T, f func(n int)) {
	stop := make(chan struct{})
	over := inBackground(func() {
		for n := 0; !isDone(stop); n++ {
			f(n)
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(func() { close(stop); recv(t, "what runs beside", over) })
}

// inChild runs f in a child process, the same test in the same binary, with env, and returns what that printed and how it
// ended. In the child it does not return. f may fail the test.
func inChild(t *testing.T, prepare func(cmd *exec.Cmd), f func(), env ...string) (string, error) {
	t.Helper()
	if wasm {
		t.Skip("wasm cannot start a second process")
	}
	const mark = "HOP_TEST_CHILD"
	if os.Getenv(mark) == t.Name() {
		f()
		if t.Failed() {
			t.FailNow()
		}
		t.SkipNow() // the rest is the parent's
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.timeout=25s", "-test.v")
	cmd.Env = append(append(os.Environ(), mark+"="+t.Name()), env...)
	if prepare != nil {
		prepare(cmd)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestFault_UnderOtherSettingsOfTheRuntime(t *testing.T) {
	for _, env := range []string{
		"GODEBUG=asyncpreemptoff=1",
		"GOGC=1",
		"GOGC=off",
		"GODEBUG=gcstoptheworld=1",
		"GODEBUG=asynctimerchan=1",
	} {
		t.Run(strings.NewReplacer("=", " ").Replace(env), func(t *testing.T) {
			out, err := inChild(t, nil, func() { underLoad(t, 1, 200) }, env)
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A program that has too few threads is told so by the runtime and ends; it does not hang.
func TestFault_TooFewThreads(t *testing.T) {
	out, err := inChild(t, nil, func() {
		debug.SetMaxThreads(20)
		// A pool that stays within the limit works.
		small := newPool(t, &hop.PoolOptions{Size: 3, Threads: true})
		for range 30 {
			must(t, hop.Go(bg, small, value(1)))
		}
		fmt.Println("the small pool works")
		takeAllThreads(t)
	})
	wantOutOfThreads(t, out, err)
}

// takeAllThreads has a hundred calls at once on a pool of threads.
func takeAllThreads(t *testing.T) {
	large := hop.NewPool(&hop.PoolOptions{Threads: true})
	g := newGate(t)
	for range 100 {
		hop.Go(bg, large, func(context.Context) (int, error) { g.pass(); return 1, nil })
	}
	time.Sleep(patience)
	fmt.Println("it has a hundred threads")
	os.Exit(0)
}

func wantOutOfThreads(t *testing.T, out string, err error) {
	t.Helper()
	if !strings.Contains(out, "the small pool works") {
		t.Fatalf("the small pool does not work: %v\n%s", err, out)
	}
	if err == nil || strings.Contains(out, "test timed out") || !strings.Contains(out, "thread") || strings.Contains(out, "it has a hundred") {
		t.Errorf("the process ended with %v and without a word of threads:\n%s", err, out)
	}
}
