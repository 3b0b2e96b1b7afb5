package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// The test binary is the program, when it is told to be.
func TestMain(m *testing.M) {
	if os.Getenv("JS_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

const patience = 20 * time.Second

// owners runs a test with both owners of the VM.
func owners(t *testing.T, f func(t *testing.T, own func() owner)) {
	t.Run("hop", func(t *testing.T) { f(t, ownedByHop) })
	t.Run("engine", func(t *testing.T) { f(t, ownedByEngine) })
}

// machineFor makes a machine whose output is in the buffer; the buffer is for after a script's end.
func machineFor(t *testing.T, own func() owner, workers int) (*machine, *bytes.Buffer) {
	var out bytes.Buffer
	m := newMachine(own, workers, &out)
	t.Cleanup(m.close)
	return m, &out
}

// writerFunc is a Writer that calls a function.
type writerFunc func()

func (f writerFunc) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// scriptFile writes a script.
func scriptFile(t *testing.T, src string) string {
	path := filepath.Join(t.TempDir(), strings.ReplaceAll(t.Name(), "/", "_")+".js")
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (m *machine) do(t *testing.T, timeout time.Duration, src string) (any, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v, err := m.start(ctx, scriptFile(t, src), timeout).Wait(ctx)
	if ctx.Err() != nil {
		t.Fatal("it hangs")
	}
	return v, err
}

func TestAwaitsGoFunctions(t *testing.T) {
	owners(t, func(t *testing.T, own func() owner) {
		m, out := machineFor(t, own, 2)
		dir := t.TempDir()
		v, err := m.do(t, patience, fmt.Sprintf(`
			const dir = %q
			await Promise.all([1, 2, 3, 4, 5].map(i => write(dir + "/" + i, "text " + i)))
			const sums = await Promise.all((await list(dir)).map(name => sha256(dir + "/" + name)))
			print(new Set(sums).size, await read(dir + "/3"))
			const seen = []
			const n = await walk(dir, (path, size) => { seen.push(size) })
			print(n, seen.join())
			print(await walk(dir, () => false))
			try { await walk(dir, () => { throw new Error("enough") }) } catch (e) { print(e.message) }
			try { await read(dir + "/6") } catch (e) { print(e.message.includes("no such file")) }
			const order = []
			const late = setTimeout(() => order.push("never"), 10)
			setTimeout((a, b) => order.push(a + b), 20, "twen", "ty")
			setTimeout(() => order.push("five"), 5)
			clearTimeout(late)
			await sleep(60)
			print(order.join())
			return {answer: 42}`, dir))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(v); got != "map[answer:42]" {
			t.Errorf("the result is %v", got)
		}
		want := "5 text 3\n5 6,6,6,6,6\n1\nError: enough at "
		if got := out.String(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\ntrue\nfive,twenty\n") {
			t.Errorf("printed:\n%s", got)
		}
	})
}

// Each VM has one owner, whoever wants something of it: the race detector looks too.
func TestManyThingsAtOnce(t *testing.T) {
	owners(t, func(t *testing.T, own func() owner) {
		m, out := machineFor(t, own, 4)
		path := scriptFile(t, `
			let n = 0
			const work = async () => {
				for (let i = 0; i < 20; i++) {
					const before = n
					n = before + 1
					await (i % 2 ? sleep(1) : new Promise(f => setTimeout(f, 1)))
				}
			}
			await Promise.all(Array(20).fill(0).map(work))
			print(n)
			return n`)
		var calls []*hop.Pending[any]
		for range 10 {
			calls = append(calls, m.start(t.Context(), path, patience))
		}
		for _, p := range calls {
			if v, err := p.Wait(t.Context()); err != nil || v != int64(400) {
				t.Errorf("%v, %v", v, err)
			}
		}
		if out.String() != strings.Repeat("400\n", 10) {
			t.Errorf("printed %s", out)
		}
	})
}

// A worker is not lost while a script sleeps, and a call back into the VM needs none.
func TestOneWorkerIsEnough(t *testing.T) {
	owners(t, func(t *testing.T, own func() owner) {
		m, _ := machineFor(t, own, 1)
		dir := t.TempDir()
		v, err := m.do(t, patience, fmt.Sprintf(`
			for (const name of ["a", "b", "c"]) await write(%q + "/" + name, name)
			const sleeps = Promise.all(Array(20).fill(30).map(ms => sleep(ms)))
			const texts = []
			const reads = []
			await walk(%q, path => { reads.push(read(path)) })
			await sleeps
			return (await Promise.all(reads)).join("")`, dir, dir))
		if v != "abc" || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestARunawayIsStopped(t *testing.T) {
	for name, src := range map[string]string{
		"at once":              `for (;;);`,
		"after an await":       `await sleep(1); for (;;);`,
		"in a timer":           `setTimeout(() => { for (;;); }, 1)`,
		"in a callback":        `await walk(".", () => { for (;;); })`,
		"in a chain":           `const f = () => Promise.resolve().then(f); await f()`,
		"that catches":         `for (;;) try { for (;;); } catch (e) {}`,
		"that finally goes on": `try { for (;;); } finally { for (;;); }`,
		"that waits":           `await sleep(1e9)`,
		"with a far timer":     `setTimeout(() => print("late"), 1e9)`,
	} {
		t.Run(name, func(t *testing.T) {
			owners(t, func(t *testing.T, own func() owner) {
				m, out := machineFor(t, own, 2)
				// Another script must not be hit, or even held up.
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				other := m.start(ctx, scriptFile(t, `for (let i = 0; i < 100; i++) await sleep(1); return "well"`), patience)
				_, err := m.do(t, 100*time.Millisecond, src)
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hop.ErrCancelled) {
					t.Errorf("the error is %v", err)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				if v, err := other.Wait(ctx); v != "well" {
					t.Errorf("the other script: %v, %v", v, err)
				}
				if out.Len() > 0 {
					t.Errorf("printed: %s", out)
				}
			})
		})
	}
}

func TestCancelledWithItsCause(t *testing.T) {
	owners(t, func(t *testing.T, own func() owner) {
		m, _ := machineFor(t, own, 2)
		why := errors.New("that will do")
		started := make(chan struct{})
		m.out = writerFunc(sync.OnceFunc(func() { close(started) }))
		p := m.start(t.Context(), scriptFile(t, `for (;;) print()`), patience)
		<-started
		if err := p.CancelWait(t.Context(), why); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Result(); !errors.Is(err, why) || !errors.Is(err, hop.ErrCancelled) {
			t.Errorf("the error is %v", err)
		}
		if v, err := m.do(t, patience, `return await "on it goes"`); v != "on it goes" {
			t.Errorf("afterwards: %v, %v", v, err)
		}
	})
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"a syntax error":      {`let let`, "SyntaxError"},
		"an exception":        {`throw new Error("boom")`, "boom"},
		"a Go error":          {`await read("/no/such")`, "no such file"},
		"not handled":         {`read("/no/such"); await sleep(50)`, "nobody has handled: open /no/such"},
		"nobody will settle":  {`await new Promise(() => {})`, "nobody will settle"},
		"the stack is full":   {`const f = () => f() + 1; await sleep(1); f()`, "stack is full"},
		"in a timer":          {`await new Promise(() => setTimeout(() => { throw new Error("tick") }, 1))`, "tick"},
		"the wrong arguments": {`setTimeout(1)`, "must be a function"},
	} {
		t.Run(name, func(t *testing.T) {
			owners(t, func(t *testing.T, own func() owner) {
				m, _ := machineFor(t, own, 2)
				if v, err := m.do(t, patience, c.src); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, %v", v, err)
				}
				if v, err := m.do(t, patience, `return await "on it goes"`); v != "on it goes" {
					t.Errorf("afterwards: %v, %v", v, err)
				}
			})
		})
	}
}

// What breaks the rule is found at once.
func TestAFunctionThatWaitsIsFound(t *testing.T) {
	owners(t, func(t *testing.T, own func() owner) {
		m, _ := machineFor(t, own, 2)
		o := own()
		defer o.close()
		s := &script{machine: m, owner: o, ctx: t.Context(), open: 1}
		var waits, open hop.Event
		bad := hop.Go(t.Context(), o.loop, func(ctx context.Context) (any, error) {
			return nil, s.enter(func() error {
				waits.Set()
				return open.Wait(ctx)
			})
		})
		other := hop.Go(t.Context(), o.loop, func(ctx context.Context) (any, error) {
			defer open.Set()
			waits.Wait(ctx)
			return nil, s.enter(func() error { return nil })
		})
		var panicked *hop.PanicError
		if _, err := other.Wait(t.Context()); !errors.As(err, &panicked) || !strings.Contains(err.Error(), "return a promise") {
			t.Errorf("the error is %v", err)
		}
		if _, err := bad.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestNothingIsLeft(t *testing.T) {
	owners(t, func(t *testing.T, own func() owner) {
		before := runtime.NumGoroutine()
		m := newMachine(own, 3, new(bytes.Buffer))
		p := m.start(t.Context(), scriptFile(t, `setTimeout(() => {}, 1e9); await sleep(1e9)`), time.Hour)
		for deadline := time.Now().Add(patience); p.Call().State() != hop.Waiting; time.Sleep(time.Millisecond) { // in its await
			if time.Now().After(deadline) {
				t.Fatalf("it does not come to wait: %v", p.Call())
			}
		}
		m.close()
		if _, err := p.Wait(t.Context()); !errors.Is(err, hop.ErrStopped) {
			t.Errorf("the error is %v", err)
		}
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%s", stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}

// program makes a command that runs the program itself.
func program(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), "JS_TEST_MAIN=1")
	return c
}

func TestProgram(t *testing.T) {
	bad := scriptFile(t, `throw new Error("boom")`)
	for _, owner := range []string{"-guest=false", "-guest"} {
		out, err := program(t, owner, "demo.js").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "demo.js: all different\n") || !strings.Contains(string(out), "as it should: open no such file") {
			t.Errorf("%v\n%s", err, out)
		}
		out, err = program(t, owner, "demo.js", bad).CombinedOutput()
		var e *exec.ExitError
		if !errors.As(err, &e) || e.ExitCode() != exitFailed || !strings.Contains(string(out), "boom") || !strings.Contains(string(out), "all different") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	for _, args := range [][]string{{}, {"-workers=0", "x"}, {"-nonsense"}} {
		if err := program(t, args...).Run(); err == nil || err.Error() != "exit status 2" {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// Ctrl-C: a script that has been told that a file is written can rely on it, and the program ends at once and in order.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs an interrupt signal")
	}
	for _, owner := range []string{"-guest=false", "-guest"} {
		dir := t.TempDir()
		writer := scriptFile(t, fmt.Sprintf(`for (let i = 0; ; i++) { await write(%q + "/" + i, "text " + i); print(i) }`, dir))
		runaway := filepath.Join(t.TempDir(), "runaway.js")
		os.WriteFile(runaway, []byte(`await sleep(150); for (;;);`), 0o600)
		c := program(t, owner, writer, runaway)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		stdout, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var told []string
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if told = append(told, lines.Text()); len(told) == 5 {
				time.AfterFunc(300*time.Millisecond, func() { c.Process.Signal(os.Interrupt) })
			}
		}
		start := time.Now()
		if err := c.Wait(); err == nil || err.Error() != "exit status 130" {
			t.Errorf("%v\n%s", err, stderr.String())
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("the end took %v", took)
		}
		for _, i := range told {
			if b, err := os.ReadFile(filepath.Join(dir, i)); string(b) != "text "+i {
				t.Errorf("file %s: %q, %v", i, b, err)
			}
		}
		left, _ := filepath.Glob(filepath.Join(dir, ".js-*"))
		if len(told) < 5 || len(left) > 0 || !slices.Contains(strings.Fields(stderr.String()), "runaway.js:") {
			t.Errorf("told %d, left %v, stderr:\n%s", len(told), left, stderr.String())
		}
	}
}
