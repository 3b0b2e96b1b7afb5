package upstream_test

// Prefect's test_api.py: from_sync and from_async. In hop both are the same functions, so each test runs from both.

import (
	"context"
	"runtime/pprof"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

type key string

// asyncBody is a function that waits; syncBody is one that does not.
func syncBody(context.Context) (int, error) { return 1, nil }

func asyncBody(ctx context.Context) (int, error) {
	if err := hop.Yield(ctx); err != nil {
		return 0, err
	}
	return hop.Go(ctx, hop.Goroutines, syncBody).Wait(ctx)
}

func newThread(t *testing.T) hop.Portal {
	return newPool(t, &hop.PoolOptions{Name: "new thread", Threads: !wasm, MaxIdle: -1})
}

func loopThread(t *testing.T) hop.Portal {
	return newLoop(t, &hop.LoopOptions{Name: "loop thread", Thread: !wasm})
}

func waitForCall(t *testing.T, where func(*testing.T) hop.Portal) {
	on := where(t)
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		for name, body := range map[string]func(context.Context) (int, error){"sync": syncBody, "async": asyncBody} {
			if v, err := hop.Do(ctx, on, body); v != 1 || err != nil {
				t.Errorf("%s body: %d, %v", name, v, err)
			}
		}
		if _, err := hop.Do(ctx, on, failure(errWhy)); err != errWhy {
			t.Errorf("error %v, want %v itself", err, errWhy)
		}
	})
}

func TestPrefectAPI_WaitForCallInNewThread(t *testing.T)  { waitForCall(t, newThread) }
func TestPrefectAPI_WaitForCallInLoopThread(t *testing.T) { waitForCall(t, loopThread) }

func callSoon(t *testing.T, where func(*testing.T) hop.Portal) {
	on := where(t)
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		a, b := hop.Go(ctx, on, syncBody), hop.Go(ctx, on, asyncBody)
		for _, p := range []*hop.Pending[int]{b, a} {
			if v, err := p.Wait(ctx); v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}
	})
}

func TestPrefectAPI_CallInNewThread(t *testing.T)  { callSoon(t, newThread) }
func TestPrefectAPI_CallInLoopThread(t *testing.T) { callSoon(t, loopThread) }

// capturesContext: what is in the context where the call is made is in the function's, whatever happens to be in the one
// it is submitted or waited for under.
func capturesContext(t *testing.T, where func(*testing.T) hop.Portal) {
	on := where(t)
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		made := context.WithValue(ctx, key("v"), "at creation")
		made = pprof.WithLabels(made, pprof.Labels("label", "at creation"))
		body := func(ctx context.Context) (string, error) {
			before := ctx.Value(key("v"))
			if err := hop.Yield(ctx); err != nil {
				return "", err
			}
			if l, _ := pprof.Label(ctx, "label"); l != "at creation" || ctx.Value(key("v")) != before {
				t.Errorf("label %q, value %v", l, ctx.Value(key("v")))
			}
			return before.(string), nil
		}
		p := hop.New(made, body)
		later := context.WithValue(ctx, key("v"), "at submission")
		hop.Go(later, hop.Inline, func(context.Context) (int, error) { return 0, on.Submit(p.Call()) })
		if v, err := p.Wait(later); v != "at creation" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		if v, err := hop.Do(made, on, body); v != "at creation" || err != nil {
			t.Errorf("Do: %q, %v", v, err)
		}
	})
}

func TestPrefectAPI_WaitForCallInNewThreadCapturesContextVariables(t *testing.T) {
	capturesContext(t, newThread)
}

func TestPrefectAPI_WaitForCallInLoopThreadCapturesContextVariables(t *testing.T) {
	capturesContext(t, loopThread)
}

func timesOut(t *testing.T, where func(*testing.T) hop.Portal) {
	// Whichever side notices first, the error is the same.
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		on := where(t)
		_, err := hop.Do(ctx, on, sleep(time.Hour), hop.Timeout(time.Second))
		wantTimeout(t, err) // the function's time
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = hop.Do(bounded, on, sleep(time.Hour))
		wantTimeout(t, err) // the caller's
		_, err = hop.Do(bounded, on, sleep(0))
		wantTimeout(t, err) // over before it began
	})
}

func TestPrefectAPI_WaitForCallInNewThreadTimeout(t *testing.T)  { timesOut(t, newThread) }
func TestPrefectAPI_WaitForCallInLoopThreadTimeout(t *testing.T) { timesOut(t, loopThread) }

func TestPrefectAPI_FromSyncCallInLoopThreadFromLoopThread(t *testing.T) {
	l := newLoop(t, nil)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		me := goid()
		queued := false
		hop.Go(ctx, l, func(context.Context) (int, error) { queued = true; return 0, nil })
		return hop.Do(ctx, l, func(context.Context) (int, error) {
			if goid() != me || queued {
				t.Error("it does not run inline")
			}
			return 4, nil
		})
	})
	if v := must(t, p); v != 4 {
		t.Error(v)
	}
}

func TestPrefectAPI_FromAsyncCallInLoopThreadFromLoopThread(t *testing.T) {
	l := newLoop(t, nil)
	others := 0
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		l.Post(func() { others++ })
		v, err := hop.Go(ctx, l, asyncBody).Wait(ctx)
		if others != 1 {
			t.Error("the loop stood still")
		}
		return v, err
	})
	if v := must(t, p); v != 1 {
		t.Error(v)
	}
}

func TestPrefectAPI_TheTypeOfTheResultDoesNotDependOnTheCaller(t *testing.T) {
	// There, a call from the loop's own thread gives an awaitable where it gives a value elsewhere. Here Do is a value and
	// Go is a Pending, wherever; a posted function, which is no coroutine there, can wait as well.
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, nil)
		got := make(chan int, 1)
		l.Post(func() {
			v, err := hop.Do(bg, l, asyncBody)
			if err != nil {
				t.Error(err)
			}
			got <- v
		})
		if v := recv(t, "Do from a posted function", got); v != 1 {
			t.Error(v)
		}
	})
}
