package hop

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// few has a loop take some suspended tasks for very many.
func few(t *testing.T) {
	old := crowd
	crowd = 4
	t.Cleanup(func() { crowd = old })
}

// Calls that sleep and have a long queue behind them: those that have slept go on before all have begun.
func TestARushKeepsTheSuspendedFew(t *testing.T) {
	few(t)
	l := NewLoop(&LoopOptions{Manual: true})
	defer l.Close()
	const calls = 2000
	asleep, most, awake := 0, 0, 0
	var last *Pending[int]
	for range calls {
		last = Go(t.Context(), l, func(ctx context.Context) (int, error) {
			asleep++
			most = max(most, asleep)
			err := Sleep(ctx, time.Nanosecond)
			asleep--
			awake++
			return awake, err
		})
	}
	_, err := driveUntil(l, last)
	if err != nil {
		t.Fatal(err)
	}
	if asleep != 0 || awake != calls {
		t.Errorf("%d of %d calls have gone on, %d sleep", awake, calls, asleep)
	}
	if most > 200 {
		t.Errorf("%d of %d were suspended at the same time; those that had slept should have gone first", most, calls)
	}
	if n := l.s.timers.sleeps.Len(); n != 0 {
		t.Errorf("%d sleeps are left", n)
	}
	if n := len(l.s.idle); n > maxIdle {
		t.Errorf("an idle loop keeps %d coroutines, want %d at most", n, maxIdle)
	}
}

// driveUntil drives l until p is done and the loop has nothing to do.
func driveUntil[T any](l *Loop, p *Pending[T]) (T, error) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-p.Done()
		for l.unfinished() > 0 {
			runtime.Gosched()
		}
		cancel()
	}()
	l.Run(ctx)
	return p.Result()
}

// Tasks that sleep again and again, each time for no time at all, do not keep what is sent from having its turn.
func TestARushLetsOthersIn(t *testing.T) {
	few(t)
	l := NewLoop(nil)
	defer l.Close()
	over := false
	var sleepers []*Pending[int]
	for range 50 {
		sleepers = append(sleepers, Go(t.Context(), l, func(ctx context.Context) (n int, err error) {
			for !over && err == nil {
				n++
				err = Sleep(ctx, 0)
			}
			return n, err
		}))
	}
	var order []int
	for i := range 300 {
		l.Post(func() { order = append(order, i) })
	}
	if err := Run(t.Context(), l, func(context.Context) error { over = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, p := range sleepers {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(order) != 300 {
		t.Fatalf("%d of 300 functions have run", len(order))
	}
	for i, v := range order {
		if i != v {
			t.Fatalf("the %dth that ran is %d", i, v)
		}
	}
}

// Calls of After keep their time in the one order, though many that have slept go first; and when the rush is over the alarm is for all again.
func TestARushLeavesAfterInItsPlace(t *testing.T) {
	few(t)
	l := NewLoop(nil)
	defer l.Close()
	var sleepers []*Pending[int]
	sleep := func(d time.Duration) {
		sleepers = append(sleepers, Go(t.Context(), l, func(ctx context.Context) (int, error) { return 0, Sleep(ctx, d) }))
	}
	for range 20 {
		sleep(time.Millisecond)
		sleep(20 * time.Millisecond)
	}
	var order []string
	note := func(what string) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { order = append(order, what); return 0, nil }
	}
	fired := make(chan struct{})
	turned := make(chan struct{})
	var after *Pending[int]
	Run(t.Context(), l, func(ctx context.Context) error {
		Go(ctx, l, note("before"))
		after = After(ctx, time.Millisecond, l, note("after"))
		go func() {
			for l.s.delayed() > 0 { // it is in the mailbox when it is due, though the loop is busy
				runtime.Gosched()
			}
			close(fired)
		}()
		<-fired
		Go(ctx, l, note("behind")).OnDone(func() { close(turned) })
		return nil
	})
	<-turned
	if len(order) != 3 || order[0] != "before" || order[1] != "after" || order[2] != "behind" {
		t.Errorf("order %q", order)
	}
	if _, err := after.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	for _, p := range sleepers {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func (s *sched) delayed() int {
	s.timers.mu.Lock()
	defer s.timers.mu.Unlock()
	return s.timers.delays.Len()
}

// A timer is found from what it stands in, and back.
func TestTimersFindTheirs(t *testing.T) {
	w := new(wait)
	if sleeper(&w.timer) != w {
		t.Error("not the wait that the timer is part of")
	}
	p := new(delayedPending[struct{ a, b byte }])
	if p.c.timer() != &p.timer || delayedCall(&p.timer) != &p.c {
		t.Error("not the timer that stands before the call")
	}
	q := new(delayedPending[complex128])
	if q.c.timer() != &q.timer || delayedCall(&q.timer) != &q.c {
		t.Error("not the timer that stands before the call")
	}
}

// And so is a member's node.
func TestMembersFindTheirNode(t *testing.T) {
	p := new(memberPending[struct{ a, b byte }])
	if p.c.ownNode() != &p.node {
		t.Error("not the node that stands before the call")
	}
	q := new(memberPending[complex128])
	if q.c.ownNode() != &q.node {
		t.Error("not the node that stands before the call")
	}
}

// A busy loop keeps its coroutines; one that has nothing to do ends those that are too many.
func TestAnIdleLoopShedsItsCoroutines(t *testing.T) {
	l := NewLoop(nil)
	defer l.Close()
	const tasks = 10 * maxIdle
	var e Event
	ended := 0
	for range tasks {
		Go(t.Context(), l, func(ctx context.Context) (int, error) { err := e.Wait(ctx); ended++; return 0, err })
	}
	idle := func(context.Context) (int, error) { return len(l.s.idle), nil }
	kept, err := Do(t.Context(), l, func(ctx context.Context) (int, error) {
		e.Set()
		for ended < tasks {
			if err := Yield(ctx); err != nil {
				return 0, err
			}
		}
		return idle(ctx)
	})
	if kept <= maxIdle || err != nil {
		t.Errorf("%d are kept while it is busy, %v; want more than %d", kept, err, maxIdle)
	}
	for limit := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		n, err := Do(t.Context(), l, idle)
		if err != nil {
			t.Fatal(err)
		}
		if n <= maxIdle {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("an idle loop keeps %d, want %d at most", n, maxIdle)
		}
	}
}
