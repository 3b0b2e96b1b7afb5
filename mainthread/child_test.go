package mainthread_test

// What a child process does, named by childVariable: those that end the process, or need a Run of their own. They tell the
// parent in lines.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

const childVariable = "HOP_MAINTHREAD_CHILD"

var errOwn = errors.New("f's own error")

// run is mainthread.Run of f; it says what came of it.
func run(ctx context.Context, f func(context.Context) error) int {
	mainthread.Loop().OnShutdown(func(context.Context) error {
		fmt.Println("shutdown function on main:", mainthread.Loop().Here())
		return nil
	})
	err := mainthread.Run(ctx, f)
	fmt.Println("stopped:", hop.LoopByID(mainthread.Loop().ID()) == nil)
	fmt.Println("cancelled:", errors.Is(err, hop.ErrCancelled), "goexit:", errors.Is(err, hop.ErrGoexit), "own:", err == errOwn)
	fmt.Println("Run:", err)
	return 0
}

// longCall makes a call on the main thread that waits for an hour, and returns when it does.
func longCall(ctx context.Context) {
	waits := make(chan struct{})
	p := hop.Go(ctx, mainthread.Loop(), func(ctx context.Context) (int, error) {
		close(waits)
		return 0, hop.Sleep(ctx, time.Hour)
	})
	p.OnDone(func() { fmt.Println("long call:", p.Call().State()) })
	<-waits
}

// callPanics returns the error of a call on the main thread that has panicked.
func callPanics(ctx context.Context) error {
	return hop.Run(ctx, mainthread.Loop(), func(context.Context) error { panic("a call's own panic") }, hop.Name("open"))
}

var children = map[string]func() int{
	"nil": func() int {
		return run(context.Background(), func(context.Context) error { return nil })
	},
	"error": func() int {
		return run(context.Background(), func(context.Context) error { return errOwn })
	},
	"panic": func() int {
		return run(context.Background(), func(context.Context) error { panic("f's own panic") })
	},
	"a call's panic": func() int {
		return run(context.Background(), callPanics)
	},
	"a call's panic, wrapped": func() int {
		return run(context.Background(), func(ctx context.Context) error { return fmt.Errorf("window: %w", callPanics(ctx)) })
	},
	"goexit": func() int {
		return run(context.Background(), func(context.Context) error { runtime.Goexit(); return nil })
	},
	"posted panic": func() int {
		return run(context.Background(), func(ctx context.Context) error {
			mainthread.Loop().Post(func() { panic("a posted function's panic") })
			<-ctx.Done()
			return nil
		})
	},
	"ctx over": func() int {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return run(ctx, func(context.Context) error { fmt.Println("f runs"); return nil })
	},
	"ctx ends": func() int {
		ctx, cancel := context.WithCancel(context.Background())
		return run(ctx, func(ctx context.Context) error {
			longCall(context.Background()) // not even with f's ctx
			cancel()
			return ctx.Err()
		})
	},
	"finishes": func() int {
		return run(context.Background(), func(ctx context.Context) error {
			for i := range 3 {
				hop.Go(ctx, mainthread.Loop(), func(ctx context.Context) (int, error) {
					err := hop.Sleep(ctx, time.Millisecond)
					fmt.Println("finished", i, err)
					return 0, err
				})
			}
			return nil
		})
	},
	"on a loop": func() int {
		hop.RunLoop(context.Background(), nil, func(ctx context.Context) (int, error) {
			err := mainthread.Run(ctx, func(context.Context) error { fmt.Println("f runs"); return nil })
			fmt.Println("on a loop:", errors.Is(err, hop.ErrCannotWait))
			return 0, nil
		})
		return run(context.Background(), func(context.Context) error { return nil })
	},
	"after": func() int {
		code := run(context.Background(), func(context.Context) error { return nil })
		_, err := hop.Do(context.Background(), mainthread.Loop(), func(context.Context) (int, error) { return 0, nil })
		fmt.Println("a call after:", errors.Is(err, hop.ErrStopped))
		err = mainthread.Run(context.Background(), func(context.Context) error { return nil })
		fmt.Println("Run after:", errors.Is(err, hop.ErrMismatch))
		return code
	},
	// Those that wait for signals.
	"heeds": func() int {
		return run(context.Background(), func(ctx context.Context) error {
			longCall(ctx)
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("cause:", context.Cause(ctx))
			return ctx.Err()
		})
	},
	"call without ctx": func() int {
		return run(context.Background(), func(ctx context.Context) error {
			longCall(context.Background())
			fmt.Println("ready")
			<-ctx.Done()
			return nil
		})
	},
	"signal during shutdown": func() int {
		return run(context.Background(), func(ctx context.Context) error {
			longCall(context.Background())
			fmt.Println("ready") // f is done; the loop waits for the call
			return nil
		})
	},
	"ignores": func() int {
		return run(context.Background(), func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { fmt.Println("first signal") })
			fmt.Println("ready")
			select {}
		})
	},
}
