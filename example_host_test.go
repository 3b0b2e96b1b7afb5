package hop_test

import (
	"context"
	"fmt"

	"github.com/gohop/hop"
)

// eventLoop stands for the event loop of a GUI toolkit: it calls functions one after another, on its own thread.
type eventLoop struct {
	events chan func()
	quit   bool
}

func (t *eventLoop) Post(f func()) error {
	t.events <- f
	return nil
}

func (t *eventLoop) mainLoop() {
	for !t.quit {
		f := <-t.events
		f()
	}
}

// A loop can be the guest of a foreign event loop. Its tasks run there, and wait without stopping the foreign one.
func ExampleHost() {
	ctx := context.Background()
	gui := &eventLoop{events: make(chan func(), 64)}
	ui := hop.NewLoop(&hop.LoopOptions{Name: "ui", Host: gui})

	go func() {
		title := "hop" // belongs to the toolkit's thread from here on
		hop.Run(ctx, ui, func(ctx context.Context) error {
			name, err := hop.Blocking(ctx, func(context.Context) (string, error) { return "a slow file", nil })
			title += ": " + name
			fmt.Println(title)
			return err
		})
		ui.Close()
		gui.Post(func() { gui.quit = true })
	}()
	gui.mainLoop()
	// Output: hop: a slow file
}
