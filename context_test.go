package hop_test

// S37 and S38: what a call's context carries, and the profile labels.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

type userKey struct{}

func TestS37_ValuesFlowIn(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx := context.WithValue(t.Context(), userKey{}, "outer")
		look := func(ctx context.Context) (any, error) { return ctx.Value(userKey{}), nil }
		if got := must(t, hop.Go(ctx, on, look)); got != "outer" {
			t.Errorf("Go: %v", got)
		}
		if got := must(t, hop.After(ctx, 0, on, look)); got != "outer" {
			t.Errorf("After: %v", got)
		}
		p := hop.New(ctx, look)
		if err := on.Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
		if got := must(t, p); got != "outer" {
			t.Errorf("New: %v", got)
		}
		within(t, patience, "Do", func() {
			if got, _ := hop.Do(ctx, on, look); got != "outer" {
				t.Errorf("Do: %v", got)
			}
		})
		afterWait := func(ctx context.Context) (any, error) {
			err := hop.Sleep(ctx, time.Microsecond)
			return ctx.Value(userKey{}), err
		}
		if got := must(t, hop.Go(ctx, on, afterWait)); got != "outer" {
			t.Errorf("after a wait: %v", got)
		}
	})
}

func TestS37_ValuesFlowThroughNestedCalls(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	ctx := context.WithValue(t.Context(), userKey{}, "outer")
	got := must(t, hop.Go(ctx, l, func(ctx context.Context) (string, error) {
		inner := context.WithValue(ctx, userKey{}, "inner")
		fromInner, err := hop.Do(inner, pool, func(ctx context.Context) (string, error) {
			return hop.Do(ctx, l, func(ctx context.Context) (string, error) { return fmt.Sprint(ctx.Value(userKey{})), nil })
		})
		return fmt.Sprint(fromInner, " in ", ctx.Value(userKey{})), err
	}))
	if got != "inner in outer" {
		t.Errorf("got %q", got)
	}
}

func TestS37_ValuesSetInsideDoNotLeakOut(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) (any, error) {
			ctx = context.WithValue(ctx, userKey{}, "inside")
			return ctx.Value(userKey{}), hop.Yield(ctx)
		})
		must(t, p)
		if got := p.Call().Context().Value(userKey{}); got != nil {
			t.Errorf("the call's context has %v", got)
		}
		if got := must(t, hop.Go(t.Context(), on, func(ctx context.Context) (any, error) { return ctx.Value(userKey{}), nil })); got != nil {
			t.Errorf("the next call has %v", got)
		}
	})
}

func TestS37_TheContextCarriesTheCall(t *testing.T) {
	if c := hop.CurrentCall(t.Context()); c != nil {
		t.Errorf("outside any call CurrentCall gives %v", c)
	}
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) ([3]*hop.Call, error) {
			in, err := hop.Do(ctx, on, func(ctx context.Context) (*hop.Call, error) { return hop.CurrentCall(ctx), nil })
			_ = hop.Yield(ctx)
			return [3]*hop.Call{hop.CurrentCall(ctx), in, hop.CurrentCall(context.WithValue(ctx, userKey{}, 1))}, err
		})
		got := must(t, p)
		if got[0] != p.Call() || got[2] != p.Call() {
			t.Errorf("inside it is %v and %v, want %v", got[0], got[2], p.Call())
		}
		if got[1] == nil || got[1] == p.Call() {
			t.Errorf("in the inner call it is %v", got[1])
		}
		if hop.CurrentCall(t.Context()) != nil {
			t.Error("it leaked into the submitter's context")
		}
	})
}

func TestS37_TheContextCarriesTheGroup(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "WithGroup", func() {
			err := hop.WithGroup(t.Context(), nil, func(ctx context.Context) error {
				want := hop.CurrentGroup(ctx)
				got, err := hop.Go(ctx, on, func(ctx context.Context) (*hop.Group, error) { return hop.CurrentGroup(ctx), nil }).Wait(ctx)
				if want == nil || got != want {
					t.Errorf("inside the call the group is %p, where it was made %p", got, want)
				}
				return err
			})
			if err != nil {
				t.Errorf("WithGroup: %v", err)
			}
		})
	})
}

