package hop_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// Workers is shared by the bubbles of testing/synctest and what is outside them, also where a Size makes functions wait for each other. What is
// posted here says in which time it runs, by a channel that belongs to no bubble: in a bubble's it is the year 2000.

const bubbleYear = 2000

func postYear(t *testing.T) <-chan int {
	t.Helper()
	year := make(chan int, 1)
	postYearTo(t, year)
	return year
}

func postYearTo(t *testing.T, year chan<- int) {
	t.Helper()
	if err := hop.Workers().Post(func() { year <- time.Now().Year() }); err != nil {
		t.Error(err)
	}
}

// sizeOfWorkers gives Workers a Size until the test ends.
func sizeOfWorkers(t *testing.T, n int) {
	t.Cleanup(func() { hop.Workers().SetSize(0) })
	hop.Workers().SetSize(n)
}

// outsider returns a function that has f run on a goroutine outside of all bubbles, and returns when it has.
func outsider(t *testing.T) func(f func()) {
	fs, done := make(chan func()), make(chan struct{})
	t.Cleanup(func() { close(fs) })
	go func() {
		for f := range fs {
			f()
			done <- struct{}{}
		}
	}()
	return func(f func()) {
		fs <- f
		<-done
	}
}

func TestS30_WhatIsSentFromOutsideRunsOutsideWhileABubbleUsesTheWorkers(t *testing.T) {
	for name, give := range map[string]func(ctx context.Context, cancel func()){ // how the bubble's function gives its worker, or place, away
		"returns":   func(context.Context, func()) {},
		"waits":     func(ctx context.Context, _ func()) { hop.Sleep(ctx, time.Second) },
		"Goexit":    func(context.Context, func()) { runtime.Goexit() },
		"abandoned": func(_ context.Context, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			sizeOfWorkers(t, 1)
			outside := outsider(t)
			before := hop.Workers().Stats()
			in, open := make(chan struct{}), make(chan struct{})
			var year <-chan int
			synctest.Test(t, func(t *testing.T) {
				var p *hop.Pending[int]
				p = hop.Go(bg, hop.Workers(), func(ctx context.Context) (int, error) {
					close(in)
					<-open
					give(ctx, func() { p.Cancel(nil) })
					return 0, nil
				}, hop.Abandon())
				<-in
				outside(func() { year = postYear(t) })
				close(open)
				p.Wait(bg)
				synctest.Wait()
			})
			if y := recv(t, "the function from outside", year); y == bubbleYear {
				t.Error("it ran in the bubble")
			}
			eventually(t, "what is in Stats as before", func() bool {
				s := hop.Workers().Stats()
				return s.Running <= before.Running && s.Waiting <= before.Waiting && s.Abandoned <= before.Abandoned && s.Queued == 0
			})
		})
	}
}

func TestS30_WhatIsSentFromABubbleRunsThereThoughTheWorkersAreFull(t *testing.T) {
	sizeOfWorkers(t, 1)
	outside := outsider(t)
	g := occupy(t, hop.Workers())
	year := make(chan int, 1)
	synctest.Test(t, func(t *testing.T) {
		postYearTo(t, year)
		synctest.Wait()
		if len(year) == 0 {
			t.Error("it waits for what is outside")
			outside(g.open)
			return
		}
		start := time.Now()
		d, err := hop.Do(bg, hop.Workers(), func(ctx context.Context) (time.Duration, error) {
			err := hop.Sleep(ctx, time.Hour)
			return time.Since(start), err
		})
		if d != time.Hour || err != nil {
			t.Errorf("a call slept %v, %v", d, err)
		}
		later := hop.After(bg, time.Hour, hop.Workers(), value(1))
		if v, err := later.Wait(bg); v != 1 || err != nil || time.Since(start) != 2*time.Hour {
			t.Errorf("After: %v, %v, in %v", v, err, time.Since(start))
		}
	})
	if y := recv(t, "the bubble's function", year); y != bubbleYear {
		t.Errorf("it ran in %d, not in the bubble", y)
	}
	if s := hop.Workers().Stats(); s.Running != 1 {
		t.Errorf("Stats %+v, want the one function that runs outside", s)
	}
	g.open()
}

