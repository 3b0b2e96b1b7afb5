package upstream_test

// Prefect's test_services.py: background feeds. hop has queues for them, and no registry: who wants one for each key names
// a child loop by it.

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// collector is a service that keeps what it was sent. It needs no lock: it runs one at a time.
type collector struct {
	got  []int
	fail map[int]error
}

func (c *collector) handle(ctx context.Context, v int) error {
	c.got = append(c.got, v)
	return c.fail[v]
}

func put[T any](t testing.TB, q *queue.Queue[T], vs ...T) {
	t.Helper()
	for _, v := range vs {
		if err := q.Put(bg, v); err != nil {
			t.Errorf("Put(%v): %v", v, err)
		}
	}
}

func drain[T any](t testing.TB, q *queue.Queue[T]) {
	t.Helper()
	within(t, "Shutdown of the queue", func() {
		if err := q.Shutdown(bg); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

func upTo(n int) (s []int) {
	for i := range n {
		s = append(s, i)
	}
	return s
}

func TestPrefectServices_Instance(t *testing.T) {
	// Keyed singletons: the same instance for the same key, another for another, each type its own.
	types := []*hop.Loop{newLoop(t, nil), newLoop(t, nil)}
	child := func(typ int, key string) *hop.Loop {
		t.Helper()
		l, err := types[typ].Child(key, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a := child(0, "a")
	if child(0, "a") != a {
		t.Error("the same key gives another instance")
	}
	if child(0, "b") == a || child(1, "a") == a {
		t.Error("another key, or type, gives the same instance")
	}
	// A failure, or a panic, of what it handles does not end it.
	wantIs(t, waitErr(t, hop.Go(bg, a, failure(errWhy))), errWhy)
	for _, b := range breakDown {
		b.want(t, waitErr(t, hop.Go(bg, a, b.f)))
	}
	if child(0, "a") != a {
		t.Error("after an error there is a new instance")
	}
	must(t, hop.Go(bg, a, value(1)))
	// One that was stopped is replaced.
	within(t, "Close", func() { a.Close() })
	if b := child(0, "a"); b == a {
		t.Error("a stopped instance is given out")
	} else {
		must(t, hop.Go(bg, b, value(1)))
	}
}

func TestPrefectServices_InstanceThatStopsIsNeverGivenOut(t *testing.T) {
	// It is taken off the books before its end is told to anybody.
	parent := newLoop(t, nil)
	for range 50 {
		a, err := parent.Child("a", nil)
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan error, 1)
		go func() {
			<-a.Stopped()
			b, err := parent.Child("a", nil)
			if err == nil && b == a {
				err = errors.New("the dead one was given out")
			}
			told <- err
		}()
		within(t, "Close", func() { a.Close() })
		if err := recv(t, "the next one", told); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrefectServices_SendOne(t *testing.T) {
	var c collector
	q := queue.New(newLoop(t, nil), c.handle, nil)
	put(t, q, 7)
	drain(t, q)
	equal(t, "handled", c.got, []int{7})
}

func TestPrefectServices_SendMany(t *testing.T) {
	var c collector
	q := queue.New(newLoop(t, nil), c.handle, nil)
	put(t, q, upTo(1000)...)
	drain(t, q)
	equal(t, "handled", c.got, upTo(1000))
}

func TestPrefectServices_SendManyInstancesManyThreads(t *testing.T) {
	const senders, each = 8, 100
	l := newLoop(t, nil)
	services := make([]*collector, 3)
	queues := make([]*queue.Queue[int], 3)
	for i := range services {
		services[i] = new(collector)
		queues[i] = queue.New(l, services[i].handle, nil)
	}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				for _, q := range queues {
					put(t, q, s*each+i)
				}
			}
		})
	}
	within(t, "the senders", wg.Wait)
	for i, q := range queues {
		drain(t, q)
		last := make(map[int]int)
		for _, v := range services[i].got {
			if before, ok := last[v/each]; ok && before >= v {
				t.Fatalf("%d after %d of the same sender", v, before)
			}
			last[v/each] = v
		}
		if len(services[i].got) != senders*each {
			t.Errorf("%d handled of %d", len(services[i].got), senders*each)
		}
	}
}

func TestPrefectServices_WaitUntilEmpty(t *testing.T) {
	l := newLoop(t, nil)
	var enough hop.Event
	taken, handled := make(chan struct{}), false
	q := queue.New(l, func(ctx context.Context, v int) error {
		if v != 1 {
			return nil
		}
		close(taken)
		err := enough.Wait(ctx)
		handled = true
		return err
	}, nil)
	put(t, q, 1)
	recv(t, "the value is taken off the queue", taken)
	if q.Len() != 0 {
		t.Errorf("%d wait", q.Len())
	}
	ended := make(chan error, 1)
	go func() { ended <- q.Shutdown(bg) }()
	eventually(t, "the shutdown has begun", func() bool { return errors.Is(q.Put(bg, 2), hop.ErrStopped) })
	select {
	case <-ended:
		t.Error("empty is not enough: the value is not handled yet")
	default:
	}
	enough.Set()
	if err := recv(t, "Shutdown", ended); err != nil || !handled {
		t.Errorf("%v, handled: %v", err, handled)
	}
}

func TestPrefectServices_DrainSafeToCallMultipleTimes(t *testing.T) {
	var c collector
	q := queue.New(newLoop(t, nil), c.handle, nil)
	put(t, q, upTo(100)...)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 3 {
				if err := q.Shutdown(bg); err != nil {
					t.Error(err)
				}
			}
		})
	}
	within(t, "thirty drains", wg.Wait)
	equal(t, "handled", c.got, upTo(100))
}

