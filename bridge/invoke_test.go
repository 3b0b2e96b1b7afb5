package bridge_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
)

func double(n int) int { return 2 * n }

type counter struct{ n int }

func (c *counter) Add(n int) int { c.n += n; return c.n }

func TestInvokeTakesAFunctionOfAnyShape(t *testing.T) {
	type pair struct{ a, b int }
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for _, c := range []struct {
			name string
			f    any
			args []any
			want any
			err  error
		}{
			{"nothing", func() {}, nil, nil, nil},
			{"a value", double, []any{21}, 42, nil},
			{"a method value", (&counter{1}).Add, []any{2}, 3, nil},
			{"a method expression", (*counter).Add, []any{&counter{1}, 2}, 3, nil},
			{"an error", func() error { return errWhy }, nil, nil, errWhy},
			{"no error", func() error { return nil }, nil, nil, nil},
			{"both", func() (int, error) { return 1, nil }, nil, 1, nil},
			{"both, and the error", func() (int, error) { return 1, errWhy }, nil, 1, errWhy},
			{"several", func() (int, string) { return 1, "a" }, nil, []any{1, "a"}, nil},
			{"several and an error", func() (int, string, error) { return 1, "a", errWhy }, nil, []any{1, "a"}, errWhy},
			//lint:ignore ST1008 the function has it elsewhere than last
			{"an error that is not last", func() (error, int) { return errWhy, 1 }, nil, []any{errWhy, 1}, nil},
			{"an error of its own type", func() *hop.PanicError { return nil }, nil, (*hop.PanicError)(nil), nil},
			{"any", func() any { return "a" }, nil, "a", nil},
			{"any that is nil", func() any { return nil }, nil, nil, nil},
			{"any and an error", func() (any, error) { return nil, errWhy }, nil, nil, errWhy},
			{"a context", func(ctx context.Context) bool { return hop.CurrentCall(ctx) != nil }, nil, true, nil},
			{"a context and more", func(_ context.Context, a, b int) pair { return pair{a, b} }, []any{1, 2}, pair{1, 2}, nil},
			{"variadic, none", func(vs ...int) int { return len(vs) }, nil, 0, nil},
			{"variadic", func(s string, vs ...int) int { return len(s) + len(vs) }, []any{"a", 1, 2}, 3, nil},
			{"variadic with a context", func(_ context.Context, vs ...any) []any { return vs }, []any{1, nil}, []any{1, nil}, nil},
			{"a Pending", func() *hop.Pending[int] { return resolved(7) }, nil, 7, nil},
			{"a Pending that failed", func() *hop.Pending[int] { return rejected(errWhy) }, nil, 0, errWhy},
			{"a Pending and no error", func() (*hop.Pending[int], error) { return resolved(7), nil }, nil, 7, nil},
			{"a Pending and an error", func() (*hop.Pending[int], error) { return nil, errWhy }, nil, nil, errWhy},
			{"a Pending as any", func() any { return resolved("a") }, nil, "a", nil},
			{"a sequence", func() iter.Seq[*hop.Pending[int]] {
				return slices.Values([]*hop.Pending[int]{resolved(1), resolved(2)})
			}, nil, []any{1, 2}, nil},
			{"a sequence as any", func() any { return slices.Values([]*hop.Pending[string]{resolved("a")}) }, nil, []any{"a"}, nil},
			{"an empty sequence", func() iter.Seq[*hop.Pending[int]] { return func(func(*hop.Pending[int]) bool) {} }, nil, []any{}, nil},
			{"a sequence and an error", func() (iter.Seq[*hop.Pending[int]], error) { return nil, errWhy }, nil, nil, errWhy},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, err := invoke(t, on, c.f, c.args...)
				if err != c.err {
					t.Errorf("error %v, want %v itself", err, c.err)
				}
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("value %#v, want %#v", got, c.want)
				}
			})
		}
	})
}

func TestS15_InvokeLeavesInnerPendingsAlone(t *testing.T) {
	p := open()
	got, err := invoke(t, hop.Inline, func() *hop.Pending[*hop.Pending[int]] { return resolved(p) })
	if got != p || err != nil {
		t.Errorf("a Pending of a Pending: %v, %v", got, err)
	}
	got, err = invoke(t, hop.Inline, func() (int, *hop.Pending[int]) { return 1, p })
	if vs, _ := got.([]any); len(vs) != 2 || vs[1] != p || err != nil {
		t.Errorf("one of several: %v, %v", got, err)
	}
	got, err = invoke(t, hop.Inline, func() []*hop.Pending[int] { return []*hop.Pending[int]{p} })
	if ps, _ := got.([]*hop.Pending[int]); len(ps) != 1 || ps[0] != p || err != nil {
		t.Errorf("in a slice: %v, %v", got, err)
	}
}

