package upstream_test

// The main thread is the process's, so these scenarios run in a process of their own: this binary again, with the
// scenario's name in the environment, before package testing has begun.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

const onMainEnv = "HOP_UPSTREAM_ON_MAIN"

// onMain are the scenarios by name; each is called from main.
var onMain = map[string]func() error{}

func runOnMain(name string) int {
	if err := onMain[name](); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("fine")
	return 0
}

// testOnMain runs a scenario in a process of its own.
func testOnMain(t *testing.T, name string) {
	t.Helper()
	needsThread(t)
	ctx, cancel := context.WithTimeout(bg, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), onMainEnv+"="+name)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "fine\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// check is a step of a scenario, whose failure is found by its text.
func check(ok bool, what string, args ...any) {
	if !ok {
		panic("not so: " + fmt.Sprintf(what, args...))
	}
}

func init() {
	onMain["GetStartMainThread"] = func() error {
		early := hop.Go(bg, mainthread.Loop(), value("early"))
		check(!early.Call().State().Done(), "a call before the start is not done")
		return mainthread.Run(bg, func(ctx context.Context) error {
			v, err := early.Wait(ctx)
			check(v == "early" && err == nil, "the early call: %v, %v", v, err)
			check(hop.CurrentLoop() == nil, "f runs beside the loop")
			return hop.Run(ctx, mainthread.Loop(), func(ctx context.Context) error {
				check(hop.CurrentLoop() == mainthread.Loop() && mainthread.Loop().Here(), "the call is on the main loop")
				check(hop.LoopByID(mainthread.Loop().ID()) == mainthread.Loop(), "it is found by its id")
				return hop.Yield(ctx)
			})
		})
	}
	onMain["CallerMainThreadStopped"] = func() error {
		var l *hop.Loop
		err := mainthread.Run(bg, func(ctx context.Context) error {
			l = mainthread.Loop()
			check(l.Close() != nil, "it is protected")
			check(!isDone(l.Stopped()), "it runs")
			return errWhy
		})
		check(err == errWhy, "Run's error is f's: %v", err)
		check(isDone(l.Stopped()), "it has stopped with Run")
		_, err = hop.Go(bg, l, value(1)).Wait(bg)
		check(err != nil, "a stopped loop refuses")
		return nil
	}
	onMain["SixSteps"] = func() error {
		// main to a worker and back to main, which waits there.
		return mainthread.Run(bg, func(ctx context.Context) error {
			return hop.Run(ctx, mainthread.Loop(), func(ctx context.Context) error {
				v, err := hop.Blocking(ctx, func(ctx context.Context) (int, error) {
					return hop.Do(ctx, hop.Origin(ctx), func(context.Context) (int, error) {
						check(mainthread.Loop().Here(), "back on main")
						return 6, nil
					})
				})
				check(v == 6, "%d", v)
				return err
			})
		})
	}
}

func TestKernelCaller_GetStartMainThread(t *testing.T) { testOnMain(t, "GetStartMainThread") }

func TestKernelCaller_CallerMainThreadStopped(t *testing.T) { testOnMain(t, "CallerMainThreadStopped") }

func TestPrefectWaiters_FromTheMainThreadToAWorkerAndBack(t *testing.T) { testOnMain(t, "SixSteps") }
