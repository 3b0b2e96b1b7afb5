package hop_test

// S30: in a synctest bubble everything runs in virtual time. A test of it that took real time would run for hours, and
// synctest itself fails one that leaves a goroutine or a coroutine behind.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// bubbled runs f in a bubble, with a loop made there, for the kinds of loops that there are.
func bubbled(t *testing.T, f func(t *testing.T, l *hop.Loop)) {
	for name, o := range map[string]*hop.LoopOptions{"plain": nil, "thread": {Thread: true}, "manual": {Manual: true}, "guest": nil} {
		t.Run(name, func(t *testing.T) {
			if name == "thread" {
				needsThread(t)
			}
			synctest.Test(t, func(t *testing.T) {
				var l *hop.Loop
				switch name {
				case "guest":
					host := hop.NewLoop(nil)
					defer host.Close()
					l = hop.NewLoop(&hop.LoopOptions{Host: host})
				case "manual":
					l = hop.NewLoop(o)
					go l.Run(bg)
				default:
					l = hop.NewLoop(o)
				}
				defer l.Close()
				f(t, l)
			})
		})
	}
}

func TestS30_SleepAndAfterTakeVirtualTime(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		begin := time.Now()
		p := hop.Go(bg, l, func(ctx context.Context) (time.Duration, error) {
			err := hop.Sleep(ctx, 3*time.Hour)
			return time.Since(begin), err
		})
		q := hop.After(bg, 2*time.Hour, l, func(context.Context) (time.Duration, error) { return time.Since(begin), nil })
		if d, err := q.Wait(bg); d != 2*time.Hour || err != nil {
			t.Errorf("After: %v, %v, want 2h", d, err)
		}
		if d, err := p.Wait(bg); d != 3*time.Hour || err != nil {
			t.Errorf("Sleep: %v, %v, want 3h", d, err)
		}
	})
}

func TestS30_TimeoutsAndDeadlinesTakeVirtualTime(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		begin := time.Now()
		_, err := hop.Do(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 5*time.Hour) }, hop.Timeout(time.Hour))
		wantIs(t, err, hop.ErrCancelled)
		wantIs(t, err, context.DeadlineExceeded)
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("Timeout after %v, want 1h", d)
		}
		ctx, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, 2*time.Hour) })
		_, err = p.Wait(ctx)
		wantIs(t, err, context.DeadlineExceeded)
		wantNot(t, err, hop.ErrCancelled)
		if v, err := p.Wait(bg); v != 1 || err != nil {
			t.Error(v, err)
		}
		if d := time.Since(begin); d != 3*time.Hour {
			t.Errorf("all of it took %v, want 3h", d)
		}
	})
}

func TestS30_PoolsInABubble(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(fmt.Sprintf("Threads=%v", threads), func(t *testing.T) {
			if threads {
				needsThread(t)
			}
			synctest.Test(t, func(t *testing.T) {
				pool := hop.NewPool(&hop.PoolOptions{Size: 2, Threads: threads})
				defer pool.Close()
				begin := time.Now()
				var ps []*hop.Pending[int]
				for range 6 { // two at once, an hour each
					ps = append(ps, hop.Go(bg, pool, func(context.Context) (int, error) { time.Sleep(time.Hour); return 0, nil }))
				}
				for _, p := range ps {
					if _, err := p.Wait(bg); err != nil {
						t.Error(err)
					}
				}
				if d := time.Since(begin); d != 3*time.Hour {
					t.Errorf("it took %v, want 3h", d)
				}
				ps = ps[:0]
				for range 6 { // all at once: they wait
					ps = append(ps, hop.Go(bg, pool, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }))
				}
				for _, p := range ps {
					if _, err := p.Wait(bg); err != nil {
						t.Error(err)
					}
				}
				if d := time.Since(begin); d != 4*time.Hour {
					t.Errorf("it took %v, want 4h", d)
				}
			})
		})
	}
}

func TestS22_TimersTakeTheirPlaceInTheOrderAsTheyFallDue(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		var order []string
		add := func(s string) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { order = append(order, s); return 0, nil }
		}
		l.Post(func() { time.Sleep(30 * time.Millisecond) }) // the loop is busy until 30
		hop.After(bg, 20*time.Millisecond, l, add("timer at 20"))
		hop.After(bg, 10*time.Millisecond, l, add("timer at 10"))
		hop.After(bg, 40*time.Millisecond, l, add("timer at 40"))
		time.Sleep(5 * time.Millisecond)
		hop.Go(bg, l, add("sent at 5"))
		time.Sleep(10 * time.Millisecond)
		l.Post(func() { order = append(order, "sent at 15") })
		time.Sleep(10 * time.Millisecond)
		hop.Go(bg, l, add("sent at 25"))
		time.Sleep(25 * time.Millisecond)
		if _, err := hop.Do(bg, l, add("sent at 50")); err != nil {
			t.Error(err)
		}
		want := []string{"sent at 5", "timer at 10", "sent at 15", "timer at 20", "sent at 25", "timer at 40", "sent at 50"}
		if !slices.Equal(order, want) {
			t.Errorf("order %q, want %q", order, want)
		}
	})
}

