//go:build linux

package tcl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/examples/tk/xvfb"
)

func init() { runtime.LockOSThread() } // for TestMain

// The tests run beside Tk, which has the main thread, as in a program.
var (
	tk      *Interp
	missing error // why there is no Tk
)

func TestMain(m *testing.M) {
	code := 0
	done := make(chan struct{})
	tests := func() {
		defer close(done)
		code = m.Run()
	}
	x, err := xvfb.Start(400, 300)
	if err == nil {
		tk, err = New(x.Display)
	}
	if missing = err; err != nil {
		tests()
	} else {
		go func() {
			defer tk.Stop()
			tests()
		}()
		tk.Run()
		<-done
		tk.Close()
	}
	if x != nil {
		x.Close()
	}
	os.Exit(code)
}

func newLoop(t *testing.T) *hop.Loop {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	l := hop.NewLoop(&hop.LoopOptions{Name: "tk", Host: tk})
	t.Cleanup(func() { l.Close() })
	return l
}

// hold keeps Tk's thread until the function that it returns is called.
func hold(t *testing.T) (release func()) {
	t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	if err := tk.Post(func() { close(held); <-let }); err != nil {
		t.Fatal(err)
	}
	<-held
	return sync.OnceFunc(func() { close(let) })
}

// TestFromTheWrongThread shows what hop is for. Tk keeps its windows and image types by thread: on another there are none, which
// is the answer to these commands. (Others seem to work, and some end the process: "winfo children ." and ". configure -bg red".)
func TestFromTheWrongThread(t *testing.T) {
	newLoop(t)
	release := hold(t) // while Tk does nothing, there is no race
	defer release()
	for script, want := range map[string]string{
		"label .wrong":       "NULL main window",
		"image create photo": `image type "photo" doesn't exist`,
	} {
		answer := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: Tcl has left its marks on the thread
			_, err := tk.script(script)
			answer <- err
		}()
		var says *Error
		if err := <-answer; !errors.As(err, &says) || says.Message != want {
			t.Errorf("%s: Tk says %v, want %s", script, err, want)
		}
	}

	// This package does not let it come to that.
	for what, err := range map[string]error{
		"Eval":    second(tk.Eval("winfo", "exists", ".")),
		"Script":  second(tk.Script("winfo exists .")),
		"Command": tk.Command("nothing", func([]string) error { return nil }),
		"Run":     tk.Run(),
		"Close":   tk.Close(),
	} {
		if !errors.Is(err, ErrThread) {
			t.Errorf("%s on another thread: %v, want %v", what, err, ErrThread)
		}
	}
}

func second(_ string, err error) error { return err }

