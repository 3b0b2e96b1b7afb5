//go:build linux || darwin || freebsd

// Package tcl is a small binding to Tcl/Tk 8.6 whose event loop is a host for hop's loops.
//
// An interpreter belongs to the thread that made it. Everything here must be called there, but for [Interp.Post] and [Interp.Stop]; a call
// from another thread is refused with [ErrThread]. Programs need not care: they send their calls to a hop.Loop whose Host is
// the interpreter.
package tcl

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// ErrThread is the error of a call on another thread than the interpreter's.
var ErrThread = errors.New("tcl: called on another thread than Tk's: send the call to the loop that has the interpreter as its host")

// ErrStopped is the error of Post after Stop.
var ErrStopped = errors.New("tcl: Tk's event loop has stopped")

// An Interp is a Tcl interpreter with Tk's commands and a main window.
type Interp struct {
	lib    *library
	interp uintptr
	thread uintptr

	number  uintptr
	mu      sync.Mutex
	posted  []func() // to run after the event that is on its way
	events  int      // how many are
	stopped bool
}

// New makes an interpreter for the calling goroutine, which must be locked to its thread, and opens its main window on the
// display ("": the one that the environment names).
func New(display string) (*Interp, error) {
	lib, err := load()
	if err != nil {
		return nil, err
	}
	lib.findExecutable(os.Args[0])
	in := newInterp(lib)
	if lib.init(in.interp) != ok {
		err := in.result()
		lib.deleteInterp(in.interp)
		return nil, fmt.Errorf("tcl: %w; %s", err, Install)
	}
	if display != "" {
		in.Eval("set", "argv", "-display "+display)
	}
	if lib.tkInit(in.interp) != ok {
		err := in.result()
		lib.deleteInterp(in.interp)
		return nil, fmt.Errorf("tcl: Tk cannot open a window: %w; it needs a display: set DISPLAY, or try \"xvfb-run -a\" (Debian: apt-get install xvfb xauth)", err)
	}
	return in, nil
}

// newInterp makes an interpreter without commands.
func newInterp(lib *library) *Interp {
	in := &Interp{lib: lib, interp: lib.createInterp(), thread: lib.getCurrentThread()}
	interps.Lock()
	defer interps.Unlock()
	in.number = uintptr(len(interps.list))
	interps.list = append(interps.list, in)
	return in
}

// Close destroys the main window and deletes the interpreter. The event loop must not be running.
func (in *Interp) Close() error {
	if !in.here() {
		return ErrThread
	}
	in.Eval("destroy", ".")
	in.lib.deleteInterp(in.interp)
	return nil
}

func (in *Interp) here() bool { return in.lib.getCurrentThread() == in.thread }

// Eval runs one command whose words are given, and returns its result. Words are passed as they are, whatever characters they have: a
// []byte as binary data, all others as fmt.Sprint prints them.
func (in *Interp) Eval(words ...any) (string, error) {
	if !in.here() {
		return "", ErrThread
	}
	objs := make([]uintptr, len(words))
	for i, w := range words {
		if b, isBytes := w.([]byte); isBytes {
			objs[i] = in.lib.newByteArrayObj(unsafe.SliceData(b), int32(len(b)))
			continue
		}
		objs[i] = in.object(fmt.Sprint(w))
	}
	list := in.lib.newListObj(int32(len(objs)), unsafe.SliceData(objs))
	in.lib.incrRefCount(list, "", 0)
	defer in.lib.decrRefCount(list, "", 0)
	code := in.lib.evalObjEx(in.interp, list, evalGlobal|evalDirect)
	return in.end(code)
}

// Script runs a script.
func (in *Interp) Script(script string) (string, error) {
	if !in.here() {
		return "", ErrThread
	}
	return in.script(script)
}

func (in *Interp) script(script string) (string, error) {
	return in.end(in.lib.evalEx(in.interp, unsafe.StringData(script), int32(len(script)), evalGlobal))
}

func (in *Interp) end(code int32) (string, error) {
	if code != ok {
		return "", in.result()
	}
	return in.text(in.lib.getObjResult(in.interp)), nil
}

// An Error is what Tcl or Tk says.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func (in *Interp) result() error { return &Error{in.text(in.lib.getObjResult(in.interp))} }

func (in *Interp) object(s string) uintptr {
	return in.lib.newStringObj(unsafe.StringData(s), int32(len(s)))
}

func (in *Interp) text(obj uintptr) string {
	var n int32
	p := in.lib.getStringFromObj(obj, &n)
	return string(unsafe.Slice(p, n))
}

// Command makes f a command. It runs on the interpreter's thread, inside Tk: it must return soon, and may start calls, but not
// wait for any.
func (in *Interp) Command(name string, f func(args []string) error) error {
	if !in.here() {
		return ErrThread
	}
	commands.Lock()
	defer commands.Unlock()
	commands.list = append(commands.list, command{in, f})
	in.lib.createObjCommand(in.interp, name, runCommand(), uintptr(len(commands.list)-1), 0)
	return nil
}

// commands are those that were made; C knows them by their number.
var commands struct {
	sync.Mutex
	list []command
}

// interps are all interpreters, by their number.
var interps struct {
	sync.Mutex
	list []*Interp
}

type command struct {
	in *Interp
	f  func(args []string) error
}

// C has room for a limited number of Go's functions, and never forgets one: one for all commands, one for all events.
var (
	runCommand = sync.OnceValue(func() uintptr {
		return purego.NewCallback(func(number, interp uintptr, n int32, objs *uintptr) int {
			commands.Lock()
			c := commands.list[number]
			commands.Unlock()
			var args []string
			for _, obj := range unsafe.Slice(objs, n)[1:] {
				args = append(args, c.in.text(obj))
			}
			if err := c.f(args); err != nil {
				c.in.lib.setObjResult(interp, c.in.object(err.Error()))
				return failed
			}
			return ok
		})
	})
	passEvent = sync.OnceValue(func() uintptr {
		return purego.NewCallback(func(e *event, _ int32) int {
			interps.Lock()
			in := interps.list[e.to]
			interps.Unlock()
			in.mu.Lock()
			in.events--
			in.mu.Unlock()
			return eventIsDone
		})
	})
)