// A goroutine in a bubble may make a place for what was sent from outside. It must not start that in the bubble.
func TestS30_ABubbleThatMakesAPlaceForOthersStartsNothingOfTheirs(t *testing.T) {
	for _, idle := range []bool{true, false} {
		for name, makePlace := range map[string]func(p *hop.Pending[int]){
			"SetSize": func(*hop.Pending[int]) { hop.Workers().SetSize(0) },
			"Abandon": func(p *hop.Pending[int]) { p.Cancel(nil) },
		} {
			t.Run(map[bool]string{true: "idle workers/", false: "no idle workers/"}[idle]+name, func(t *testing.T) {
				sizeOfWorkers(t, 0)
				if idle { // one for the function that is to be in the way, one for what waits behind it
					g1, g2 := occupy(t, hop.Workers()), occupy(t, hop.Workers())
					g1.open()
					g2.open()
					eventually(t, "workers are idle", func() bool { return hop.Workers().Stats().Idle >= 2 })
				}
				var held []*gate
				for !idle && hop.Workers().Stats().Idle > 0 {
					held = append(held, occupy(t, hop.Workers()))
				}
				g, in := newGate(t), make(chan struct{})
				p := hop.Go(bg, hop.Workers(), func(context.Context) (int, error) { close(in); g.pass(); return 0, nil }, hop.Abandon())
				recv(t, "the function that is to be in the way", in)
				hop.Workers().SetSize(1 + len(held))
				first := postYear(t)
				synctest.Test(t, func(*testing.T) { makePlace(p) })
				if !idle {
					second := postYear(t) // who sends it finds what the bubble has left
					if name == "SetSize" {
						if y := recv(t, "the second function", second); y == bubbleYear {
							t.Error("the second ran in the bubble")
						}
					}
				}
				if y := recv(t, "the first function", first); y == bubbleYear {
					t.Error("it ran in the bubble")
				}
				g.open()
				for _, g := range held {
					g.open()
				}
				eventually(t, "all have returned", func() bool { s := hop.Workers().Stats(); return s.Running+s.Abandoned+s.Queued == 0 })
			})
		}
	}
}

// The same where nobody comes from outside any more: a worker that goes on there starts what the bubble had to leave.
func TestS30_AWorkerStartsWhatABubbleHasLeft(t *testing.T) {
	sizeOfWorkers(t, 0)
	var held []*gate
	for hop.Workers().Stats().Idle > 0 {
		held = append(held, occupy(t, hop.Workers()))
	}
	g := occupy(t, hop.Workers())
	hop.Workers().SetSize(1 + len(held))
	second, both := make(chan struct{}), make(chan struct{})
	hop.Workers().Post(func() { <-second; close(both) })
	hop.Workers().Post(func() { close(second) })
	synctest.Test(t, func(*testing.T) { hop.Workers().SetSize(0) })
	g.open()
	recv(t, "two functions of which the first waits for the second", both)
	for _, g := range held {
		g.open()
	}
	eventually(t, "all have returned", func() bool { return hop.Workers().Stats().Running == 0 })
}

func TestS30_AnAbandonedFunctionOfABubbleIsNotInStats(t *testing.T) {
	count := func() int { return hop.Workers().Stats().Abandoned }
	eventually(t, "nothing is abandoned", func() bool { return count() == 0 })
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		p := hop.Go(bg, hop.Workers(), func(context.Context) (int, error) { <-back; return 0, nil }, hop.Abandon())
		synctest.Wait()
		p.Cancel(nil)
		close(back)
	})
	g, in := newGate(t), make(chan struct{})
	p := hop.Go(bg, hop.Workers(), func(context.Context) (int, error) { close(in); g.pass(); return 0, nil }, hop.Abandon())
	recv(t, "the function", in)
	p.Cancel(nil)
	if n := count(); n != 1 {
		t.Errorf("%d abandoned functions, want the one outside", n)
	}
	g.open()
	eventually(t, "it has returned", func() bool { return count() == 0 })
}