// TestHopsCallsAreOnTheRightThread makes calls from everywhere, which wait before, between and after what they do with Tk.
func TestHopsCallsAreOnTheRightThread(t *testing.T) {
	l := newLoop(t)
	threads := hop.NewPool(&hop.PoolOptions{Name: "threads", Threads: true, Size: 4})
	defer threads.Close()
	thread := hop.NewLoop(&hop.LoopOptions{Name: "thread", Thread: true})
	defer thread.Close()

	touch := func(ctx context.Context) (int, error) {
		for i := range 10 {
			// What the test above has seen refused.
			name, err := tk.Eval("image", "create", "photo")
			if err != nil {
				return 0, err
			}
			if _, err := tk.Eval("image", "delete", name); err != nil {
				return 0, err
			}
			switch i % 3 {
			case 0:
				err = hop.Sleep(ctx, time.Millisecond)
			case 1:
				err = hop.Yield(ctx)
			case 2:
				_, err = hop.Blocking(ctx, func(context.Context) (int, error) { return 0, nil })
			}
			if err != nil {
				return 0, err
			}
		}
		return 1, nil
	}
	var calls []*hop.Pending[int]
	for range 50 {
		for _, from := range []hop.Portal{hop.Goroutines, threads, thread, l} {
			calls = append(calls, hop.Go(t.Context(), from, func(ctx context.Context) (int, error) { return hop.Do(ctx, l, touch) }))
		}
		calls = append(calls, hop.Go(t.Context(), l, touch))
	}
	sum := 0
	for _, p := range calls {
		n, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != 250 {
		t.Errorf("%d of 250 calls", sum)
	}
}

func TestPostKeepsEachSendersOrder(t *testing.T) {
	newLoop(t)
	const senders, each = 50, 200
	var got [senders][]int
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := tk.Post(func() { got[s] = append(got[s], i) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	done := make(chan struct{})
	tk.Post(func() { close(done) })
	<-done
	for s := range got {
		if len(got[s]) != each {
			t.Fatalf("sender %d: %d of %d", s, len(got[s]), each)
		}
		for i, v := range got[s] {
			if v != i {
				t.Fatalf("sender %d: %d in the place of %d", s, v, i)
			}
		}
	}
}

// TestPostReturnsAtOnce posts while Tk does nothing.
func TestPostReturnsAtOnce(t *testing.T) {
	newLoop(t)
	release := hold(t)
	defer release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			tk.Post(func() {})
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Post waits for Tk")
	}
}

// TestEventLoopInsideItself has a task run Tk's event loop inside Tk's, as a message box does. Others have their turns after that: inside, they
// would be at another depth of C functions, and no task could be resumed.
func TestEventLoopInsideItself(t *testing.T) {
	l := newLoop(t)
	inside := false
	box := hop.Go(t.Context(), l, func(context.Context) (string, error) {
		inside = true
		defer func() { inside = false }()
		if _, err := tk.Script("after 50 {set answer yes}; vwait answer"); err != nil {
			return "", err
		}
		return tk.Eval("set", "answer")
	})
	var others []*hop.Pending[bool]
	for range 20 {
		others = append(others, hop.Go(t.Context(), l, func(ctx context.Context) (bool, error) {
			err := hop.Sleep(ctx, time.Millisecond)
			return inside, err
		}))
	}
	if answer, err := box.Wait(t.Context()); answer != "yes" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
	for _, p := range others {
		if was, err := p.Wait(t.Context()); was || err != nil {
			t.Errorf("another task ran inside: %t, %v", was, err)
		}
	}
}

// TestPostWhoseEventPassesInside posts while a posted function runs, which then has Tk handle all events that there are: what lets Tk's event loop return
// for the second is gone when the first has returned.
func TestPostWhoseEventPassesInside(t *testing.T) {
	if missing != nil {
		t.Skip(missing)
	}
	for range 20 {
		inside, after := make(chan error, 1), make(chan struct{})
		tk.Post(func() {
			tk.Post(func() { close(after) })
			_, err := tk.Script("update")
			inside <- err
		})
		if err := <-inside; err != nil {
			t.Fatal(err)
		}
		select {
		case <-after:
		case <-time.After(10 * time.Second):
			t.Fatal("what was posted meanwhile has no turn")
		}
	}
}

// TestCommandsCannotWait waits where nothing can: in functions that Tk calls. They may start calls.
func TestCommandsCannotWait(t *testing.T) {
	l := newLoop(t)
	var refused error
	var started *hop.Pending[string]
	done := make(chan struct{}, 1)
	command := func([]string) error {
		if !l.Here() {
			t.Error("it is not on the loop")
		}
		started = hop.Go(context.Background(), l, func(context.Context) (string, error) { return tk.Eval("winfo", "class", ".") })
		refused = hop.Run(context.Background(), l, func(ctx context.Context) error { return hop.Sleep(ctx, time.Millisecond) })
		done <- struct{}{}
		return nil
	}
	if err := hop.Run(t.Context(), l, func(context.Context) error { return tk.Command("go-wait", command) }); err != nil {
		t.Fatal(err)
	}
	for where, script := range map[string]string{
		"a task calls Tk, which calls it": "go-wait",
		"Tk calls it":                     "after 0 go-wait",
	} {
		t.Run(where, func(t *testing.T) {
			if _, err := hop.Do(t.Context(), l, func(context.Context) (string, error) { return tk.Script(script) }); err != nil {
				t.Fatal(err)
			}
			<-done
			if !errors.Is(refused, hop.ErrCannotWait) {
				t.Errorf("the wait: %v, want %v", refused, hop.ErrCannotWait)
			}
			if class, err := started.Wait(t.Context()); class == "" || err != nil {
				t.Errorf("what it started: %q, %v", class, err)
			}
		})
	}
}

// TestHostThatStops ends an event loop that still has a guest.
func TestHostThatStops(t *testing.T) {
	newLoop(t)
	made := make(chan *Interp)
	ran := make(chan error)
	go func() { // a thread with an event loop of its own, without windows
		runtime.LockOSThread()
		in := newInterp(tk.lib)
		made <- in
		ran <- in.Run()
	}()
	in := <-made
	l := hop.NewLoop(&hop.LoopOptions{Name: "guest", Host: in})
	if got, err := hop.Do(t.Context(), l, func(context.Context) (string, error) { return in.Eval("expr", "6*7") }); got != "42" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	in.Stop()
	in.Stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := in.Post(func() { t.Error("it runs") }); !errors.Is(err, ErrStopped) {
		t.Errorf("Post: %v, want %v", err, ErrStopped)
	}
	if err := hop.Run(t.Context(), l, func(context.Context) error { return nil }); !errors.Is(err, hop.ErrStopped) {
		t.Errorf("a call: %v, want %v", err, hop.ErrStopped)
	}
}

func TestWordsArePassedAsTheyAre(t *testing.T) {
	l := newLoop(t)
	err := hop.Run(t.Context(), l, func(context.Context) error {
		for _, w := range []string{"", "a b", "$x", "[exit]", "{", "}", "\\", "\"", "ä €", "a\nb"} {
			if got, err := tk.Eval("format", "%s", w); got != w || err != nil {
				return fmt.Errorf("%q came back as %q, %w", w, got, err)
			}
		}
		if got, err := tk.Eval("string", "length", []byte{0, 1, 255}); got != "3" || err != nil {
			return fmt.Errorf("binary data: %q, %w", got, err)
		}
		if _, err := tk.Eval("no-such-command"); err == nil || !strings.Contains(err.Error(), "no-such-command") {
			return fmt.Errorf("error %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMissingLibrariesSayWhatToInstall(t *testing.T) {
	for _, env := range []string{"TCL_LIB", "TK_LIB"} {
		t.Run(env, func(t *testing.T) {
			if missing != nil && env == "TK_LIB" {
				t.Skip(missing)
			}
			t.Setenv(env, "/no/such/file.so")
			if _, err := load(); err == nil || !strings.Contains(err.Error(), "apt-get install libtk8.6") {
				t.Errorf("error %v", err)
			}
		})
	}
}