func TestS37_TheContextCarriesTheOrigin(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	got := must(t, hop.Go(t.Context(), l, func(ctx context.Context) (hop.Portal, error) {
		return hop.Do(ctx, pool, func(ctx context.Context) (hop.Portal, error) { return hop.Origin(ctx), nil })
	}))
	if got != hop.Portal(l) {
		t.Errorf("origin is %v, want the loop that waits", got)
	}
	within(t, patience, "Do", func() {
		o, _ := hop.Do(t.Context(), pool, func(ctx context.Context) (hop.Portal, error) { return hop.Origin(ctx), nil })
		if o == nil {
			t.Error("no origin though a goroutine waits in Do")
		}
	})
	if got := must(t, hop.Go(t.Context(), pool, func(ctx context.Context) (hop.Portal, error) { return hop.Origin(ctx), nil })); got != nil {
		t.Errorf("origin is %v of a call that nobody made where it could be taken", got)
	}
}

func TestS37_TheSubmittersCancellationReachesTheFunctionWithItsCause(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancelCause(t.Context())
		started, seen := make(chan struct{}), make(chan error, 2)
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			seen <- ctx.Err()
			seen <- context.Cause(ctx)
			return 1, nil
		})
		recv(t, "start", started)
		cancel(errEnough)
		if err := recv(t, "ctx.Err", seen); err != context.Canceled {
			t.Errorf("ctx.Err() is %v", err)
		}
		if err := recv(t, "context.Cause", seen); err != errEnough {
			t.Errorf("context.Cause is %v", err)
		}
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS37_TheSubmittersDeadlineIsVisible(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		want := time.Now().Add(time.Hour)
		ctx, cancel := context.WithDeadline(t.Context(), want)
		defer cancel()
		got := must(t, hop.Go(ctx, on, func(ctx context.Context) (time.Time, error) { d, _ := ctx.Deadline(); return d, nil }))
		if !got.Equal(want) {
			t.Errorf("deadline %v, want %v", got, want)
		}
		if ok := must(t, hop.Go(t.Context(), on, func(ctx context.Context) (bool, error) { _, ok := ctx.Deadline(); return ok, nil })); ok {
			t.Error("a deadline where there is none")
		}
	})
}

func TestS37_ContextsDerivedInsideEndWithTheCallAndItsCause(t *testing.T) {
	// The standard library treats a foreign context type as a parent in another way than its own; none may show it.
	everywhere(t, func(t *testing.T, on hop.Portal) {
		type result struct {
			name       string
			err, cause error
		}
		started, seen := make(chan struct{}), make(chan result, 10)
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			a, cancelA := context.WithCancel(ctx)
			defer cancelA()
			b, cancelB := context.WithTimeout(context.WithValue(ctx, userKey{}, 1), time.Hour)
			defer cancelB()
			after := make(chan struct{})
			defer context.AfterFunc(ctx, func() { close(after) })()
			close(started)
			<-ctx.Done()
			<-a.Done()
			<-b.Done()
			<-after
			seen <- result{"WithCancel", a.Err(), context.Cause(a)}
			seen <- result{"WithTimeout of WithValue", b.Err(), context.Cause(b)}
			v := context.WithValue(ctx, userKey{}, 2)
			seen <- result{"WithValue", v.Err(), context.Cause(v)}
			late, cancelLate := context.WithCancel(ctx)
			defer cancelLate()
			seen <- result{"WithCancel made afterwards", late.Err(), context.Cause(late)}
			w := context.WithoutCancel(ctx)
			if w.Err() != nil || context.Cause(w) != nil || hop.CurrentCall(w) != hop.CurrentCall(ctx) {
				t.Errorf("WithoutCancel: %v, %v, %v", w.Err(), context.Cause(w), hop.CurrentCall(w))
			}
			return 1, nil
		})
		recv(t, "start", started)
		p.Cancel(errEnough)
		for range 4 {
			if r := recv(t, "a derived context's end", seen); r.err != context.Canceled || r.cause != errEnough {
				t.Errorf("%s: Err %v, cause %v", r.name, r.err, r.cause)
			}
		}
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS37_ACauseMadeInsideIsNotOverwritten(t *testing.T) {
	p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (error, error) {
		own := errors.New("own")
		inner, cancel := context.WithCancelCause(ctx)
		cancel(own)
		if ctx.Err() != nil {
			t.Errorf("the inner cancel ended the call's context: %v", ctx.Err())
		}
		if context.Cause(inner) != own {
			t.Errorf("cause %v", context.Cause(inner))
		}
		return nil, nil
	})
	must(t, p)
}

// plainContext is a context of a type that the standard library does not know.
type plainContext struct {
	deadline time.Time
	mu       sync.Mutex
	done     chan struct{}
	err      error
}

func (c *plainContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }
func (c *plainContext) Done() <-chan struct{}       { return c.done }
func (c *plainContext) Value(key any) any {
	if key == (userKey{}) {
		return "plain"
	}
	return nil
}

