package hoptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop"
)

// patience is how long something that should happen at once may take on a busy machine.
const patience = 10 * time.Second

// A probe is one check at work.
type probe struct {
	portal hop.Portal
	ctx    context.Context // of all calls
	cancel func()          // ends it, when the check fails
	once   sync.Once
	gate   chan struct{} // holds functions back until the end of the check, at the latest
}

func (p *probe) open() { p.once.Do(func() { close(p.gate) }) }

// A job is one call and what came of it.
type job struct {
	p         *probe
	pending   *hop.Pending[int]
	n         int // its value
	runs      atomic.Int32
	started   chan struct{}
	submitter atomic.Uint64 // the goroutine that calls Submit
	refusal   error         // of Submit
	problem   error         // with Submit
}

// job makes a call of f that is not submitted.
func (p *probe) job(n int, f func(ctx context.Context, j *job) error) *job {
	j := &job{p: p, n: n, started: make(chan struct{})}
	j.pending = hop.New(p.ctx, func(ctx context.Context) (int, error) {
		if j.runs.Add(1) == 1 {
			close(j.started)
		}
		if f != nil {
			if err := f(ctx, j); err != nil {
				return 0, err
			}
		}
		return j.n, nil
	}, hop.Name("hoptest-"+strconv.Itoa(n)))
	j.pending.OnDone(func() { j.call().Err() }) // looked at: hop need not log a failure
	return j
}

func (j *job) call() *hop.Call { return j.pending.Call() }

// hold keeps the function until the gate opens; not on the goroutine that submits, which is to open it.
func (j *job) hold() {
	if j.submitter.Load() != goroutine() {
		<-j.p.gate
	}
}

// holds makes a job that keeps the portal, or one of its goroutines, until the gate opens.
func (p *probe) holds() *job {
	return p.job(0, func(_ context.Context, j *job) error { j.hold(); return nil })
}

// submitHere submits the job on this goroutine.
func (j *job) submitHere() {
	j.submitter.Store(goroutine())
	defer func() {
		if r := recover(); r != nil {
			j.problem = fmt.Errorf("Submit panicked: %v", r)
		}
	}()
	j.refusal = j.p.portal.Submit(j.call())
}

// begin submits the job on a goroutine of its own. Something comes when Submit has returned, or when the function has ended its
// goroutine, if that is Submit's.
func (j *job) begin() <-chan error {
	back := make(chan error, 1)
	go func() {
		defer func() { back <- j.problem }()
		j.submitHere()
	}()
	return back
}

// submit submits the job and waits until Submit has returned.
func (j *job) submit() error { return j.submitted(j.begin()) }

func (j *job) submitted(back <-chan error) error {
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case problem := <-back:
		return problem
	case <-watchdog.C:
		return fmt.Errorf("Submit has not returned after %v: it must return at once, whatever the portal is doing", patience)
	}
}

// finish waits for the end of a job that was submitted, and checks that it ran once.
func (j *job) finish() error {
	if err := j.end(); err != nil || j.refusal != nil {
		return err
	}
	v, err := j.pending.Result()
	switch runs := j.runs.Load(); {
	case runs == 0:
		return fmt.Errorf("a call that Submit has accepted, and that nobody cancelled, ended without having run: %w", err)
	case runs > 1:
		return fmt.Errorf("a function ran %d times", runs)
	case err != nil:
		return fmt.Errorf("a call whose function returned %d ended with an error: %w", j.n, err)
	case v != j.n:
		return fmt.Errorf("a call whose function returned %d has the value %d", j.n, v)
	}
	return nil
}

// end waits until an accepted call is done; a refused one must not have run. Submit has returned.
func (j *job) end() error {
	if j.problem != nil {
		return j.problem
	}
	if j.refusal != nil {
		if j.runs.Load() > 0 {
			return fmt.Errorf("a call was refused (%v), and ran all the same: after an error of Submit the call is the caller's again", j.refusal)
		}
		return nil
	}
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case <-j.pending.Done():
		return nil
	case <-watchdog.C:
	}
	if j.runs.Load() > 0 {
		return fmt.Errorf("a function runs, and has not ended after %v", patience)
	}
	return fmt.Errorf("Submit has accepted a call, and %v later it has neither run nor failed: "+
		"what Submit has accepted must end, by Call.Run or by Call.Fail", patience)
}

// accepted submits what make makes to a portal that has nothing to do, until it takes one, and returns that; with an error, the one that Submit has
// not returned from, or nil. A call is done before Call.Run has returned, so a portal may still be busy with it when the next one comes: where there is no
// queue, it refuses that. Only a portal that never takes one is broken.
func (p *probe) accepted(make func() *job) (*job, error) {
	for until := time.Now().Add(patience); ; {
		j := make()
		if err := j.submit(); err != nil || j.refusal == nil {
			return j, err
		}
		if err := j.again(until); err != nil {
			return nil, err
		}
	}
}

// again is for a job that an idle portal has refused: nil, after a moment, if another may be tried, and that the portal is broken after until.
func (j *job) again(until time.Time) error {
	if err := j.end(); err != nil {
		return err
	}
	if !time.Now().Before(until) {
		return fmt.Errorf("Submit of an idle portal refuses a call, and has for %v: %w", patience, j.refusal)
	}
	time.Sleep(lookAgain)
	return nil
}

// lookAgain is how long a portal that refuses a call is left alone.
const lookAgain = time.Millisecond

// runs submits what make makes, until the portal, which has nothing to do, takes one, and waits for that.
func (p *probe) runs(make func() *job) error {
	j, err := p.accepted(make)
	if err != nil {
		return err
	}
	return j.finish()
}

// run submits jobs one after the other and waits for all.
func run(jobs ...*job) error {
	for _, j := range jobs {
		if err := j.submit(); err != nil {
			return err
		}
	}
	return finish(jobs...)
}

func finish(jobs ...*job) error {
	for _, j := range jobs {
		if err := j.finish(); err != nil {
			return err
		}
	}
	return nil
}

// alive checks that the portal, which has nothing to do, still runs calls after what.
func (p *probe) alive(what string) error {
	for n := range 20 {
		if err := p.runs(func() *job { return p.job(n, nil) }); err != nil {
			return fmt.Errorf("after %s: %w", what, err)
		}
	}
	return nil
}

// within runs f on a goroutine of its own and waits until it has returned.
func within(what string, f func() error) error {
	back := make(chan error, 1)
	go func() {
		err := errors.New(what + " ended its goroutine")
		defer func() { back <- err }()
		err = f()
	}()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case err := <-back:
		return err
	case <-watchdog.C:
		return fmt.Errorf("%s has not returned after %v", what, patience)
	}
}

// goroutine returns the number of the calling goroutine.
func goroutine() uint64 {
	var buf [40]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	n, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return n
}

// goexit ends the calling goroutine.
func goexit() error {
	runtime.Goexit()
	return nil
}

// orNil makes nil an error to print.
func orNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}
