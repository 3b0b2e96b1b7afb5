package hoptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop"
)

func checkRuns(p *probe) error {
	return p.runs(func() *job { return p.job(1, nil) })
}

func checkMany(p *probe) error {
	jobs := p.jobs(200)
	return run(jobs...)
}

func (p *probe) jobs(n int) []*job {
	jobs := make([]*job, n)
	for i := range jobs {
		jobs[i] = p.job(i, nil)
	}
	return jobs
}

func checkSubmitters(p *probe) error {
	jobs := p.jobs(8 * 50)
	err := within("a goroutine that submits calls beside others", func() error {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for _, j := range jobs[i*50 : i*50+50] {
					j.submitHere()
				}
			})
		}
		all.Wait()
		return nil
	})
	if err != nil {
		return err
	}
	return finish(jobs...)
}

// checkReturns submits while a function runs, and looks at what became of the calls that were refused.
func checkReturns(p *probe) error {
	held, err := p.accepted(p.holds)
	if err != nil {
		if held != nil && held.runs.Load() > 0 {
			err = fmt.Errorf("%w; the function that it was given runs on another goroutine", err)
		}
		return err
	}
	jobs := p.jobs(100)
	for _, j := range jobs {
		if err := j.submit(); err != nil {
			return fmt.Errorf("while a function runs: %w", err)
		}
	}
	p.open()
	if err := finish(append(jobs, held)...); err != nil {
		return err
	}
	if err := p.alive("many calls"); err != nil { // whatever was queued has had its turn
		return err
	}
	for _, j := range jobs {
		if j.refusal == nil {
			continue
		}
		if err := j.end(); err != nil {
			return err
		}
		if s := j.call().State(); s.Done() {
			return fmt.Errorf("a call was refused (%v), and its state is %v: after an error of Submit it must be as before, for the caller to submit elsewhere", j.refusal, s)
		}
		if err := hop.Goroutines.Submit(j.call()); err != nil {
			return fmt.Errorf("a call was refused (%v), and cannot be submitted elsewhere: %w", j.refusal, err)
		}
		j.refusal = nil
		if err := j.finish(); err != nil {
			return fmt.Errorf("a call that was refused, and submitted elsewhere: %w", err)
		}
	}
	return nil
}