func (c *plainContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *plainContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	close(c.done)
}

func TestS37_AContextOfAnotherTypeWorks(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx := &plainContext{done: make(chan struct{})}
		started := make(chan any, 1)
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			started <- ctx.Value(userKey{})
			<-ctx.Done()
			return 1, nil
		})
		if got := recv(t, "start", started); got != "plain" {
			t.Errorf("value %v", got)
		}
		ctx.end(context.Canceled)
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != context.Canceled {
			t.Errorf("cause %v", ce.Cause)
		}
	})
}

func TestS37_AContextOfAnotherTypeMayEndBeforeTheDeadlineThatItTells(t *testing.T) {
	// As one with a clock of its own does.
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx := &plainContext{done: make(chan struct{}), deadline: time.Now().Add(time.Hour)}
		started := make(chan struct{})
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			done := ctx.Done()
			close(started)
			<-done
			return 1, nil
		})
		recv(t, "start", started)
		ctx.end(context.DeadlineExceeded)
		wantIs(t, wantCancelled(t, waitErr(t, p)), context.DeadlineExceeded)
	})
}

func TestS37_AContextOfAnotherTypeLeavesNoGoroutine(t *testing.T) {
	noLeak(t)
	ctx := &plainContext{done: make(chan struct{})} // never ends
	everywhere(t, func(t *testing.T, on hop.Portal) {
		must(t, hop.Go(ctx, on, value(1)))
		must(t, hop.Go(ctx, on, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Microsecond) }))
	})
}

func TestS37_ABackgroundContextWorks(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		started := make(chan struct{})
		p := hop.Go(context.Background(), on, func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			return 1, nil
		})
		recv(t, "start", started)
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS37_TheContextLivesOnWhenTheFunctionHasReturned(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		submitter, cancel := context.WithCancelCause(t.Context())
		ctx := must(t, hop.Go(submitter, on, func(ctx context.Context) (context.Context, error) { return ctx, nil }))
		derived, cancelDerived := context.WithCancel(ctx)
		defer cancelDerived()
		if ctx.Err() != nil || derived.Err() != nil {
			t.Errorf("ended with its function: %v", ctx.Err())
		}
		cancel(errEnough)
		recv(t, "end of the context with its submitter's", ctx.Done())
		recv(t, "end of the derived context", derived.Done())
		if context.Cause(ctx) != errEnough || context.Cause(derived) != errEnough {
			t.Errorf("causes %v, %v", context.Cause(ctx), context.Cause(derived))
		}
	})
}

func TestS37_AGoroutineLeftBehindStillSeesTheSubmittersEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		submitter, cancel := context.WithCancelCause(t.Context())
		seen := make(chan error, 4)
		must(t, hop.Go(submitter, on, func(ctx context.Context) (int, error) {
			done := ctx.Done() // asked for while the function runs
			go func() { <-done; seen <- context.Cause(ctx) }()
			derived, cancelDerived := context.WithCancel(ctx)
			go func() { defer cancelDerived(); <-derived.Done(); seen <- context.Cause(derived) }()
			context.AfterFunc(ctx, func() { seen <- context.Cause(ctx) })
			go func() { seen <- context.Cause(ctx) }() // may find no cause, but is no other
			return 1, nil
		}))
		if err := recv(t, "a look at the context that has not ended", seen); err != nil {
			t.Errorf("it has ended: %v", err)
		}
		cancel(errEnough)
		for range 3 {
			if err := recv(t, "what the function left behind, when its submitter's context ends", seen); err != errEnough {
				t.Errorf("cause %v", err)
			}
		}
	})
}

func TestS37_TheContextIsUsableFromManyGoroutines(t *testing.T) {
	// Under the race detector.
	everywhere(t, func(t *testing.T, on hop.Portal) {
		started := make(chan struct{})
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					inner, cancel := context.WithCancel(ctx)
					defer cancel()
					_, _ = ctx.Deadline()
					<-inner.Done()
					_, _ = ctx.Err(), context.Cause(ctx)
				})
			}
			close(started)
			<-ctx.Done()
			all.Wait()
			return 1, nil
		}, hop.Timeout(time.Hour))
		recv(t, "start", started)
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
	})
}

// S38

// labelled returns the records of the goroutine profile that carry the label value v.
func labelled(t testing.TB, v string) []string {
	var buf bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&buf, 1); err != nil {
		t.Errorf("goroutine profile: %v", err)
	}
	var found []string
	for record := range strings.SplitSeq(buf.String(), "\n\n") {
		for line := range strings.Lines(record) {
			if strings.HasPrefix(line, "# labels:") && strings.Contains(line, `"`+v+`"`) {
				found = append(found, record)
			}
		}
	}
	return found
}

