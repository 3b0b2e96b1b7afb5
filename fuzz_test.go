package hop_test

// Fuzzing: options in all combinations either panic as misuse does or work; operations in all orders do what a model of a few
// lines says. All of it runs in testing/synctest bubbles, so that synctest.Wait tells when everything has settled.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// misusedOrNot runs f, which must panic with a text that starts with "hop: " if misused, and must not otherwise. It reports
// whether f returned.
func misusedOrNot(t *testing.T, misused bool, what string, f func()) (returned bool) {
	t.Helper()
	defer func() {
		t.Helper()
		if returned {
			if misused {
				t.Errorf("%s: no panic", what)
			}
			return
		}
		if r := recover(); !misused || !strings.HasPrefix(fmt.Sprint(r), "hop: ") {
			t.Errorf("%s: panic with %v", what, r)
		}
	}()
	f()
	return true
}

func FuzzLoopOptions(f *testing.F) {
	f.Add("", false, false, false, uint8(0), 0, int64(0))
	f.Add("name", true, false, true, uint8(0), 3, int64(-1))
	f.Add("a\x00b\xff", true, true, false, uint8(0), 1, int64(1))
	f.Add("", false, false, true, uint8(1), 0, int64(time.Hour))
	f.Add("guest", true, false, false, uint8(1), 0, int64(0))
	f.Add("guest", false, true, false, uint8(2), -1, int64(0))
	f.Add("guest", false, false, false, uint8(2), 5, int64(math.MinInt64))
	f.Add("guest", false, false, false, uint8(3), 5, int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, name string, thread, manual, protected bool, host uint8, limit int, stall int64) {
		synctest.Test(t, func(t *testing.T) {
			parent := newLoop(t, nil)
			o := hop.LoopOptions{Name: name, Thread: thread && !wasm, Manual: manual, Protected: protected, QueueLimit: limit, StallAfter: time.Duration(stall)}
			lost := false // the host takes nothing
			switch host % 4 {
			case 1:
				o.Host = newLoop(t, nil)
			case 2:
				h := hop.NewLoop(nil)
				h.Close()
				o.Host, lost = h, true
			case 3:
				h := newLoop(t, nil)
				o.Host = hostFunc(func(f func()) error { return h.Post(f) })
			}
			misused := o.Host != nil && (o.Thread || o.Manual) || limit < 0
			what := fmt.Sprintf("%+v", o)
			var l *hop.Loop
			if !misusedOrNot(t, misused || protected && name == "", what, func() {
				if !protected {
					l = hop.NewLoop(&o)
					return
				}
				var err error // its parent stops it
				if l, err = parent.Child(name, &o); err != nil {
					t.Errorf("Child(%q) %s: %v", name, what, err)
				}
			}) || l == nil {
				return
			}
			if l.Name() != name && name != "" || l.Name() == "" {
				t.Errorf("name %q, want %q", l.Name(), name)
			}
			over := make(chan struct{})
			if manual {
				over = make(chan struct{})
				go func() { defer close(over); l.Run(bg) }()
			} else {
				close(over)
			}
			fuzzUse(t, l, lost, limit)
			synctest.Wait()
			if protected {
				if err := l.Close(); !errors.Is(err, hop.ErrProtected) {
					t.Errorf("Close of a protected loop: %v", err)
				}
				closeAll(t, "the parent", parent.Close)
			} else {
				closeAll(t, what, l.Close)
			}
			<-l.Stopped()
			<-over
		})
	})
}

// fuzzUse uses a loop: it runs calls, and takes as many at once as its limit says.
func fuzzUse(t *testing.T, l *hop.Loop, lost bool, limit int) {
	v, err := hop.Do(bg, l, func(ctx context.Context) (int, error) {
		if !l.Here() || hop.CurrentLoop() != l {
			t.Error("a call of the loop is not on it")
		}
		return 7, hop.Sleep(ctx, time.Second)
	})
	if lost {
		wantIs(t, err, hop.ErrStopped)
		return
	}
	if v != 7 || err != nil {
		t.Errorf("a call gave %d, %v", v, err)
	}
	g := newGate(t)
	hop.Go(bg, l, func(context.Context) (int, error) { g.pass(); return 1, nil })
	synctest.Wait()
	const n = 20
	var ps []*hop.Pending[int]
	for range n {
		ps = append(ps, hop.Go(bg, l, value(1)))
	}
	refused := 0
	for _, p := range ps {
		if errors.Is(p.Call().Err(), hop.ErrFull) {
			refused++
		}
	}
	if want := max(0, n-limit); limit > 0 && refused != want || limit == 0 && refused != 0 {
		t.Errorf("%d of %d calls were refused, with a limit of %d", refused, n, limit)
	}
	g.open()
	for _, p := range ps {
		p.Wait(bg)
	}
}

