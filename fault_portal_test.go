package hop_test

// Faults of what the user writes for hop: portals and hosts.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

var errRefused = errors.New("refused")

// userPortals are portals that keep the promises of Submit badly. A call ends once all the same: run says whether its
// function runs, err with what it ends.
var userPortals = []struct {
	name   string
	submit func(c *hop.Call) error
	run    bool
	err    error
}{
	{"refuses", func(*hop.Call) error { return errRefused }, false, errRefused},
	{"refuses with an error of hop", func(*hop.Call) error { return hop.ErrFull }, false, hop.ErrFull},
	{"fails the call", func(c *hop.Call) error { c.Fail(errRefused); return nil }, false, errRefused},
	{"fails the call and refuses", func(c *hop.Call) error { c.Fail(errRefused); return errStruck }, false, errRefused},
	{"fails the call later", func(c *hop.Call) error { go c.Fail(errRefused); return nil }, false, errRefused},
	{"fails the call twice", func(c *hop.Call) error { c.Fail(errRefused); c.Fail(errStruck); return nil }, false, errRefused},
	{"fails the call and runs it", func(c *hop.Call) error { c.Fail(errRefused); c.Run(); return nil }, false, errRefused},
	{"refuses and runs it later", func(c *hop.Call) error {
		go func() { <-c.Done(); c.Run() }()
		return errRefused
	}, false, errRefused},
	{"runs it and refuses", func(c *hop.Call) error { c.Run(); return errRefused }, true, nil},
	{"runs it and fails it", func(c *hop.Call) error { c.Run(); c.Fail(errRefused); return nil }, true, nil},
	{"runs it twice", func(c *hop.Call) error { c.Run(); c.Run(); return nil }, true, nil},
	{"runs it on two goroutines", func(c *hop.Call) error { go c.Run(); go c.Run(); return nil }, true, nil},
	{"runs it here and there", func(c *hop.Call) error { go c.Run(); c.Run(); return nil }, true, nil},
	{"runs it on many goroutines and fails it", func(c *hop.Call) error {
		var started sync.WaitGroup
		for range 8 {
			started.Go(func() { <-c.Context().Done(); c.Fail(errRefused) })
			started.Go(c.Run)
		}
		return nil
	}, true, nil},
	{"gives it to two places of hop", func(c *hop.Call) error {
		return errors.Join(hop.Goroutines.Submit(c), ignoreMismatch(hop.Workers().Submit(c)))
	}, true, nil},
	{"has it run in a call of its own", func(c *hop.Call) error {
		hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { c.Run(); return 0, nil })
		return nil
	}, true, nil},
}

func ignoreMismatch(err error) error {
	if errors.Is(err, hop.ErrMismatch) {
		return nil
	}
	return err
}

func TestFault_UsersPortals(t *testing.T) {
	for _, u := range userPortals {
		t.Run(u.name, func(t *testing.T) {
			hoptest.NoLeaks(t)
			on := portalFunc(u.submit)
			for _, way := range ways {
				var runs atomic.Int32
				ended := make(chan error, 1)
				_, returned := swallow(t, way.name, func() {
					ended <- way.call(bg, on, func(context.Context) (int, error) { runs.Add(1); return 1, nil })
				})
				if !returned {
					t.Fatalf("%s did not return", way.name)
				}
				err := <-ended
				// Who calls Submit himself gets what that returns, whatever has become of the call.
				if way.name == "Submit" && err != nil {
					err = u.err
				}
				if u.err != nil && !errors.Is(err, u.err) || u.err == nil && err != nil {
					t.Errorf("%s: error %v, want %v", way.name, err, u.err)
				}
				if (runs.Load() == 1) != u.run || runs.Load() > 1 {
					t.Errorf("%s: the function ran %d times, want %v", way.name, runs.Load(), u.run)
				}
			}
			// As members of groups.
			for _, o := range []*hop.GroupOptions{nil, {Limit: 1}, {Limit: 2, KeepGoing: true}} {
				var runs atomic.Int32
				err := withGroup(t, bg, o, func(ctx context.Context) error {
					for range 4 {
						hop.Go(ctx, on, func(context.Context) (int, error) { runs.Add(1); return 1, nil })
					}
					return nil
				})
				if u.err != nil && !errors.Is(err, u.err) || u.err == nil && err != nil {
					t.Errorf("group %+v: error %v, want %v", o, err, u.err)
				}
				if want := map[bool]int32{true: 4}[u.run]; runs.Load() != want {
					t.Errorf("group %+v: %d functions ran, want %d", o, runs.Load(), want)
				}
			}
		})
	}
}

