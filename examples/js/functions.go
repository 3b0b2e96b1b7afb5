package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dop251/goja"
	"github.com/gohop/hop"
)

// define gives the script its functions. Those that take time return promises; see README.md for what each does.
func (s *script) define() error {
	vm := s.vm
	vm.SetMaxCallStackSize(10_000) // there is no bound but memory otherwise
	vm.SetPromiseRejectionTracker(func(p *goja.Promise, op goja.PromiseRejectionOperation) {
		if op == goja.PromiseRejectionReject {
			s.lost[p] = true
		} else {
			delete(s.lost, p)
		}
	})
	functions := map[string]any{
		"print":        s.print,
		"setTimeout":   s.setTimeout,
		"clearTimeout": s.clearTimeout,
		"sleep": func(ms int64) goja.Value {
			return s.async("sleep", func(ctx context.Context) (any, error) {
				return nil, hop.Sleep(ctx, time.Duration(ms)*time.Millisecond) // gives back the worker's place
			})
		},
		"list": func(dir string) goja.Value {
			return s.async("list", func(context.Context) (any, error) { return list(dir) })
		},
		"read": func(path string) goja.Value {
			return s.async("read", func(context.Context) (any, error) {
				b, err := os.ReadFile(path)
				return string(b), err
			})
		},
		"write": func(path, text string) goja.Value {
			return s.async("write", func(context.Context) (any, error) { return nil, write(path, text) })
		},
		"sha256": func(path string) goja.Value {
			return s.async("sha256", func(ctx context.Context) (any, error) { return sum(ctx, path) })
		},
		"walk": func(call goja.FunctionCall) goja.Value {
			f, ok := goja.AssertFunction(call.Argument(1))
			if !ok {
				panic(vm.NewTypeError("walk: the second argument must be a function"))
			}
			dir := call.Argument(0).String()
			return s.async("walk", func(ctx context.Context) (any, error) { return s.walk(ctx, dir, f) })
		},
	}
	for name, f := range functions {
		if err := vm.Set(name, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) print(call goja.FunctionCall) goja.Value {
	var args []any
	for _, a := range call.Arguments {
		args = append(args, a)
	}
	if _, err := fmt.Fprintln(s.out, args...); err != nil {
		panic(s.vm.NewGoError(err))
	}
	return goja.Undefined()
}

func (s *script) setTimeout(call goja.FunctionCall) goja.Value {
	f, ok := goja.AssertFunction(call.Argument(0))
	if !ok {
		panic(s.vm.NewTypeError("setTimeout: the first argument must be a function"))
	}
	var args []goja.Value
	if len(call.Arguments) > 2 {
		args = call.Arguments[2:]
	}
	s.open++
	t := &timer{s: s}
	t.cancel = s.after(s, call.Argument(1).ToInteger(), func() {
		t.over()
		s.enter(func() error {
			_, err := f(goja.Undefined(), args...)
			return err
		})
	})
	return s.vm.ToValue(t)
}

func (s *script) clearTimeout(call goja.FunctionCall) goja.Value {
	if t, ok := call.Argument(0).Export().(*timer); ok {
		t.over()
		t.cancel()
	}
	return goja.Undefined()
}

// timer is what setTimeout returns.
type timer struct {
	s      *script
	done   bool
	cancel func()
}

func (t *timer) over() {
	if !t.done {
		t.done = true
		t.s.open--
	}
}

// list returns the names in dir, those of directories with a slash.
func list(dir string) (any, error) {
	entries, err := os.ReadDir(dir)
	names := []string{}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names, err
}

// write returns when text is on the disk under path, all of it; until then what was there before is.
func write(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".js-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// sum returns the SHA-256 of a file. It ends with ctx.
func sum(ctx context.Context, path string) (any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	for {
		switch _, err := io.CopyN(h, f, 1<<20); {
		case err == io.EOF:
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
}

// walk calls f in the VM for each file under dir, from a worker of the pool, and returns how many there were. It stops when f
// returns false.
func (s *script) walk(ctx context.Context, dir string, f goja.Callable) (any, error) {
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n++
		v, err := s.call(ctx, f, path, info.Size())
		if err == nil && v == false {
			return filepath.SkipAll
		}
		return err
	})
	return n, err
}