func FuzzPoolOptions(f *testing.F) {
	f.Add("", 0, 0, int64(0), false, 0, 3)
	f.Add("name", 1, -1, int64(1), true, 2, 1)
	f.Add("\xff", 3, 2, int64(time.Hour), false, 5, 0)
	f.Add("", -1, 0, int64(0), false, 0, 0)
	f.Add("", 0, 0, int64(-1), false, 0, 0)
	f.Add("", 2, 0, int64(0), false, -7, -2)
	f.Add("", math.MaxInt, math.MaxInt, int64(math.MaxInt64), false, math.MaxInt, math.MaxInt)
	f.Fuzz(func(t *testing.T, name string, size, idle int, timeout int64, threads bool, limit, resize int) {
		synctest.Test(t, func(t *testing.T) {
			o := hop.PoolOptions{Name: name, Size: size, MaxIdle: idle, IdleTimeout: time.Duration(timeout), Threads: threads && !wasm, QueueLimit: limit}
			var p *hop.Pool
			if !misusedOrNot(t, size < 0 || timeout < 0 || limit < 0, fmt.Sprintf("%+v", o), func() { p = hop.NewPool(&o) }) {
				return
			}
			for {
				const n = 12
				running, most := 0, 0
				var calls []*hop.Pending[int]
				g := newGate(t)
				for range n {
					calls = append(calls, hop.Go(bg, p, func(ctx context.Context) (int, error) {
						g.pass()
						return 1, nil
					}))
					synctest.Wait()
					running = p.Stats().Running
					most = max(most, running)
				}
				s := p.Stats()
				want := n
				if size > 0 {
					want = min(n, size)
				}
				queued := n - want
				if limit > 0 {
					queued = min(queued, limit)
				}
				if most != want || s.Running != want || s.Queued != queued || s.Waiting != 0 || s.Abandoned != 0 {
					t.Errorf("%+v: %+v with %d calls", o, s, n)
				}
				g.open()
				refused := 0
				for _, c := range calls {
					if _, err := c.Wait(bg); errors.Is(err, hop.ErrFull) {
						refused++
					} else if err != nil {
						t.Errorf("%+v: %v", o, err)
					}
				}
				if refused != n-want-queued {
					t.Errorf("%+v: %d calls were refused, want %d", o, refused, n-want-queued)
				}
				synctest.Wait()
				keep := idle
				if idle == 0 {
					keep = 10
				}
				if s := p.Stats(); s != (hop.PoolStats{Idle: s.Idle}) || s.Idle > max(0, keep) {
					t.Errorf("%+v: %+v at rest", o, s)
				}
				if size == resize {
					break
				}
				if !misusedOrNot(t, resize < 0, "SetSize", func() { p.SetSize(resize) }) {
					break
				}
				size = resize
			}
			d := time.Duration(timeout)
			if d == 0 {
				d = time.Minute
			}
			if d < 1000*time.Hour {
				time.Sleep(d + 1)
				if s := p.Stats(); s != (hop.PoolStats{}) {
					t.Errorf("%+v: %+v after IdleTimeout", o, s)
				}
			}
			closeAll(t, "the pool", p.Close)
		})
	})
}