// iAmLabelled tells whether the calling goroutine has the label value v.
//
//go:noinline
func iAmLabelled(t testing.TB, v string) bool {
	for _, record := range labelled(t, v) {
		if strings.Contains(record, "hop_test.iAmLabelled") {
			return true
		}
	}
	return false
}

func TestS38_LabelsAreOnTheGoroutineWhileTheCallRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		v := "s38 " + t.Name()
		ctx := pprof.WithLabels(t.Context(), pprof.Labels("job", v))
		got := must(t, hop.Go(ctx, on, func(ctx context.Context) ([2]bool, error) {
			before := iAmLabelled(t, v)
			err := hop.Sleep(ctx, time.Millisecond)
			return [2]bool{before, iAmLabelled(t, v)}, err
		}))
		if !got[0] {
			t.Error("the function has no label")
		}
		if !got[1] {
			t.Error("the function has no label after a wait")
		}
		within(t, patience, "Do", func() {
			if ok, _ := hop.Do(ctx, on, func(context.Context) (bool, error) { return iAmLabelled(t, v), nil }); !ok {
				t.Error("the function has no label when called by Do")
			}
		})
	})
}

func TestS38_LabelsAreGoneAfterTheCall(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		v := "s38 " + t.Name()
		ctx := pprof.WithLabels(t.Context(), pprof.Labels("job", v))
		for range 3 {
			must(t, hop.Go(ctx, on, value(1)))
			must(t, hop.Go(ctx, on, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Microsecond) }))
			_ = waitErr(t, hop.Go(ctx, on, func(context.Context) (int, error) { panic("boom") }))
			if must(t, hop.Go(t.Context(), on, func(context.Context) (bool, error) { return iAmLabelled(t, v), nil })) {
				t.Error("the next call has the label")
			}
		}
		gate, atTheEnd := newGate(t), make(chan int, 1)
		go func() { // on Inline, Go returns when it has run
			hop.Go(ctx, on, func(ctx context.Context) (int, error) {
				hop.CurrentCall(ctx).OnDone(func() { atTheEnd <- len(labelled(t, v)) })
				gate.pass()
				return 1, nil
			})
		}()
		gate.open()
		if n := recv(t, "the function of OnDone", atTheEnd); n > 0 {
			t.Errorf("%d goroutines have the label when the call has ended", n)
		}
	})
}

func TestS38_ASuspendedTaskKeepsItsLabelsToItself(t *testing.T) {
	for _, k := range kinds {
		if !strings.HasSuffix(k.name, "Loop") {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			l := k.make(t)
			va, vb := "a "+t.Name(), "b "+t.Name()
			var e hop.Event
			type seen struct{ a, b bool }
			task := func(ctx context.Context) (seen, error) {
				if err := e.Wait(ctx); err != nil {
					return seen{}, err
				}
				return seen{iAmLabelled(t, va), iAmLabelled(t, vb)}, nil
			}
			a := hop.Go(pprof.WithLabels(t.Context(), pprof.Labels("job", va)), l, task)
			b := hop.Go(pprof.WithLabels(t.Context(), pprof.Labels("job", vb)), l, task)
			plain := hop.Go(t.Context(), l, task)
			between := must(t, hop.Go(t.Context(), l, func(context.Context) (seen, error) {
				return seen{iAmLabelled(t, va), iAmLabelled(t, vb)}, nil
			}))
			if between.a || between.b {
				t.Errorf("a task that runs while they are suspended has their labels: %+v", between)
			}
			if len(labelled(t, va)) == 0 {
				t.Error("a suspended task is not shown under its label in the profile")
			}
			e.Set()
			if got := must(t, a); !got.a || got.b {
				t.Errorf("task a resumed with %+v", got)
			}
			if got := must(t, b); got.a || !got.b {
				t.Errorf("task b resumed with %+v", got)
			}
			if got := must(t, plain); got.a || got.b {
				t.Errorf("the task without labels resumed with %+v", got)
			}
		})
	}
}

func TestS38_AnInlineCallHasItsOwnLabelsAndTheCallerItsOwnAgain(t *testing.T) {
	l := newLoop(t, nil)
	va, vb := "a "+t.Name(), "b "+t.Name()
	got := must(t, hop.Go(pprof.WithLabels(t.Context(), pprof.Labels("job", va)), l, func(ctx context.Context) ([4]bool, error) {
		inner, err := hop.Do(pprof.WithLabels(ctx, pprof.Labels("job", vb)), l, func(context.Context) ([2]bool, error) {
			return [2]bool{iAmLabelled(t, va), iAmLabelled(t, vb)}, nil
		})
		return [4]bool{inner[0], inner[1], iAmLabelled(t, va), iAmLabelled(t, vb)}, err
	}))
	if want := [4]bool{false, true, true, false}; got != want {
		t.Errorf("inner has a, b; outer afterwards has a, b: %v, want %v", got, want)
	}
}

