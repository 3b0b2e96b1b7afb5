package hop_test

// Fuzzing of operations in all orders: each byte is one, the model beside it says what must come of it.

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/gohop/hop"
)

// FuzzCall drives a promise, or a call on a user's portal, to its end in all orders.
//
// kind: bit 0 a call (else a promise), bits 1 and 2 what its function does, bit 3 with Abandon.
func FuzzCall(f *testing.F) {
	for kind := range uint8(16) {
		f.Add(kind, []byte{4, 4, 6, 0, 4, 7, 2})
		f.Add(kind, []byte{12, 4, 5, 2, 8, 1, 0})
		f.Add(kind, []byte{4, 16, 11, 9, 10, 13, 4})
		f.Add(kind, []byte{16, 17, 4, 14, 13, 13, 5})
	}
	f.Fuzz(func(t *testing.T, kind uint8, ops []byte) {
		if len(ops) <= 200 {
			synctest.Test(t, func(t *testing.T) { fuzzCall(t, kind, ops) })
		}
	})
}

// callModel is what a call is said to be.
type callModel struct {
	asked    bool // to cancel
	done     bool
	state    hop.State
	err      error // what its error is
	onCancel int   // functions that are to be asked
	asks     int   // and that have been
	waits    int   // functions of OnDone that are to run
	ran      int   // and that have
	runs     int   // how often the function has run
}

func (m *callModel) end(state hop.State, err error) bool {
	if m.done {
		return false
	}
	if m.asked {
		state, err = hop.Cancelled, hop.ErrCancelled
	}
	m.done, m.state, m.err = true, state, err
	m.ran += m.waits
	m.waits = 0
	return true
}

// cancel asks; running tells that the function does so itself, and ends the call with its return.
func (m *callModel) cancel(running bool) bool {
	if m.done {
		return m.state == hop.Cancelled
	}
	if m.asked {
		return true
	}
	m.asked = true
	m.asks += m.onCancel
	if m.onCancel == 0 && !running {
		m.end(hop.Cancelled, hop.ErrCancelled)
	}
	return true
}

func fuzzCall(t *testing.T, kind uint8, ops []byte) {
	parent, end := context.WithCancelCause(bg)
	defer end(nil)
	ended, endNow := context.WithCancel(bg)
	endNow()
	var m callModel
	asks, ran, runs := 0, 0, 0
	var pr *hop.Promise[int]
	var p *hop.Pending[int]
	if isCall := kind&1 == 1; isCall {
		p = hop.New(parent, func(ctx context.Context) (int, error) {
			runs++
			switch kind >> 1 & 3 {
			case 1:
				return 0, errStruck
			case 2:
				panic(errStruck)
			case 3:
				hop.CurrentCall(ctx).Cancel(errRefused)
			}
			return 1, nil
		}, func() hop.Option {
			if kind&8 != 0 {
				return hop.Abandon()
			}
			return hop.Name("fuzzed")
		}())
		if err := (portalFunc(func(*hop.Call) error { return nil })).Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
	} else {
		pr = hop.NewPromise[int](parent)
		p = pr.Pending()
	}
	c := p.Call()
	var stops []func() bool
	stopped := map[int]bool{}
	live := []int{} // the numbers of the functions of OnDone that are to run
	check := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %v, want %v; %v, %+v", what, got, want, c, m)
		}
	}
	checkErr := func(what string, err error) {
		t.Helper()
		if m.err == nil != (err == nil) || m.err != nil && !errors.Is(err, m.err) {
			t.Fatalf("%s: %v, want %v; %v", what, err, m.err, c)
		}
	}
	for _, op := range ops {
		synctest.Wait()
		switch op % 18 {
		case 0:
			if pr != nil {
				check("Resolve", pr.Resolve(1), m.end(hop.Succeeded, nil))
			}
		case 1:
			if pr != nil {
				check("Reject", pr.Reject(errStruck), m.end(hop.Failed, errStruck))
			}
		case 2:
			check("Cancel", p.Cancel(errRefused), m.cancel(false))
		case 3:
			check("Cancel(nil)", c.Cancel(nil), m.cancel(false))
		case 4:
			n := len(stops)
			stops = append(stops, p.OnDone(func() { ran++; live = slices.DeleteFunc(live, func(i int) bool { return i == n }) }))
			if m.done {
				m.ran++
			} else {
				m.waits++
				live = append(live, n)
			}
		case 5:
			if n := len(stops) - 1; n >= 0 {
				want := !m.done && !stopped[n]
				check("stop", stops[n](), want)
				if want {
					stopped[n] = true
					m.waits--
				}
			}
		case 6:
			v, err := p.Wait(ended)
			if m.done {
				checkErr("Wait", err)
				check("its value", v == 1, m.state == hop.Succeeded)
			} else if !errors.Is(err, context.Canceled) || errors.Is(err, hop.ErrCancelled) {
				t.Fatalf("Wait with an ended context: %v", err)
			}
		case 7:
			v, err := p.Result()
			if m.done {
				checkErr("Result", err)
				check("its value", v == 1, m.state == hop.Succeeded)
			} else {
				wantIs(t, err, hop.ErrNotDone)
			}
		case 8:
			if err := c.Err(); m.done {
				checkErr("Err", err)
			} else {
				wantIs(t, err, hop.ErrNotDone)
			}
		case 9:
			if s := c.State(); s.Done() != m.done || m.done && s != m.state {
				t.Fatalf("state %v, want %+v", s, m)
			}
		case 10:
			check("Done", isDone(p.Done()), m.done)
		case 11:
			end(errRefused)
			if !m.done {
				m.cancel(false)
			}
			synctest.Wait()
		case 12:
			if pr != nil {
				pr.OnCancel(func(error) { asks++ })
				if !m.done && !m.asked {
					m.onCancel++
				}
			}
		case 13:
			err := p.CancelWait(ended, errRefused)
			if m.cancel(false); m.done {
				check("CancelWait", err == nil, true)
			} else {
				wantIs(t, err, context.Canceled)
			}
		case 14:
			check("Fail", c.Fail(errStruck), m.end(hop.Failed, errStruck))
		case 15:
			check("String", len(c.String()) > 0, true)
		case 16:
			c.Run()
			if pr == nil && !m.done {
				m.runs++
				switch kind >> 1 & 3 {
				case 0:
					m.end(hop.Succeeded, nil)
				case 1, 2:
					m.end(hop.Failed, errStruck)
				case 3:
					m.cancel(true)
					m.end(hop.Cancelled, hop.ErrCancelled)
				}
			}
		case 17:
			check("its context", c.Context().Err() != nil, m.asked || parent.Err() != nil)
		}
		synctest.Wait()
		if parent.Err() != nil && !m.done && !m.asked {
			m.cancel(false)
		}
		if c.State(); runs != m.runs || ran != m.ran || asks != m.asks {
			t.Fatalf("after %d of %v: %d runs, %d OnDone, %d OnCancel; want %+v; %v", op%18, ops, runs, ran, asks, m, c)
		}
	}
	// Whoever waits comes back in the end.
	back := make(chan error, 1)
	go func() {
		_, err := p.Wait(bg)
		back <- err
	}()
	synctest.Wait()
	if pr != nil {
		pr.Resolve(1)
	} else {
		c.Fail(errStruck)
	}
	m.end(map[bool]hop.State{true: hop.Succeeded, false: hop.Failed}[pr != nil], map[bool]error{false: errStruck}[pr != nil])
	checkErr("the last Wait", <-back)
	if synctest.Wait(); ran != m.ran {
		t.Fatalf("%d OnDone functions have run, want %d", ran, m.ran)
	}
}