func TestPrefectServices_DrainManyInstancesManyThreads(t *testing.T) {
	l := newLoop(t, nil)
	var wg sync.WaitGroup
	var handled atomic.Int32
	for range 10 {
		q := queue.New(l, func(ctx context.Context, v int) error { handled.Add(1); return hop.Yield(ctx) }, nil)
		put(t, q, upTo(10)...)
		for range 3 {
			wg.Go(func() {
				if err := q.Shutdown(bg); err != nil {
					t.Error(err)
				}
			})
		}
	}
	within(t, "the drains", wg.Wait)
	if n := handled.Load(); n != 100 {
		t.Errorf("%d handled", n)
	}
}

func TestPrefectServices_DrainClearsAsyncioTask(t *testing.T) {
	l := newLoop(t, nil)
	released := make(chan struct{})
	func() {
		held := new([1 << 12]byte)
		runtime.AddCleanup(held, func(int) { close(released) }, 0)
		q := queue.New(l, func(context.Context, int) error { held[0]++; return nil }, nil)
		put(t, q, 1)
		drain(t, q)
	}()
	eventually(t, "what the service held is released", func() bool { runtime.GC(); return isDone(released) })
}

func TestPrefectServices_DrainOnGlobalLoopShutdown(t *testing.T) {
	// The loop does not end before what the services on it were sent is handled, even what takes its time.
	l := newLoop(t, nil)
	var c collector
	q := queue.New(l, func(ctx context.Context, v int) error {
		if _, err := hop.Blocking(ctx, value(v)); err != nil {
			return err
		}
		return c.handle(ctx, v)
	}, nil)
	var batches [][]int
	b := queue.NewBatch(l, func(ctx context.Context, vs []int) error {
		batches = append(batches, vs)
		return hop.Yield(ctx)
	}, &queue.Options{BatchSize: 100, BatchWait: time.Hour})
	put(t, q, upTo(10)...)
	put(t, b, 1, 2)
	within(t, "Shutdown", func() {
		if err := l.Shutdown(bg); err != nil {
			t.Error(err)
		}
	})
	equal(t, "handled", c.got, upTo(10))
	if len(batches) != 1 {
		t.Errorf("batches %v", batches)
	}
	wantIs(t, q.Put(bg, 1), hop.ErrStopped)
}