func checkInside(p *probe) error {
	inner := p.jobs(100)
	outer, err := p.accepted(func() *job {
		return p.job(1, func(context.Context, *job) error {
			for _, j := range inner {
				j.submitHere()
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("%w; the function that it was given submits to the portal too", err)
	}
	if err := outer.finish(); err != nil {
		return fmt.Errorf("a call on the portal that submits others to it: %w", err)
	}
	return finish(inner...)
}

func checkOnDone(p *probe) error {
	inner := p.job(1, nil)
	submitted := make(chan struct{})
	outer, err := p.accepted(func() *job {
		j := p.job(0, nil)
		j.pending.OnDone(func() {
			if j.runs.Load() > 0 { // one that was refused ends with the check
				defer close(submitted)
				inner.submitHere()
			}
		})
		return j
	})
	if err != nil {
		return fmt.Errorf("%w; an OnDone function of the call submits to the portal too", err)
	}
	if err := outer.finish(); err != nil {
		return err
	}
	if err := within("Submit in an OnDone function", func() error { <-submitted; return nil }); err != nil {
		return err
	}
	return inner.finish()
}

func checkFailure(p *probe) error {
	for range 20 {
		j, err := p.accepted(func() *job {
			return p.job(0, func(context.Context, *job) error { return io.ErrUnexpectedEOF })
		})
		if err != nil {
			return err
		}
		if err := j.end(); err != nil {
			return err
		}
		if err := j.call().Err(); err != io.ErrUnexpectedEOF {
			return fmt.Errorf("a function returned the error %q; its call ended with %w", io.ErrUnexpectedEOF, orNil(err))
		}
	}
	return p.alive("calls that failed")
}

func checkPanic(p *probe) error {
	for range 20 {
		j, err := p.accepted(func() *job {
			return p.job(0, func(context.Context, *job) error { panic("hoptest panics") })
		})
		if err != nil {
			return err
		}
		if err := j.end(); err != nil {
			return err
		}
		var panicked *hop.PanicError
		if err := j.call().Err(); !errors.As(err, &panicked) || panicked.Value != "hoptest panics" {
			return fmt.Errorf("a function panicked; its call ended with %w", orNil(err))
		}
	}
	return p.alive("calls that panicked")
}

// checkGoexit ends more goroutines than most portals have: each must be replaced.
func checkGoexit(p *probe) error {
	for range 20 {
		j, err := p.accepted(func() *job {
			return p.job(0, func(context.Context, *job) error { return goexit() })
		})
		if err != nil {
			return err
		}
		if err := j.end(); err != nil {
			return fmt.Errorf("after a function that ended its goroutine with runtime.Goexit, as t.FailNow does: %w", err)
		}
		if err := j.call().Err(); !errors.Is(err, hop.ErrGoexit) {
			return fmt.Errorf("a function ended its goroutine with runtime.Goexit; its call ended with %w", orNil(err))
		}
	}
	return p.alive("calls that ended their goroutines with runtime.Goexit, as t.FailNow does")
}

func checkCancelled(p *probe) error {
	cause := errors.New("hoptest cancels")
	before := p.job(0, nil)
	before.pending.Cancel(cause)
	if err := before.submit(); err != nil {
		return fmt.Errorf("Submit of a call that was cancelled: %w", err)
	}
	// While a function holds the portal, or one of its goroutines, others wait in its queue, if it has one.
	held, err := p.accepted(p.holds)
	if err != nil {
		return err
	}
	jobs := p.jobs(100)
	var never []*job // those that were cancelled before they started
	for _, j := range jobs {
		if err := j.submit(); err != nil {
			return err
		}
		if j.pending.Cancel(cause) && j.call().State().Done() && j.runs.Load() == 0 {
			never = append(never, j)
		}
	}
	p.open()
	for _, j := range append(jobs, held) {
		if j.refusal != nil {
			continue
		}
		if err := j.end(); err != nil {
			return err
		}
	}
	for _, j := range never {
		if j.runs.Load() > 0 {
			return fmt.Errorf("a call that was cancelled before it started ran")
		}
	}
	if before.runs.Load() > 0 {
		return fmt.Errorf("a call that was cancelled before Submit ran")
	}
	return p.alive("calls that were cancelled")
}

func checkCancelRunning(p *probe) error {
	cause := errors.New("hoptest cancels")
	var got error
	waits := func(ctx context.Context, _ *job) error {
		<-ctx.Done()
		got = context.Cause(ctx)
		return got
	}
	var j *job
	var back <-chan error // of Submit, which may run the function; nil: it has returned
	for until := time.Now().Add(patience); ; {
		j = p.job(0, waits)
		back = j.begin()
		if err := within("the start of a function", func() error {
			select {
			case <-j.started:
				return nil
			case err := <-back:
				back = nil
				if err != nil || j.refusal != nil {
					return err
				}
			}
			<-j.started
			return nil
		}); err != nil {
			return err
		}
		if back != nil || j.refusal == nil {
			break
		}
		if err := j.again(until); err != nil {
			return err
		}
	}
	j.pending.Cancel(cause)
	select {
	case <-j.pending.Done():
	case <-time.After(patience):
		return fmt.Errorf("a call that was cancelled while it ran, and heeds its context, has not ended after %v", patience)
	}
	if got != cause {
		return fmt.Errorf("a running call was cancelled with the cause %q; its context ended with %v", cause, got)
	}
	if back != nil {
		if err := j.submitted(back); err != nil {
			return err
		}
	}
	return p.alive("a call that was cancelled while it ran")
}

func checkContext(p *probe) error {
	f := func(ctx context.Context, j *job) error {
		switch {
		case ctx.Value(valueKey{}) != p.ctx.Value(valueKey{}):
			return errors.New("a value of the submitter's context is not in the function's")
		case hop.CurrentCall(ctx) != j.call():
			return fmt.Errorf("hop.CurrentCall of the function's context is %v, not its own call", hop.CurrentCall(ctx))
		case ctx.Err() != nil:
			return fmt.Errorf("the function's context has ended: %w", context.Cause(ctx))
		}
		return nil
	}
	return p.runs(func() *job { return p.job(0, f) })
}

// checkWaits waits in calls for what comes from elsewhere.
func checkWaits(p *probe) error {
	var e hop.Event
	l := hop.NewLoop(&hop.LoopOptions{Name: "hoptest", StallAfter: -1})
	defer l.Close()
	waits := []func(ctx context.Context) error{
		func(ctx context.Context) error { return hop.Sleep(ctx, 1) },
		func(ctx context.Context) error { return hop.Yield(ctx) },
		func(ctx context.Context) error {
			return hop.Run(ctx, l, func(ctx context.Context) error { return hop.Sleep(ctx, 1) })
		},
		func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { e.Set(); return 0, nil })
			return e.Wait(ctx)
		},
		func(ctx context.Context) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				for range 5 {
					hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 1) })
				}
				return nil
			})
		},
	}
	for i, wait := range waits {
		f := func(ctx context.Context, _ *job) error { return wait(ctx) }
		if err := p.runs(func() *job { return p.job(i, f) }); err != nil {
			return fmt.Errorf("a function waits: %w", err)
		}
	}
	for until := time.Now().Add(patience); ; time.Sleep(lookAgain) {
		var ran atomic.Bool
		err := within("hop.Do on the portal", func() error {
			v, err := hop.Do(p.ctx, p.portal, func(ctx context.Context) (int, error) { ran.Store(true); return 7, hop.Sleep(ctx, 1) })
			if err != nil || v != 7 {
				return fmt.Errorf("hop.Do on the portal of a function that returned 7: %d, %w", v, orNil(err))
			}
			return nil
		})
		if err == nil || ran.Load() || !time.Now().Before(until) { // else it was refused: see accepted
			return err
		}
	}
}