func TestInvokeRunsOnThePortalAndNamesTheCall(t *testing.T) {
	l := newLoop(t)
	var where *hop.Loop
	p := bridge.Invoke(t.Context(), l, func() { where = hop.CurrentLoop() })
	within(t, func() { p.Wait(t.Context()) })
	if where != l {
		t.Errorf("ran on %v", where)
	}
	for _, c := range []struct {
		f    any
		args []any
		want string
	}{
		{double, []any{1}, "github.com/gohop/hop/bridge_test.double"},
		{(&counter{}).Add, []any{1}, "github.com/gohop/hop/bridge_test.(*counter).Add"},
		{double, nil, "github.com/gohop/hop/bridge_test.double"},
	} {
		p := bridge.Invoke(t.Context(), hop.Inline, c.f, c.args...)
		p.Result()
		if got := p.Call().Name(); got != c.want {
			t.Errorf("name is %s, want %s", got, c.want)
		}
	}
}

type (
	celsius float64
	id      string
	names   []string
	point   struct{ X, Y int }
	vector  struct{ X, Y int }
)

func TestInvokeConvertsWhatLosesNothing(t *testing.T) {
	var nilReader io.Reader
	for _, c := range []struct {
		f    any
		arg  any
		want any // nil: the argument does not fit
	}{
		{func(v int64) any { return v }, 3, int64(3)},
		{func(v int8) any { return v }, 127, int8(127)},
		{func(v int8) any { return v }, 128, nil},
		{func(v uint8) any { return v }, -1, nil},
		{func(v uint) any { return v }, 5, uint(5)},
		{func(v int) any { return v }, uint64(1 << 63), nil},
		{func(v int) any { return v }, 3.0, 3},
		{func(v int) any { return v }, 3.5, nil},
		{func(v int) any { return v }, math.Copysign(0, -1), nil},
		{func(v uint) any { return v }, math.Copysign(0, -1), nil},
		{func(v uint) any { return v }, 0.0, uint(0)},
		{func(v float64) any { return v }, int64(-(1<<53 + 1)), nil},
		{func(v float64) any { return v }, int64(-(1 << 53)), float64(-1 << 53)},
		{func(v int64) any { return v }, 9.3e18, nil},
		{func(v int64) any { return v }, float64(-1 << 63), int64(-1 << 63)},
		{func(v uint64) any { return v }, 18446744073709551616.0, nil},
		{func(v float64) any { return v }, int64(1 << 53), float64(1 << 53)},
		{func(v float64) any { return v }, int64(1<<53 + 1), nil},
		{func(v float32) any { return v }, 1 << 24, float32(1 << 24)},
		{func(v float32) any { return v }, 1<<24 + 1, nil},
		{func(v float64) any { return v }, int64(-1 << 63), float64(-1 << 63)},
		{func(v float32) any { return v }, 0.5, float32(0.5)},
		{func(v float32) any { return v }, 0.1, nil},
		{func(v complex64) any { return v }, complex(1, 0.5), complex64(complex(1, 0.5))},
		{func(v complex64) any { return v }, complex(1, 0.1), nil},
		{func(v complex128) any { return v }, 1.0, nil},
		{func(v celsius) any { return v }, 36.5, celsius(36.5)},
		{func(v celsius) any { return v }, 36, celsius(36)},
		{func(v id) any { return v }, "a", id("a")},
		{func(v string) any { return v }, id("a"), "a"},
		{func(v []string) any { return v }, names{"a"}, []string{"a"}},
		{func(v vector) any { return v }, point{1, 2}, vector{1, 2}},
		{func(v string) any { return v }, []byte("a"), nil},
		{func(v []byte) any { return v }, "a", nil},
		{func(v string) any { return v }, 'a', nil},
		{func(v string) any { return v }, 65, nil},
		{func(v [1]int) any { return v }, []int{1}, nil},
		{func(v bool) any { return v }, 1, nil},
		{func(v io.Reader) any { return v == nil }, nil, true},
		{func(v io.Reader) any { return v == nil }, nilReader, true},
		{func(v []int) any { return v == nil }, nil, true},
		{func(v *int) any { return v == nil }, nil, true},
		{func(v int) any { return v }, nil, nil},
		{func(v io.Reader) any { return v != nil }, strings.NewReader("a"), true},
		{func(v io.Reader) any { return v != nil }, 1, nil},
		{func(v any) any { return v }, 1, 1},
		{func(v ...int8) any { return int(v[0]) }, 128, nil},
		{func(v []int) any { return v }, []int{1}, []int{1}},
		{func(v <-chan int) any { return v != nil }, make(chan int), true},
	} {
		got, err := invoke(t, hop.Inline, c.f, c.arg)
		if (err == nil) != (c.want != nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%T with %v (%T): %v, %v; want %v", c.f, c.arg, c.arg, got, err, c.want)
		}
	}
}