func TestPrefectServices_DrainOnExit(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var c collector
		scope := func() {
			q := queue.New(hop.Workers(), c.handle, nil)
			defer q.Shutdown(context.WithoutCancel(ctx))
			put(t, q, upTo(20)...)
		}
		scope()
		equal(t, "handled at the end of the scope", c.got, upTo(20))
	})
}

func TestPrefectServices_DrainOnExitAsyncFromSameLoop(t *testing.T) {
	l := newLoop(t, nil)
	var c collector
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		q := queue.New(l, c.handle, nil)
		put(t, q, upTo(20)...)
		return 0, q.Shutdown(ctx)
	})
	must(t, p)
	equal(t, "handled", c.got, upTo(20))
}

func TestPrefectServices_DrainAllTimeout(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		pool := newPool(t, nil)
		var handled []int
		g := newGate(t)
		q := queue.New(pool, func(_ context.Context, v int) error { g.pass(); handled = append(handled, v); return nil }, nil)
		put(t, q, 1, 2, 3)
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		began := time.Now()
		err := q.Shutdown(bounded)
		wantIs(t, err, context.DeadlineExceeded)
		if d := time.Since(began); d != time.Second {
			t.Errorf("came back after %v", d)
		}
		g.open()
		if err := q.Shutdown(ctx); err != nil { // later it still works
			t.Error(err)
		}
		equal(t, "handled", handled, []int{1, 2, 3})
	})
}

func TestPrefectServices_Lifespan(t *testing.T) {
	// What is opened for a service on its loop is closed there, in a fatal end too.
	for name, end := range map[string]func(l *hop.Loop) error{
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
		"Close":    (*hop.Loop).Close,
	} {
		for _, fatal := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				l := newLoop(t, nil)
				var steps []string
				conn := hop.NewLocal(func(context.Context) (string, error) {
					steps = append(steps, "open")
					return "conn", nil
				}, func(string) error {
					steps = append(steps, "close")
					if !l.Here() {
						t.Error("closed elsewhere")
					}
					return nil
				})
				q := queue.New(l, func(ctx context.Context, v int) error {
					c, err := conn.Get(ctx)
					steps = append(steps, c)
					if fatal {
						runtime.Goexit()
					}
					return err
				}, &queue.Options{OnError: func(error) {}})
				put(t, q, 1, 2)
				drain(t, q)
				within(t, name, func() { end(l) })
				equal(t, "steps", steps, []string{"open", "conn", "conn", "close"})
			})
		}
	}
}

func TestPrefectServices_BatchedQueueService(t *testing.T) {
	var batches [][]int
	q := queue.NewBatch(newLoop(t, nil), func(_ context.Context, vs []int) error {
		batches = append(batches, vs)
		return nil
	}, &queue.Options{BatchSize: 4, BatchWait: time.Hour})
	put(t, q, upTo(10)...)
	drain(t, q)
	var sizes []int
	for _, b := range batches {
		sizes = append(sizes, len(b))
	}
	equal(t, "sizes", sizes, []int{4, 4, 2})
	equal(t, "values", slices.Concat(batches...), upTo(10))
}

func TestPrefectServices_BatchedQueueServiceMinInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		q := queue.NewBatch(newLoop(t, nil), func(_ context.Context, vs []int) error {
			at = append(at, time.Since(began))
			return nil
		}, &queue.Options{BatchSize: 100, BatchWait: time.Second})
		put(t, q, 1)
		time.Sleep(500 * time.Millisecond)
		put(t, q, 2) // with the first
		time.Sleep(1500 * time.Millisecond)
		put(t, q, 3) // a batch of its own, with a clock of its own
		time.Sleep(2 * time.Second)
		drain(t, q)
		equal(t, "times", at, []time.Duration{time.Second, 3 * time.Second})
	})
}

func TestPrefectServices_OnItemDroppedCalledWhenQueueFull(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	var c collector
	var dropped []any
	q := queue.New(l, c.handle, &queue.Options{Limit: 2, Full: queue.Drop, OnDrop: func(v any) { dropped = append(dropped, v) }})
	g := occupy(t, l)
	within(t, "the sends, which never block", func() { put(t, q, 1, 2, 3, 4) })
	g.open()
	drain(t, q)
	equal(t, "handled", c.got, []int{1, 2})
	equal(t, "dropped", dropped, []any{3, 4})
}