func checkNesting(p *probe) error {
	var nest func(n int) func(context.Context) (int, error)
	nest = func(n int) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			if n == 0 {
				return 0, nil
			}
			v, err := hop.Do(ctx, p.portal, nest(n-1))
			return v + 1, err
		}
	}
	const depth, beside = 10, 10
	var all []*hop.Pending[int]
	err := within("hop.Go on the portal", func() error {
		for range beside {
			all = append(all, hop.Go(p.ctx, p.portal, nest(depth)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range all {
		select {
		case <-c.Done():
			if v, err := c.Result(); v != depth || err != nil {
				return fmt.Errorf("calls that wait for each other, %d deep: got %d, %w", depth, v, orNil(err))
			}
		case <-time.After(patience):
			return fmt.Errorf("calls that wait for other calls on the same portal have not ended after %v", patience)
		}
	}
	return nil
}

// checkClose closes the portal while calls are submitted.
func checkClose(p *probe) error {
	closer, ok := p.portal.(interface{ Close() error })
	if !ok {
		return nil
	}
	const submitters, each = 4, 200
	jobs := p.jobs(submitters * each)
	under := make(chan struct{}, submitters)
	var all sync.WaitGroup
	for i := range submitters {
		all.Go(func() {
			for n, j := range jobs[i*each : i*each+each] {
				if n == each/4 {
					under <- struct{}{}
				}
				j.submitHere()
			}
		})
	}
	err := within("Submit or Close, at the same time,", func() error {
		for range submitters {
			<-under
		}
		err := closer.Close()
		all.Wait()
		if err != nil {
			return fmt.Errorf("Close: %w", err)
		}
		return nil
	})
	if errors.Is(err, hop.ErrProtected) {
		return finish(jobs...)
	}
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if err := j.end(); err != nil {
			return fmt.Errorf("calls were submitted while the portal was being closed: %w", err)
		}
	}
	late := p.job(0, nil)
	if err := late.submit(); err != nil {
		return fmt.Errorf("after Close: %w", err)
	}
	if err := late.end(); err != nil {
		return fmt.Errorf("after Close: %w", err)
	}
	return nil
}