func TestInvokeNamesTheParameterThatIsWrong(t *testing.T) {
	f := func(context.Context, string, int8, ...bool) { t.Error("was called") }
	name := "bridge_test.TestInvokeNamesTheParameterThatIsWrong.func1: "
	for _, c := range []struct {
		args []any
		want string
	}{
		{nil, name + "no argument for parameter 2 (string): 0 given, want 2 or more"},
		{[]any{"a"}, name + "no argument for parameter 3 (int8): 1 given, want 2 or more"},
		{[]any{1, 2}, name + "argument 1 does not fit parameter 2 (string): it is a int"},
		{[]any{"a", 300}, name + "argument 2 does not fit parameter 3 (int8): 300 (a int) has no exact value there"},
		{[]any{"a", nil}, name + "argument 2 does not fit parameter 3 (int8): nil is no value of that type"},
		{[]any{"a", 1, true, "b"}, name + "argument 4 does not fit parameter 4 (bool): it is a string"},
	} {
		_, err := invoke(t, hop.Inline, f, c.args...)
		if err == nil || !strings.HasPrefix(err.Error(), "hop: ") || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v: error %q, want ...%q", c.args, err, c.want)
		}
	}
	_, err := invoke(t, hop.Inline, double, 1, "b")
	if err == nil || !strings.HasSuffix(err.Error(), "bridge_test.double: no parameter 2 for argument 2 (string): 2 given, want 1") {
		t.Errorf("too many: %v", err)
	}
}

func TestInvokePanicAndGoexitAreErrors(t *testing.T) {
	within(t, func() {
		_, err := invoke(t, hop.Goroutines, func() { panic(errWhy) })
		var p *hop.PanicError
		if !errors.As(err, &p) || p.Value != errWhy || !strings.Contains(string(p.Stack), "TestInvokePanicAndGoexitAreErrors") {
			t.Errorf("%v", err)
		}
		_, err = invoke(t, hop.Goroutines, func() { runtime.Goexit() })
		wantIs(t, err, hop.ErrGoexit)
	})
}

func TestInvokeNilResultsAreErrors(t *testing.T) {
	for _, f := range []any{
		func() *hop.Pending[int] { return nil },
		func() any { return (*hop.Pending[int])(nil) },
		func() iter.Seq[*hop.Pending[int]] { return nil },
		func() iter.Seq[*hop.Pending[int]] { return slices.Values([]*hop.Pending[int]{resolved(1), nil}) },
	} {
		if _, err := invoke(t, hop.Inline, f); err == nil || !strings.HasPrefix(err.Error(), "hop: ") {
			t.Errorf("%T: %v", f, err)
		}
	}
}

func TestInvokeCancelsWhatItWaitsFor(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		if on == hop.Inline {
			return // Invoke would not return
		}
		ps := []*hop.Pending[int]{open(), open()}
		for _, f := range []any{
			func() *hop.Pending[int] { return ps[0] },
			func() iter.Seq[*hop.Pending[int]] { return slices.Values(ps) },
		} {
			ps[0], ps[1] = open(), open()
			p := bridge.Invoke(t.Context(), on, f)
			for p.Call().State() != hop.Waiting {
				runtime.Gosched()
			}
			p.Cancel(errWhy)
			_, err := p.Wait(t.Context())
			wantIs(t, err, hop.ErrCancelled)
			wantIs(t, err, errWhy)
			if s := ps[0].Call().State(); s != hop.Cancelled {
				t.Errorf("what it waited for is %v", s)
			}
		}
		if s := ps[1].Call().State(); s != hop.Cancelled {
			t.Errorf("what it would have waited for next is %v", s)
		}
	})
}