func TestPrefectServices_OnItemDroppedNotCalledWhenQueueHasSpace(t *testing.T) {
	var c collector
	q := queue.New(newLoop(t, nil), c.handle, &queue.Options{Limit: 10, Full: queue.Drop, OnDrop: func(v any) { t.Errorf("dropped %v", v) }})
	put(t, q, 1, 2, 3)
	drain(t, q)
	equal(t, "handled", c.got, []int{1, 2, 3})
}

func TestPrefectServices_OnItemDroppedDefaultIsNoop(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	var c collector
	q := queue.New(l, c.handle, &queue.Options{Limit: 1, Full: queue.Drop})
	g := occupy(t, l)
	put(t, q, 1, 2, 3)
	g.open()
	drain(t, q)
	equal(t, "handled", c.got, []int{1})
}

func TestPrefectServices_SendFromTheServicesOwnLoopNeverBlocksIt(t *testing.T) {
	// A full queue that makes senders wait suspends a sender on the same loop.
	l := newLoop(t, nil)
	var c collector
	q := queue.New(l, c.handle, &queue.Options{Limit: 1, Full: queue.Wait})
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		for i := range 100 {
			if err := q.Put(ctx, i); err != nil {
				return i, err
			}
		}
		return 0, nil
	})
	must(t, p)
	drain(t, q)
	equal(t, "handled", c.got, upTo(100))
}

func TestPrefectServices_ItemFailureContainsTracebackOnlyAtDebug(t *testing.T) {
	// What is logged is the program's own decision: OnError gets the error, and the stack of a panic beside it.
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		var j journal
		log := j.logger(level)
		onError := func(err error) {
			var p *hop.PanicError
			if errors.As(err, &p) {
				log.Error("item failed", "panic", p.Value)
				log.Debug("traceback", "stack", string(p.Stack))
				return
			}
			log.Error("item failed", "err", err)
		}
		var c collector
		l := newLoop(t, nil)
		q := queue.New(l, func(ctx context.Context, v int) error {
			if v == 1 {
				panic("one")
			}
			return c.handle(ctx, v)
		}, &queue.Options{OnError: onError})
		b := queue.NewBatch(l, func(ctx context.Context, vs []int) error { panic("batch") }, &queue.Options{OnError: onError})
		put(t, q, 0, 1, 2)
		put(t, b, 1)
		drain(t, q)
		drain(t, b)
		equal(t, "the service goes on", c.got, []int{0, 2})
		text := j.String()
		if !strings.Contains(text, "one") || !strings.Contains(text, "batch") {
			t.Errorf("no failure in %q", text)
		}
		if has := strings.Contains(text, "prefect_services_test.go"); has != (level == slog.LevelDebug) {
			t.Errorf("at %v the log has a stack: %v", level, has)
		}
	}
	// An ordinary error carries no stack, and is logged without OnError too.
	var j journal
	old := slog.Default()
	slog.SetDefault(j.logger(slog.LevelInfo))
	defer slog.SetDefault(old)
	q := queue.New(newLoop(t, nil), func(context.Context, int) error { return errWhy }, nil)
	put(t, q, 1)
	drain(t, q)
	if text := j.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, errWhy.Error()) {
		t.Errorf("logged %q", text)
	}
}

func TestPrefectServices_AResourceAcquiredForACancelledCallerIsDiscarded(t *testing.T) {
	pool := newPool(t, nil)
	discarded := make(chan string, 1)
	started, g := make(chan struct{}), newGate(t)
	p := hop.Go(bg, pool, func(context.Context) (string, error) {
		close(started)
		g.pass()
		return "connection", nil // the caller is gone by now
	}, hop.OnUndelivered(func(s string) { discarded <- s }))
	recv(t, "the start", started)
	p.Cancel(nil)
	g.open()
	wantCancelled(t, waitErr(t, p))
	if s := recv(t, "the hook", discarded); s != "connection" {
		t.Error(s)
	}
}