// A portal that loses calls: each way to cancel ends them.
func TestFault_APortalThatNeverRunsTheCall(t *testing.T) {
	hoptest.NoLeaks(t)
	lost := portalFunc(func(*hop.Call) error { return nil })
	ends := map[string]func(t *testing.T) error{
		"Cancel": func(t *testing.T) error {
			p := hop.Go(bg, lost, value(1))
			wantState(t, p.Call(), hop.Queued)
			p.Cancel(errStruck)
			return waitErr(t, p)
		},
		"CancelWait": func(t *testing.T) error {
			p := hop.Go(bg, lost, value(1))
			within(t, patience, "CancelWait", func() { p.CancelWait(bg, errStruck) })
			return waitErr(t, p)
		},
		"its context": func(t *testing.T) error {
			ctx, cancel := context.WithCancelCause(bg)
			p := hop.Go(ctx, lost, value(1))
			p.Done()
			cancel(errStruck)
			return waitErr(t, p)
		},
		"the context of Do": func(t *testing.T) (err error) {
			ctx, cancel := context.WithCancelCause(bg)
			within(t, patience, "Do", func() {
				_, err = hop.Do(ctx, portalFunc(func(*hop.Call) error { go cancel(errStruck); return nil }), value(1))
			})
			return err
		},
		"a group that fails": func(t *testing.T) error {
			var p *hop.Pending[int]
			withGroup(t, bg, nil, func(ctx context.Context) error {
				p = hop.Go(ctx, lost, value(1))
				return errStruck
			})
			return waitErr(t, p)
		},
		"the call that made it": func(t *testing.T) error {
			var p *hop.Pending[int]
			up := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
				p = hop.Go(ctx, lost, value(1))
				_, err := p.Wait(bg)
				return 0, err
			})
			untilWaiting(t, up.Call())
			up.Cancel(errStruck)
			waitErr(t, up)
			return waitErr(t, p)
		},
		"After": func(t *testing.T) error {
			submitted := make(chan struct{})
			p := hop.After(bg, time.Microsecond, portalFunc(func(*hop.Call) error { close(submitted); return nil }), value(1))
			recv(t, "Submit", submitted)
			p.Cancel(errStruck)
			return waitErr(t, p)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) { wantCancelled(t, end(t)) })
	}
}

// A portal that blocks in Submit blocks who calls, as it may not, but nobody else, and not the call's end.
func TestFault_APortalThatBlocksInSubmit(t *testing.T) {
	hoptest.NoLeaks(t)
	g := newGate(t)
	in := make(chan *hop.Call, 10)
	slow := portalFunc(func(c *hop.Call) error { in <- c; g.pass(); c.Run(); return nil })
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	ran := false
	f := func(context.Context) (int, error) { ran = true; return 1, nil }
	p := hop.New(bg, f)
	over := inBackground(func() { slow.Submit(p.Call()) })
	c := recv(t, "Submit", in)
	if !c.Cancel(errStruck) {
		t.Error("Cancel reports false")
	}
	wantCancelled(t, waitErr(t, p))

	over2 := inBackground(func() { hop.Go(bg, slow, f) })
	c = recv(t, "Submit", in)
	wantState(t, c, hop.Created)
	must(t, hop.Go(bg, l, value(1)))
	c.Cancel(nil)
	recv(t, "the end of the call", c.Done())

	over3 := inBackground(func() { hop.Do(bg, slow, f, hop.Timeout(time.Hour)) })
	c = recv(t, "Submit", in)
	c.Cancel(nil)
	recv(t, "the end of the call", c.Done())
	g.open()
	recv(t, "Submit", over)
	recv(t, "Go", over2)
	recv(t, "Do", over3)
	if ran {
		t.Error("a cancelled function ran")
	}
}

// A fault in Submit is the caller's.
func TestFault_AFaultInSubmit(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			hoptest.NoLeaks(t)
			var call *hop.Call
			bad := portalFunc(func(c *hop.Call) error { call = c; fault.strike(); return nil })
			for _, way := range ways {
				if way.name == "After" {
					continue // the timer's goroutine calls Submit: see TestFault_Crash
				}
				v, returned := swallow(t, way.name, func() { way.call(bg, bad, value(1)) })
				if returned || (v == nil) != fault.goexit {
					t.Errorf("%s: returned %v, panicked with %v", way.name, returned, v)
				}
				if way.name == "Submit" { // the caller's own, who has it still
					if !call.Cancel(nil) {
						t.Errorf("%s: %v", way.name, call)
					}
				} else if err := call.Err(); !fault.struckBy(err) { // nothing will become of it
					t.Errorf("%s: %v: %v", way.name, call, err)
				}
				// In a task it is the task's, in a group the group's function's.
				eachFault := func(what string, on hop.Portal) {
					life := newLifeline()
					hop.Go(bg, on, func(ctx context.Context) (int, error) {
						life.hold(ctx)
						return 1, hop.WithGroup(ctx, nil, func(ctx context.Context) error { return way.call(ctx, bad, value(1)) })
					})
					if err := life.wantEnd(t, what); !fault.struckBy(err) {
						t.Errorf("%s, %s: %v", way.name, what, err)
					}
					wantIdle(t, on)
				}
				eachFault("on a loop", newLoop(t, nil))
				eachFault("on a pool", newPool(t, &hop.PoolOptions{Size: 1}))
			}
		})
	}
}

