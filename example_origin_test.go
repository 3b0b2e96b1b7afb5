package hop_test

// The way back: whoever waits for a call can be asked something meanwhile.

import (
	"context"
	"errors"
	"fmt"

	"github.com/gohop/hop"
)

// The goroutine that is blocked in Do goes on serving: what the worker sends to its Origin runs there. So the worker
// may use what belongs to that goroutine.
func ExampleOrigin() {
	ctx := context.Background()
	password := "secret" // this goroutine's, without a lock

	reply, err := hop.Do(ctx, hop.Workers(), func(ctx context.Context) (string, error) {
		// On a worker, which needs something from back there.
		p, err := hop.Do(ctx, hop.Origin(ctx), func(context.Context) (string, error) { return password, nil })
		return "logged in with " + p, err
	})
	fmt.Println(reply, err)
	// Output: logged in with secret <nil>
}

// On a loop the way back leads to the loop, which has gone on with other tasks.
func ExampleOrigin_loop() {
	ctx := context.Background()
	ui := hop.NewLoop(&hop.LoopOptions{Name: "ui"})
	defer ui.Close()

	hop.Run(ctx, ui, func(ctx context.Context) error {
		_, err := hop.Blocking(ctx, func(ctx context.Context) (int, error) {
			for percent := 50; percent <= 100; percent += 50 {
				hop.Run(ctx, hop.Origin(ctx), func(context.Context) error {
					fmt.Println(hop.CurrentLoop().Name(), percent, "%")
					return nil
				})
			}
			return 0, nil
		})
		return err
	})
	// Output:
	// ui 50 %
	// ui 100 %
}

// A goroutine that hop did not start is told where its way back is.
func ExampleWithOrigin() {
	ctx := context.Background()
	ui := hop.NewLoop(&hop.LoopOptions{Name: "ui"})
	defer ui.Close()

	hop.Run(ctx, ui, func(ctx context.Context) error {
		ctx = hop.WithOrigin(ctx, hop.CurrentLoop())
		finished := make(chan error, 1)
		go func() { // say, a callback of a library
			finished <- hop.Run(ctx, hop.Origin(ctx), func(context.Context) error {
				fmt.Println("back on", hop.CurrentLoop().Name())
				return nil
			})
		}()
		err, _, werr := hop.Recv(ctx, finished)
		return errors.Join(err, werr)
	})
	// Output: back on ui
}

// A Waiter is what Do uses, in one's own hands: it runs here what is sent to it, until the awaited call is done.
func ExampleWaiter() {
	ctx := context.Background()
	w := hop.NewWaiter()
	answers := map[string]string{"name": "Ada"} // this goroutine's

	greeting := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (string, error) {
		name, err := hop.Do(ctx, w, func(context.Context) (string, error) { return answers["name"], nil })
		return "Hello, " + name, err
	})
	w.OnDone(func(context.Context) { fmt.Println("the call is done") })
	fmt.Println(w.Wait(ctx, greeting.Call()))
	fmt.Println(greeting.Result())
	// Output:
	// the call is done
	// <nil>
	// Hello, Ada <nil>
}

// What is sent before Wait is kept; what is sent after the call is done is refused.
func ExampleNewWaiter() {
	ctx := context.Background()
	w := hop.NewWaiter()
	early := hop.Go(ctx, w, func(context.Context) (string, error) { return "kept", nil })
	work := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
		_, err := early.Wait(ctx)
		return 42, err
	})
	w.Wait(ctx, work.Call())
	fmt.Println(early.Result())
	_, err := hop.Do(ctx, w, func(context.Context) (string, error) { return "late", nil })
	fmt.Println(errors.Is(err, hop.ErrClosed))
	// Output:
	// kept <nil>
	// true
}