func TestInvokeTheFirstFailureOfASequenceCancelsTheRest(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ps := []*hop.Pending[int]{open(), rejected(errWhy), open()}
		_, err := invoke(t, on, func() iter.Seq[*hop.Pending[int]] { return slices.Values(ps) })
		if err != errWhy {
			t.Errorf("error %v, want %v itself", err, errWhy)
		}
		for _, p := range []*hop.Pending[int]{ps[0], ps[2]} {
			if s := p.Call().State(); s != hop.Cancelled {
				t.Errorf("the rest is %v", s)
			}
		}
	})
}

// All are started before the first is waited for: one may need another.
func TestInvokePullsTheSequenceToItsEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		first := hop.NewPromise[int](t.Context())
		got, err := invoke(t, on, func(ctx context.Context) iter.Seq[*hop.Pending[int]] {
			return func(yield func(*hop.Pending[int]) bool) {
				if yield(first.Pending()) {
					yield(hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { first.Resolve(1); return 2, nil }))
				}
			}
		})
		if !reflect.DeepEqual(got, []any{1, 2}) || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestS4_InvokeOfAFunctionThatReturnsItsOwnCall(t *testing.T) {
	l := newLoop(t)
	within(t, func() {
		var self *hop.Pending[any]
		set := make(chan struct{})
		self = bridge.Invoke(t.Context(), l, func() any { <-set; return self })
		close(set)
		_, err := self.Wait(t.Context())
		wantIs(t, err, hop.ErrDeadlock)
	})
}

func TestInvokeMisuse(t *testing.T) {
	var none context.Context
	var nilFunc func()
	for name, f := range map[string]func(){
		"nil context":    func() { bridge.Invoke(none, hop.Inline, double, 1) },
		"nil portal":     func() { bridge.Invoke(t.Context(), nil, double, 1) },
		"nil":            func() { bridge.Invoke(t.Context(), hop.Inline, nil) },
		"nil function":   func() { bridge.Invoke(t.Context(), hop.Inline, nilFunc) },
		"not a function": func() { bridge.Invoke(t.Context(), hop.Inline, 3) },
		"Sync":           func() { bridge.Sync[int, int](nil) },
		"Async function": func() { bridge.Async[int, int](hop.Inline, nil) },
		"Async portal":   func() { bridge.Async(nil, func(context.Context, int) (int, error) { return 0, nil }) },
	} {
		wantMisuse(t, name, f)
	}
}

// A sequence that never ends is left when the call is cancelled, and what it has started is cancelled; so it is where one of its Pendings is nil.
func TestInvokeLeavesASequence(t *testing.T) {
	ctx := context.Background()
	var started []*hop.Pending[int]
	endless := func(ctx context.Context) iter.Seq[*hop.Pending[int]] {
		return func(yield func(*hop.Pending[int]) bool) {
			for {
				p := hop.NewPromise[int](hop.Detach(ctx)).Pending()
				started = append(started, p)
				if len(started) == 3 {
					hop.CurrentCall(ctx).Cancel(nil)
				}
				if !yield(p) {
					return
				}
			}
		}
	}
	within(t, func() {
		if _, err := bridge.Invoke(ctx, hop.Goroutines, endless).Wait(ctx); !errors.Is(err, hop.ErrCancelled) {
			t.Errorf("%v", err)
		}
	})
	first := hop.NewPromise[int](ctx).Pending()
	started = append(started, first)
	withNil := func() iter.Seq[*hop.Pending[int]] {
		return func(yield func(*hop.Pending[int]) bool) { _ = yield(first) && yield(nil) }
	}
	if _, err := bridge.Invoke(ctx, hop.Goroutines, withNil).Wait(ctx); err == nil {
		t.Error("no error")
	}
	for i, p := range started {
		if p.Call().State() != hop.Cancelled {
			t.Errorf("%d: %v", i, p)
		}
	}
}