func TestS22_TimersOfOneMomentRunInTheOrderOfTheirMaking(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		var order []int
		var last *hop.Pending[int]
		for i := range 50 {
			last = hop.After(bg, time.Second, l, func(context.Context) (int, error) { order = append(order, i); return 0, nil })
		}
		last.Wait(bg)
		synctest.Wait()
		if len(order) != 50 || !slices.IsSorted(order) {
			t.Errorf("order %v", order)
		}
	})
}

func TestS28_StallsInVirtualTime(t *testing.T) {
	for _, c := range []struct {
		after, busy time.Duration
		want        int
	}{
		{0, 2 * time.Second, 1}, // the default is one second
		{0, 900 * time.Millisecond, 0},
		{time.Minute, 59 * time.Second, 0},
		{time.Minute, time.Hour, 1},
		{-1, time.Hour, 0},
	} {
		t.Run(fmt.Sprintf("StallAfter=%v/busy=%v", c.after, c.busy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				l := hop.NewLoop(&hop.LoopOptions{StallAfter: c.after, Logger: j.logger()})
				defer l.Close()
				for n := 1; n <= 2; n++ {
					hop.Do(bg, l, func(context.Context) (int, error) { time.Sleep(c.busy); return 0, nil }, hop.Name("the sluggard"))
					synctest.Wait()
					if got := len(j.lines("the sluggard")); got != n*c.want {
						t.Errorf("%d reports after %d stalls, want %d", got, n, n*c.want)
					}
					// Many short tasks in a row are no stall, nor is a task that waits.
					for range 10 {
						hop.Do(bg, l, func(ctx context.Context) (int, error) {
							time.Sleep(c.busy / 10)
							hop.Sleep(ctx, c.busy)
							time.Sleep(c.busy / 10)
							return 0, nil
						}, hop.Name("the diligent"))
					}
					if lines := j.lines("the diligent"); len(lines) > 0 && c.after >= 0 && c.busy/10 < max(c.after, time.Second) {
						t.Errorf("reported: %s", lines[0])
					}
				}
			})
		})
	}
}

func TestS30_ShutdownAndGraceInVirtualTime(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		begin := time.Now()
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Hour) })
		late := hop.After(bg, 2*time.Hour, l, value(1))
		synctest.Wait()
		if err := l.Shutdown(bg); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("Shutdown took %v, want 1h", d)
		}
		if v, err := p.Result(); v != 1 || err != nil {
			t.Error(v, err)
		}
		_, err := late.Result()
		wantIs(t, err, hop.ErrStopped)
	})
}

func TestS30_RunLoopInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		v, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) {
			l := hop.CurrentLoop()
			hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 2*time.Hour) })
			return 1, hop.Sleep(ctx, time.Hour)
		})
		if v != 1 || err != nil {
			t.Error(v, err)
		}
		if d := time.Since(begin); d != 2*time.Hour {
			t.Errorf("it took %v, want 2h", d)
		}
	})
}

func TestS30_DeadlocksAreSeenWithoutWaitingForADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l1, l2 := hop.NewLoop(nil), hop.NewLoop(nil)
		defer l1.Close()
		defer l2.Close()
		begin := time.Now()
		var a, b *hop.Pending[int]
		a = hop.New(bg, func(ctx context.Context) (int, error) { return b.Wait(ctx) }, hop.Timeout(time.Hour))
		b = hop.New(bg, func(ctx context.Context) (int, error) {
			_, err := a.Wait(ctx)
			return 0, err
		}, hop.Timeout(time.Hour))
		l1.Submit(a.Call())
		l2.Submit(b.Call())
		_, errA := a.Wait(bg)
		_, errB := b.Wait(bg)
		// Whoever asked second was refused, and handed its refusal on as the result.
		wantIs(t, errA, hop.ErrDeadlock)
		wantIs(t, errB, hop.ErrDeadlock)
		if d := time.Since(begin); d != 0 {
			t.Errorf("it took %v of virtual time, want none", d)
		}
	})
}

func TestS30_WaitersEventsAndLimitersInABubble(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		var ev hop.Event
		lim := hop.NewLimiter(1)
		begin := time.Now()
		for range 5 { // one hour each, one after the other
			hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if err := errors.Join(ev.Wait(ctx), lim.Acquire(ctx)); err != nil {
					return 0, err
				}
				defer lim.Release()
				return 0, hop.Sleep(ctx, time.Hour)
			})
		}
		w := hop.NewWaiter()
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			hop.Sleep(ctx, time.Hour)
			ev.Set()
			hop.Sleep(ctx, 5*time.Hour)
			return hop.Do(ctx, w, value(1))
		})
		if err := w.Wait(bg, p.Call()); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != 6*time.Hour {
			t.Errorf("it took %v, want 6h", d)
		}
		if !lim.TryAcquire() {
			synctest.Wait()
			if !lim.TryAcquire() {
				t.Error("the limiter is still held")
			}
		}
	})
}

func TestS30_AnIdleLoopHoldsNoTimer(t *testing.T) {
	// If anything ticked, this would be a million years of ticks.
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		if _, err := hop.Do(bg, l, value(1)); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * 365 * 24 * time.Hour)
		if _, err := hop.Do(bg, l, value(1)); err != nil {
			t.Error(err)
		}
	})
}