func TestS38_LabelsFlowThroughGroupsAndTrackers(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		v := "s38 " + t.Name()
		ctx, _ := hop.Track(hop.Detach(pprof.WithLabels(t.Context(), pprof.Labels("job", v))))
		err := withGroup(t, ctx, nil, func(ctx context.Context) error {
			if !must(t, hop.Go(ctx, on, func(context.Context) (bool, error) { return iAmLabelled(t, v), nil })) {
				t.Error("a member has no label")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS38_AManualLoopHasNotTheLabelsOfWhoDrivesIt(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	v := "s38 " + t.Name()
	seen := make(chan bool, 2)
	look := func() { seen <- iAmLabelled(t, v) }
	l.Post(func() { look(); hop.Sleep(bg, time.Millisecond) }) // it waits: the next runs on another coroutine
	l.Post(func() { look() })
	stop := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		pprof.Do(bg, pprof.Labels("job", v), func(ctx context.Context) {
			ctx, end := context.WithCancel(ctx)
			go func() { <-stop; end() }()
			l.Run(ctx)
		})
	}()
	defer func() { close(stop); <-over }()
	for range 2 {
		if recv(t, "a posted function", seen) {
			t.Error("a posted function has the label of who drives its loop")
		}
	}
}

func TestS38_LabelsPutOnAGoroutineInsideDoNotStay(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		v := "s38 " + t.Name()
		ctx := pprof.WithLabels(t.Context(), pprof.Labels("job", "other"))
		must(t, hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("job", v)))
			return 1, nil
		}))
		if must(t, hop.Go(t.Context(), on, func(context.Context) (bool, error) { return iAmLabelled(t, v), nil })) {
			t.Error("the next call has a label that the function put on its goroutine")
		}
	})
}

func TestS38_LabelsFlowToCallsMadeInside(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	v := "s38 " + t.Name()
	ctx := pprof.WithLabels(t.Context(), pprof.Labels("job", v))
	if !must(t, hop.Go(ctx, l, func(ctx context.Context) (bool, error) {
		return hop.Do(ctx, pool, func(context.Context) (bool, error) { return iAmLabelled(t, v), nil })
	})) {
		t.Error("the inner call has no label")
	}
}

func TestS38_APlaceFirstUsedInsideALabelledCallDoesNotKeepItsLabels(t *testing.T) {
	// A new goroutine inherits the labels of the one that starts it: a loop's or a worker's must not.
	for _, k := range kinds {
		if k.name == "Goroutines" {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			v := "s38 " + t.Name()
			look := func(context.Context) (bool, error) { return iAmLabelled(t, v), nil }
			on := must(t, hop.Go(pprof.WithLabels(t.Context(), pprof.Labels("job", v)), hop.Goroutines,
				func(context.Context) (hop.Portal, error) {
					on := k.make(t)
					_, err := hop.Go(t.Context(), on, value(1)).Wait(t.Context())
					return on, err
				}))
			for range 3 {
				if must(t, hop.Go(t.Context(), on, look)) {
					t.Fatal("a call without labels has those of the call that used the place first")
				}
			}
			eventually(t, "no goroutine has the label", func() bool { return len(labelled(t, v)) == 0 })
		})
	}
}

// A context that answers every key with one value of its own is not taken for one of hop's.
type answersAll struct {
	context.Context
	answer any
}

func (c answersAll) Value(any) any { return c.answer }

func TestAContextOfAnothersThatAnswersEveryKey(t *testing.T) {
	p := hop.NewPromise[int](bg)
	defer p.Resolve(1)
	for name, answer := range map[string]any{"no call": (*hop.Call)(nil), "a call": p.Pending().Call(), "text": "x", "nil": nil} {
		ctx := answersAll{bg, answer}
		if c := hop.CurrentCall(ctx); c != nil {
			t.Errorf("%s: the current call is %v", name, c)
		}
		if g := hop.CurrentGroup(ctx); g != nil {
			t.Errorf("%s: there is a group", name)
		}
		if v := must(t, hop.Go(ctx, hop.Goroutines, value(1))); v != 1 {
			t.Errorf("%s: got %d", name, v)
		}
	}
}