// What a sequence has started when it panics, or ends its goroutine, is cancelled: nobody will wait for it.
func TestInvokeASequenceThatDoesNotReturn(t *testing.T) {
	for want, leave := range map[error]func(){errWhy: func() { panic(errWhy) }, hop.ErrGoexit: runtime.Goexit} {
		ps := []*hop.Pending[int]{open(), open()}
		within(t, func() {
			_, err := bridge.Invoke(t.Context(), hop.Goroutines, func() iter.Seq[*hop.Pending[int]] {
				return func(yield func(*hop.Pending[int]) bool) {
					_ = yield(ps[0]) && yield(ps[1])
					leave()
				}
			}).Wait(t.Context())
			wantIs(t, err, want)
		})
		for i, p := range ps {
			if s := p.Call().State(); s != hop.Cancelled {
				t.Errorf("%v: Pending %d is %v", want, i+1, s)
			}
		}
	}
}

// Those of a sequence are cancelled all at once: a function of OnDone of one may wait for the next, or end the goroutine.
func TestInvokeCancelsTheSequenceAtOnce(t *testing.T) {
	for how, start := range map[string]func(ctx context.Context, ps []*hop.Pending[int]) *hop.Pending[any]{
		"a nil Pending": func(ctx context.Context, ps []*hop.Pending[int]) *hop.Pending[any] {
			return bridge.Invoke(ctx, hop.Goroutines, func() iter.Seq[*hop.Pending[int]] { return slices.Values(append(slices.Clip(ps), nil)) })
		},
		"a failure": func(ctx context.Context, ps []*hop.Pending[int]) *hop.Pending[any] {
			return bridge.Invoke(ctx, hop.Goroutines, func() iter.Seq[*hop.Pending[int]] { return slices.Values(append(slices.Clip(ps), rejected(errWhy))) })
		},
		"a panic": func(ctx context.Context, ps []*hop.Pending[int]) *hop.Pending[any] {
			return bridge.Invoke(ctx, hop.Goroutines, func() iter.Seq[*hop.Pending[int]] {
				return func(yield func(*hop.Pending[int]) bool) {
					_ = yield(ps[0]) && yield(ps[1])
					panic(errWhy)
				}
			})
		},
		"a cancel": func(ctx context.Context, ps []*hop.Pending[int]) *hop.Pending[any] {
			p := bridge.Invoke(ctx, hop.Goroutines, func() iter.Seq[*hop.Pending[int]] { return slices.Values(ps) })
			for p.Call().State() != hop.Waiting {
				runtime.Gosched()
			}
			p.Cancel(errWhy)
			return p
		},
		"a stop": func(ctx context.Context, ps []*hop.Pending[int]) *hop.Pending[any] {
			l := hop.NewLoop(nil)
			p := bridge.Invoke(ctx, l, func() iter.Seq[*hop.Pending[int]] { return slices.Values(ps) })
			for p.Call().State() != hop.Waiting {
				runtime.Gosched()
			}
			go l.Close()
			return p
		},
	} {
		for does, f := range map[string]func(next *hop.Pending[int]){
			"waits": func(next *hop.Pending[int]) { next.Wait(context.Background()) },
			"ends":  func(*hop.Pending[int]) { runtime.Goexit() },
		} {
			t.Run(how+", "+does, func(t *testing.T) {
				within(t, func() {
					ps := []*hop.Pending[int]{open(), open()}
					ps[0].OnDone(func() { f(ps[1]) })
					if _, err := start(context.Background(), ps).Wait(context.Background()); err == nil {
						t.Error("no error")
					}
					for i, p := range ps {
						if s := p.Call().State(); s != hop.Cancelled {
							t.Errorf("Pending %d is %v", i+1, s)
						}
					}
				})
			})
		}
	}
}

// TestInvokeReturnsTheErrorThatCameFirst: who waits for the Pending that fails is woken before its functions of OnDone have run, and cancels the others, which fail
// by that.
func TestInvokeReturnsTheErrorThatCameFirst(t *testing.T) {
	failed := errors.New("failed")
	bg := context.Background()
	_, err := bridge.Invoke(bg, hop.Goroutines, func(ctx context.Context) any {
		return func(yield func(*hop.Pending[int]) bool) {
			other := hop.NewPromise[int](ctx).Pending()
			start := make(chan struct{})
			fails := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-start; return 0, failed })
			fails.OnDone(func() { <-other.Done() })
			if yield(fails) {
				yield(other)
			}
			close(start)
		}
	}).Wait(bg)
	if err != failed {
		t.Errorf("error %v", err)
	}
}