func FuzzGroupOptions(f *testing.F) {
	f.Add(int64(0), 0, false, false, false, false, []byte{0, 1, 0})
	f.Add(int64(time.Second), 1, true, false, false, false, []byte{2, 1, 3})
	f.Add(int64(3e9), 2, true, true, true, true, []byte{4, 0, 1, 5, 2})
	f.Add(int64(0), 3, false, true, false, true, []byte{4, 1, 1})
	f.Add(int64(-1), 0, false, false, false, false, []byte{0})
	f.Add(int64(0), -1, false, false, false, false, []byte{})
	f.Fuzz(func(t *testing.T, timeout int64, limit int, keep, onCancelled, report, shield bool, members []byte) {
		if len(members) > 40 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			o := &hop.GroupOptions{Timeout: time.Duration(timeout), Limit: limit, KeepGoing: keep, CancelOnCancelled: onCancelled, ReportCancelled: report, Shield: shield}
			what := fmt.Sprintf("%+v, members %v", *o, members)
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			places := []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})}
			var ps []*hop.Pending[int]
			var err error
			var ended atomic.Bool // the context of the group was
			if !misusedOrNot(t, timeout < 0 || limit < 0, what, func() {
				err = hop.WithGroup(ctx, o, func(ctx context.Context) error {
					for n, m := range members {
						ps = append(ps, hop.Go(ctx, places[n%3], func(ctx context.Context) (int, error) {
							switch m % 7 {
							case 0:
								return 1, nil
							case 1:
								hop.Sleep(ctx, time.Second)
							case 2:
								return 0, errStruck
							case 3:
								hop.Sleep(ctx, 2*time.Second)
								return 0, errStruck
							case 4:
								hop.CurrentCall(ctx).Cancel(errRefused)
							case 5:
								panic(errStruck)
							case 6:
								time.AfterFunc(time.Second+7, func() { ended.Store(true); cancel() })
								hop.Sleep(ctx, 5*time.Second)
							}
							return 1, nil
						}))
					}
					return nil
				})
			}) {
				return
			}
			failed, cancelled := 0, 0
			for _, p := range ps {
				switch p.Call().State() {
				case hop.Succeeded:
				case hop.Failed:
					failed++
				case hop.Cancelled:
					cancelled++
				default:
					t.Errorf("%s: not waited for: %v", what, p)
				}
			}
			// A member that panics when it has been cancelled is cancelled.
			if failed > 0 && !errors.Is(err, errStruck) || failed == 0 && errors.Is(err, errStruck) && !(report && cancelled > 0) {
				t.Errorf("%s: %d failed, error %v", what, failed, err)
			}
			if failed == 0 && (cancelled == 0 || !report) && (!ended.Load() || shield) && err != nil {
				t.Errorf("%s: error %v", what, err)
			}
			if ended.Load() && !shield && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v, and the context has ended", what, err)
			}
			if failed+cancelled == 0 && len(ps) != len(members) {
				t.Errorf("%s: %d members", what, len(ps))
			}
			if err := hop.Run(bg, places[1], func(context.Context) error { return nil }); err != nil {
				t.Errorf("%s: the next call: %v", what, err)
			}
		})
	})
}

func FuzzCallOptions(f *testing.F) {
	f.Add("", int64(0), false, uint8(0), uint8(0))
	f.Add("name", int64(1), true, uint8(1), uint8(1))
	f.Add("with \"quotes\" and \n and \xff", int64(math.MaxInt64), false, uint8(2), uint8(2))
	f.Add("x", int64(-1), false, uint8(3), uint8(3))
	f.Add("x", int64(time.Second), true, uint8(5), uint8(4))
	f.Fuzz(func(t *testing.T, name string, timeout int64, abandon bool, key, undelivered uint8) {
		synctest.Test(t, func(t *testing.T) {
			type mine struct{ n uint8 }
			keys := []any{nil, 1, "key", mine{key}, &key, [2]int{1, 2}, any(mine{1}), []int{1}, map[int]int{}, func() {}, struct{ f func() }{}, math.NaN()}
			k := int(key) % len(keys)
			misused := timeout < 0 || k == 0 || k >= 7 && k <= 10 || undelivered%5 >= 2
			var opts []hop.Option
			got := 0
			var p *hop.Pending[int]
			what := fmt.Sprintf("name %q, timeout %v, key %T, undelivered %d", name, time.Duration(timeout), keys[k], undelivered%5)
			f := func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Second) }
			if !misusedOrNot(t, misused, what, func() {
				opts = append(opts, hop.Name("first"), hop.Name(name), hop.Timeout(time.Duration(timeout)), hop.Meta(keys[k], 1), hop.Meta(keys[k], 2))
				switch undelivered % 5 {
				case 1:
					opts = append(opts, hop.OnUndelivered(func(v int) { got = v }))
				case 2:
					opts = append(opts, hop.OnUndelivered(func(string) {}))
				case 3:
					opts = append(opts, hop.OnUndelivered[int](nil))
				case 4:
					opts = append(opts, nil)
				}
				if abandon {
					opts = append(opts, hop.Abandon())
				}
				p = hop.New(bg, f, opts...)
			}) {
				return
			}
			c := p.Call()
			if name != "" && c.Name() != name || c.Name() == "" {
				t.Errorf("%s: the name is %q", what, c.Name())
			}
			if v := c.Meta(keys[k]); v != 2 && keys[k] == keys[k] {
				t.Errorf("%s: Meta gave %v", what, v)
			}
			if s := c.String(); strings.Contains(s, "\n") {
				t.Errorf("%s: %q has more than one line", what, s)
			}
			hop.Goroutines.Submit(c)
			_, err := p.Wait(bg)
			late := timeout > 0 && timeout < int64(time.Second)
			if timeout == int64(time.Second) {
				return // at the same moment
			}
			if errors.Is(err, context.DeadlineExceeded) != late || errors.Is(err, hop.ErrCancelled) != late {
				t.Errorf("%s: %v", what, err)
			}
			synctest.Wait()
			if got != 0 {
				t.Errorf("%s: OnUndelivered got %d", what, got) // there was an error, or it was delivered
			}
		})
	})
}
