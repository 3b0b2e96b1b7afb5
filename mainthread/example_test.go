package mainthread_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

// A program whose window must live on the main thread: main gives that thread to the loop, and the program's own work runs beside it.
func Example() {
	err := mainthread.Run(context.Background(), func(ctx context.Context) error {
		title, err := hop.Blocking(ctx, func(context.Context) (string, error) { return "read from a slow disk", nil })
		if err != nil {
			return err
		}
		return hop.Run(ctx, mainthread.Loop(), func(context.Context) error {
			fmt.Println("a window with the title", title) // on the main thread
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
}
