package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// A builder has one owner, the loop, and any number of users, who do not wait for it.
func ExampleNew() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	var b strings.Builder
	text := queue.New(loop, func(_ context.Context, s string) error {
		_, err := b.WriteString(s)
		return err
	}, nil)

	for _, s := range []string{"in ", "this ", "order"} {
		if err := text.Put(ctx, s); err != nil {
			fmt.Println(err)
		}
	}
	if err := text.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(b.String())
	// Output: in this order
}

// Rows are written a hundred at a time, and none later than a second after it was put.
func ExampleNewBatch() {
	ctx := context.Background()
	rows := queue.NewBatch(hop.Workers(), func(_ context.Context, rows []string) error {
		fmt.Println("insert", rows)
		return nil
	}, &queue.Options{BatchSize: 100, BatchWait: time.Second})

	rows.Put(ctx, "a")
	rows.Put(ctx, "b")
	rows.Put(ctx, "c")
	rows.Shutdown(ctx) // the last batch, though it is not full
	// Output: insert [a b c]
}

// The newest frames are dropped while the window is busy.
func ExampleOptions() {
	ctx := context.Background()
	window := hop.NewLoop(&hop.LoopOptions{Manual: true}) // busy: it does not run yet
	frames := queue.New(window, func(_ context.Context, frame int) error {
		if frame == 2 {
			return errors.New("torn")
		}
		fmt.Println("drawn", frame)
		return nil
	}, &queue.Options{
		Limit:   2,
		Full:    queue.Drop,
		OnDrop:  func(frame any) { fmt.Println("dropped", frame) },
		OnError: func(err error) { fmt.Println("error:", err) },
	})
	for frame := range 4 {
		frames.Put(ctx, frame+1)
	}
	hop.Go(ctx, window, func(ctx context.Context) (int, error) {
		return 0, errors.Join(frames.Shutdown(ctx), window.Shutdown(ctx))
	})
	window.Run(ctx)
	// Output:
	// dropped 3
	// dropped 4
	// drawn 1
	// error: torn
}

func ExampleQueue_Put() {
	ctx := context.Background()
	q := queue.New(hop.Goroutines, func(_ context.Context, n int) error {
		fmt.Println(n)
		return nil
	}, nil)
	q.Put(ctx, 1)
	q.Shutdown(ctx)
	fmt.Println(errors.Is(q.Put(ctx, 2), hop.ErrStopped))
	// Output:
	// 1
	// true
}

func ExampleQueue_Len() {
	ctx := context.Background()
	q := queue.NewBatch(hop.Inline, func(context.Context, []int) error { return nil }, &queue.Options{BatchWait: time.Hour})
	q.Put(ctx, 1)
	q.Put(ctx, 2)
	fmt.Println(q.Len())
	q.Shutdown(ctx)
	fmt.Println(q.Len())
	// Output:
	// 2
	// 0
}

// A batch of three is not due for an hour. Shutdown hands it over now.
func ExampleQueue_Shutdown() {
	ctx := context.Background()
	q := queue.NewBatch(hop.Goroutines, func(_ context.Context, vs []int) error {
		fmt.Println("handled", vs)
		return nil
	}, &queue.Options{BatchWait: time.Hour})
	for v := range 3 {
		q.Put(ctx, v)
	}
	fmt.Println(q.Shutdown(ctx))
	// Output:
	// handled [0 1 2]
	// <nil>
}

// Close drops what Shutdown would have handled.
func ExampleQueue_Close() {
	ctx := context.Background()
	q := queue.NewBatch(hop.Goroutines, func(_ context.Context, vs []int) error {
		fmt.Println("handled", vs)
		return nil
	}, &queue.Options{BatchWait: time.Hour, OnDrop: func(v any) { fmt.Println("dropped", v) }})
	for v := range 3 {
		q.Put(ctx, v)
	}
	fmt.Println(q.Close())
	// Output:
	// dropped 0
	// dropped 1
	// dropped 2
	// <nil>
}
