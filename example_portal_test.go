package hop_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gohop/hop"
)

// slots is a portal written by hand: a channel of calls, and a goroutine that runs them. Whatever is a Portal works with
// Go, Do, groups, queues and everything else that takes one.
type slots chan *hop.Call

func (s slots) Submit(c *hop.Call) error {
	select {
	case s <- c:
		return nil // from now on c must end, by Run or by Fail
	default:
		return errors.New("no slot is free") // c will never run
	}
}

func (s slots) String() string { return "slots" }

func (s slots) serve() {
	for c := range s {
		c.Run() // recovers a panic, and does nothing if c has been cancelled
	}
}

// A program may write its own portals.
func ExamplePortal() {
	ctx := context.Background()
	here := make(slots, 1)

	first := hop.Go(ctx, here, func(context.Context) (int, error) { return 42, nil })
	second := hop.Go(ctx, here, func(context.Context) (int, error) { return 43, nil })
	close(here)
	here.serve()

	fmt.Println(first.Wait(ctx))
	fmt.Println(second.Wait(ctx))
	fmt.Println("ran on", first.Call().Portal())
	// Output:
	// 42 <nil>
	// 0 no slot is free
	// ran on slots
}