// A group with a Limit calls Submit on the goroutine of a member that ends, and under no lock.
func TestFault_AFaultInSubmitOfAHeldMember(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			var submits atomic.Int32
			bad := portalFunc(func(c *hop.Call) error {
				if submits.Add(1) == 2 {
					fault.strike()
				}
				go c.Run()
				return nil
			})
			g := newGate(t)
			ps := make([]*hop.Pending[int], 3)
			withGroup(t, bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
				ps[0] = hop.Go(ctx, bad, func(context.Context) (int, error) { g.pass(); return 1, nil })
				ps[1] = hop.Go(ctx, bad, value(2)) // kept until the first has ended; its Submit is struck
				ps[2] = hop.Go(ctx, bad, value(3))
				g.open()
				recv(t, "the end of the first", ps[0].Done())
				recv(t, "the end of the last", ps[2].Done())
				ps[1].Cancel(nil) // should nobody have ended it
				return nil
			})
			must(t, ps[0])
			must(t, ps[2])
			if waitErr(t, ps[1]) == nil {
				t.Error("the struck call succeeded")
			}
		})
	}
}

// A host that fails at its n-th Post, in the ways it can. Every call of the guest ends, and Close returns.
func TestFault_Hosts(t *testing.T) {
	for _, fail := range []struct {
		name, fault string
		post        func() error
	}{
		{"refuses", "", func() error { return errRefused }},
		{"panics", "a panic in Post strands the guest: its calls never end, Close hangs", func() error { panic("boom") }},
	} {
		for n := range 4 {
			t.Run(fmt.Sprintf("%s at Post %d", fail.name, n), func(t *testing.T) {
				hoptest.NoLeaks(t)
				real := newLoop(t, nil)
				var posts atomic.Int32
				var ps []*hop.Pending[int]
				var guest *hop.Loop
				swallow(t, "NewLoop", func() {
					guest = hop.NewLoop(&hop.LoopOptions{Name: "guest", StallAfter: -1, Host: hostFunc(func(f func()) error {
						if int(posts.Add(1)) > n {
							return fail.post()
						}
						return real.Post(f)
					})})
				})
				for range 6 {
					swallow(t, "Go", func() {
						p := hop.New(bg, func(ctx context.Context) (int, error) { return 1, hop.Yield(ctx) })
						ps = append(ps, p)
						if err := guest.Submit(p.Call()); err != nil {
							p.Call().Fail(err)
						}
					})
					must(t, hop.Go(bg, real, value(1)))
				}
				within(t, patience, "Close", func() { guest.Close() })
				for _, p := range ps {
					if err := waitErr(t, p); err != nil {
						wantIs(t, err, hop.ErrStopped)
					}
				}
			})
		}
	}
}

// A host that is no host at all must not leave a loop behind that nobody can find nor stop.
func TestFault_ANilLoopAsHost(t *testing.T) {
	before := len(hop.Loops())
	mustPanic(t, func() { hop.NewLoop(&hop.LoopOptions{Host: (*hop.Loop)(nil)}) })
	if n := len(hop.Loops()); n != before {
		t.Errorf("%d loops, want %d", n, before)
	}
}

// Do on a portal that runs the call before Submit returns: its caller does not wait, so nothing can be sent back to it. A call to
// Origin from there must not wait for ever; whether Origin is nil, another's, runs it here, or the wait is refused is open.
func TestFault_TheWayBackToWhoRunsTheCallItself(t *testing.T) {
	back := func(ctx context.Context) (int, error) {
		o := hop.Origin(ctx)
		if o == nil {
			return 1, nil
		}
		_, err := hop.Go(ctx, o, value(1)).Wait(ctx)
		if errors.Is(err, hop.ErrDeadlock) || errors.Is(err, hop.ErrClosed) {
			err = nil
		}
		return 1, err
	}
	below := func(ctx context.Context) (int, error) { return hop.Go(ctx, hop.Goroutines, back).Wait(ctx) }
	for _, on := range []struct {
		name   string
		portal hop.Portal
	}{{"Inline", hop.Inline}, {"a user's portal", portalFunc(func(c *hop.Call) error { c.Run(); return nil })}} {
		for name, f := range map[string]func(context.Context) (int, error){"itself": back, "a call that it waits for": below} {
			t.Run(on.name+"/"+name, func(t *testing.T) {
				for _, k := range kinds {
					p := hop.Go(bg, k.make(t), func(ctx context.Context) (int, error) { return hop.Do(ctx, on.portal, f) })
					must(t, p)
				}
				within(t, patience, "Do on a plain goroutine", func() {
					if _, err := hop.Do(bg, on.portal, f); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}
