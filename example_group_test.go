package hop_test

// Calls that belong together.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gohop/hop"
)

// WithGroup returns when everything that was started under its context has ended.
func ExampleWithGroup() {
	var sizes []*hop.Pending[int]
	err := hop.WithGroup(context.Background(), nil, func(ctx context.Context) error {
		for _, page := range []string{"home", "about"} {
			sizes = append(sizes, hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { return len(page), nil }))
		}
		return nil
	})
	fmt.Println(err)
	for _, p := range sizes {
		fmt.Println(p.Result())
	}
	// Output:
	// <nil>
	// 4 <nil>
	// 5 <nil>
}

// A failure cancels the others.
func ExampleWithGroup_failure() {
	var other *hop.Pending[int]
	err := hop.WithGroup(context.Background(), nil, func(ctx context.Context) error {
		other = hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { return 0, errors.New("no route") })
		return nil
	})
	fmt.Println(err)
	fmt.Println(other.Call().State())
	// Output:
	// no route
	// cancelled
}

// With KeepGoing all run to their end, and all errors come back.
func ExampleGroupOptions() {
	errs := []error{errors.New("red is out"), errors.New("blue is out")}
	err := hop.WithGroup(context.Background(), &hop.GroupOptions{KeepGoing: true, Limit: 1}, func(ctx context.Context) error {
		for _, e := range errs {
			hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { return 0, e })
		}
		return nil
	})
	fmt.Println(errors.Is(err, errs[0]), errors.Is(err, errs[1]))
	// Output: true true
}

// Its Timeout ends a group, and is no error by itself.
func ExampleGroupOptions_timeout() {
	var slow *hop.Pending[int]
	err := hop.WithGroup(context.Background(), &hop.GroupOptions{Timeout: 10 * time.Millisecond}, func(ctx context.Context) error {
		slow = hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
		return nil
	})
	fmt.Println(err)
	_, err = slow.Result()
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// <nil>
	// true
}

func ExampleCurrentGroup() {
	ctx := context.Background()
	fmt.Println(hop.CurrentGroup(ctx) == nil)
	err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
			hop.CurrentGroup(ctx).Cancel(errors.New("found it: stop looking"))
			return 0, nil
		})
		<-ctx.Done()
		fmt.Println(context.Cause(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// true
	// found it: stop looking
	// <nil>
}

// Add takes a call in that was made elsewhere.
func ExampleGroup_Add() {
	ctx := context.Background()
	var ready hop.Event
	outside := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return 42, ready.Wait(ctx) })
	hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		g := hop.CurrentGroup(ctx)
		g.Add(outside.Call())
		fmt.Println(len(g.Calls()), g.Cancelled())
		ready.Set()
		return nil
	})
	fmt.Println(outside.Result()) // the group has waited for it
	// Output:
	// 1 false
	// 42 <nil>
}

// A Tracker knows the live calls made under a context. It neither waits for them nor cancels them.
func ExampleTrack() {
	ctx, tracker := hop.Track(context.Background())
	var ready hop.Event
	wait := func(ctx context.Context) (int, error) { return 0, ready.Wait(ctx) }
	a := hop.Go(ctx, hop.Workers(), wait, hop.Name("a"))
	b := hop.Go(ctx, hop.Workers(), wait, hop.Name("b"))

	var names []string
	for _, c := range tracker.Calls() {
		names = append(names, c.Name())
	}
	fmt.Println(slices.Sorted(slices.Values(names)))
	ready.Set()
	fmt.Println(a.Wait(ctx))
	fmt.Println(b.Wait(ctx))
	// Output:
	// [a b]
	// 0 <nil>
	// 0 <nil>
}

// What is made with a detached context outlives the group, with the values of its context.
func ExampleDetach() {
	var ready hop.Event
	var log *hop.Pending[string]
	hop.WithGroup(context.Background(), nil, func(ctx context.Context) error {
		log = hop.Go(hop.Detach(ctx), hop.Workers(), func(ctx context.Context) (string, error) {
			return "written later", ready.Wait(ctx)
		})
		return nil
	})
	fmt.Println("the group is over")
	ready.Set()
	fmt.Println(log.Wait(context.Background()))
	// Output:
	// the group is over
	// written later <nil>
}
