//go:build linux || darwin || freebsd

package tcl

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/ebitengine/purego"
)

// A library is the functions of Tcl and Tk that are used here, found in the shared libraries at run time: no C compiler takes part.
// Pointers to C's objects are uintptrs, since they mean nothing to Go.
type library struct {
	findExecutable   func(argv0 string)
	createInterp     func() uintptr
	init             func(interp uintptr) int32
	deleteInterp     func(interp uintptr)
	evalObjEx        func(interp, obj uintptr, flags int32) int32
	evalEx           func(interp uintptr, script *byte, n int32, flags int32) int32
	getObjResult     func(interp uintptr) uintptr
	setObjResult     func(interp, obj uintptr)
	createObjCommand func(interp uintptr, name string, proc, data, deleteProc uintptr) uintptr
	newStringObj     func(b *byte, n int32) uintptr
	newByteArrayObj  func(b *byte, n int32) uintptr
	newListObj       func(n int32, objs *uintptr) uintptr
	getStringFromObj func(obj uintptr, n *int32) *byte
	incrRefCount     func(obj uintptr, file string, line int32)
	decrRefCount     func(obj uintptr, file string, line int32)
	alloc            func(n uint32) *event
	getCurrentThread func() uintptr
	threadQueueEvent func(thread uintptr, e *event, position int32)
	threadAlert      func(thread uintptr)
	doOneEvent       func(flags int32) int32

	tkInit func(interp uintptr) int32
}

// An event is C's struct Tcl_Event.
type event struct {
	proc uintptr
	_    uintptr // the next one: Tcl's
	to   uintptr // the number of the interpreter
}

const (
	ok          = 0
	failed      = 1
	evalGlobal  = 0x20000
	evalDirect  = 0x40000
	queueTail   = 0
	allEvents   = 0
	eventIsDone = 1
)

// Install says where the libraries come from.
const Install = `install Tcl/Tk 8.6: "apt-get install libtk8.6" (Debian, Ubuntu), "dnf install tk" (Fedora), "brew install tcl-tk@8" (macOS)`

// load finds the libraries. TCL_LIB and TK_LIB in the environment name the files, if they are in unusual places.
func load() (*library, error) {
	tclNames, tkNames := fileNames("tcl", "TCL_LIB"), fileNames("tk", "TK_LIB")
	tcl, err := open(tclNames)
	if err != nil {
		return nil, fmt.Errorf("tcl: Tcl is not to be found: %w; %s", err, Install)
	}
	tk, err := open(tkNames)
	if err != nil {
		return nil, fmt.Errorf("tcl: Tk is not to be found: %w; %s", err, Install)
	}
	l := new(library)
	for _, f := range []struct {
		lib  uintptr
		name string
		f    any
	}{
		{tcl, "Tcl_FindExecutable", &l.findExecutable},
		{tcl, "Tcl_CreateInterp", &l.createInterp},
		{tcl, "Tcl_Init", &l.init},
		{tcl, "Tcl_DeleteInterp", &l.deleteInterp},
		{tcl, "Tcl_EvalObjEx", &l.evalObjEx},
		{tcl, "Tcl_EvalEx", &l.evalEx},
		{tcl, "Tcl_GetObjResult", &l.getObjResult},
		{tcl, "Tcl_SetObjResult", &l.setObjResult},
		{tcl, "Tcl_CreateObjCommand", &l.createObjCommand},
		{tcl, "Tcl_NewStringObj", &l.newStringObj},
		{tcl, "Tcl_NewByteArrayObj", &l.newByteArrayObj},
		{tcl, "Tcl_NewListObj", &l.newListObj},
		{tcl, "Tcl_GetStringFromObj", &l.getStringFromObj},
		{tcl, "Tcl_DbIncrRefCount", &l.incrRefCount}, // the others are macros
		{tcl, "Tcl_DbDecrRefCount", &l.decrRefCount},
		{tcl, "Tcl_Alloc", &l.alloc},
		{tcl, "Tcl_GetCurrentThread", &l.getCurrentThread},
		{tcl, "Tcl_ThreadQueueEvent", &l.threadQueueEvent},
		{tcl, "Tcl_ThreadAlert", &l.threadAlert},
		{tcl, "Tcl_DoOneEvent", &l.doOneEvent},
		{tk, "Tk_Init", &l.tkInit},
	} {
		address, err := purego.Dlsym(f.lib, f.name)
		if err != nil {
			return nil, fmt.Errorf("tcl: %w; %s", err, Install)
		}
		purego.RegisterFunc(f.f, address)
	}
	return l, nil
}

// open opens the first library that there is.
func open(names []string) (uintptr, error) {
	var errs []error
	for _, name := range names {
		lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err == nil {
			return lib, nil
		}
		errs = append(errs, err)
	}
	return 0, errors.Join(errs...)
}

func fileNames(lib, env string) []string {
	if name := os.Getenv(env); name != "" {
		return []string{name}
	}
	if runtime.GOOS == "darwin" {
		file := "lib" + lib + "8.6.dylib"
		return []string{"/opt/homebrew/opt/tcl-tk@8/lib/" + file, "/usr/local/opt/tcl-tk@8/lib/" + file, file}
	}
	return []string{"lib" + lib + "8.6.so.0", "lib" + lib + "8.6.so"}
}
