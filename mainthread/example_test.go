package mainthread_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

// A window must be made and drawn on the main thread, wherever the program that uses it runs.
type window struct{ title string }

func openWindow(context.Context) (*window, error) { return &window{"hop"}, nil }

func (w *window) setTitle(s string) { w.title = s }

// main: Run keeps the main thread for the loop and runs the program beside it.
func Example() {
	err := mainthread.Run(context.Background(), func(ctx context.Context) error {
		ui := mainthread.Loop()
		w, err := hop.Do(ctx, ui, openWindow)
		if err != nil {
			return err
		}
		text, err := hop.Blocking(ctx, func(context.Context) (string, error) { return "loaded from a slow disk", nil })
		if err != nil {
			return err
		}
		ui.Post(func() { w.setTitle(text) })
		<-ctx.Done() // Ctrl-C
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

// A loop may be handed calls before it runs.
func ExampleLoop() {
	fmt.Println(mainthread.Loop().Name())
	// Output: main
}
