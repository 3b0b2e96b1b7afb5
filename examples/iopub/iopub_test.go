package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// The test binary is the program, when it is told to be.
func TestMain(m *testing.M) {
	if os.Getenv("IOPUB_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

const patience = time.Minute

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// python returns a Python that has ZeroMQ, or skips the test.
func python(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3", "python"} {
		if exec.Command(python, "-c", "import zmq").Run() == nil {
			return python
		}
	}
	t.Skip("needs a Python with pyzmq: apt-get install python3-zmq")
	return ""
}

// program makes a command that runs the program itself.
func program(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(testContext(t), os.Args[0], args...)
	c.Env = append(os.Environ(), "IOPUB_TEST_MAIN=1")
	return c
}

// subscriber starts sub.py, which reads the addresses from stdin. The function waits for its end and returns what it got.
func subscriber(t *testing.T, stdin io.Reader, seen func(n int)) (wait func() []message) {
	c := exec.CommandContext(testContext(t), python(t), "sub.py")
	c.Stdin = stdin
	var stderr bytes.Buffer
	c.Stderr = &stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (got []message) {
		for d := json.NewDecoder(stdout); ; {
			var m message
			if err := d.Decode(&m); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if got = append(got, m); seen != nil {
				seen(len(got))
			}
		}
		if err := c.Wait(); err != nil {
			t.Fatalf("sub.py: %v\n%s", err, stderr.String())
		}
		return got
	}
}

// check checks what must be true of any output: for each loop all of it, in order and to the end; for each cell from its
// start to its end, each line with the right cell; and that a call has the output of one cell. It returns the lines of each cell.
func check(t *testing.T, got []message, loops int) (lines map[string][]string, ends map[string]string) {
	t.Helper()
	seq, ended := map[string]int{}, map[string]bool{}
	cellOf := map[uint64]string{}
	lines, ends = map[string][]string{}, map[string]string{}
	for _, m := range got {
		if seq[m.Loop]++; m.Seq != seq[m.Loop] || ended[m.Loop] {
			t.Fatalf("%+v out of order", m)
		}
		if m.Kind == "end" {
			ended[m.Loop] = true
			continue
		}
		if was, ok := cellOf[m.Call]; ok && was != m.Cell || m.Call == 0 {
			t.Errorf("call %d wrote for %s and %s", m.Call, was, m.Cell)
		}
		cellOf[m.Call] = m.Cell
		if strings.TrimPrefix(m.Loop, "loop") != strings.Split(strings.TrimPrefix(m.Cell, "cell"), ".")[0] {
			t.Errorf("%+v: not that loop's cell", m)
		}
		_, begun := lines[m.Cell]
		switch {
		case ends[m.Cell] != "":
			t.Errorf("%+v after the end of the cell", m)
		case m.Kind == "stream" && begun:
			lines[m.Cell] = append(lines[m.Cell], m.Text)
		case m.Kind == "status" && m.Text == "busy" && !begun:
			lines[m.Cell] = []string{}
		case m.Kind == "status" && begun:
			ends[m.Cell] = m.Text
		default:
			t.Errorf("unexpected: %+v", m)
		}
	}
	if len(ended) != loops {
		t.Errorf("%d loops have ended", len(ended))
	}
	for cell := range lines {
		if ends[cell] == "" {
			t.Errorf("%s has no end", cell)
		}
	}
	return lines, ends
}

func TestOutputOfConcurrentCalls(t *testing.T) {
	python(t)
	c := program(t, "-loops=3", "-cells=5", "-lines=60")
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	got := subscriber(t, stdout, nil)()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	lines, ends := check(t, got, 3)
	if len(lines) != 15 {
		t.Errorf("%d cells", len(lines))
	}
	for cell, ls := range lines {
		if len(ls) != 80 || ends[cell] != "done" {
			t.Errorf("%s: %d lines, %s", cell, len(ls), ends[cell])
		}
		last := 0
		for _, l := range ls {
			n, err := strconv.Atoi(strings.Fields(l)[0])
			if err != nil || n < last {
				t.Errorf("%s: %q after line %d", cell, l, last)
			}
			last = n
		}
	}
}

// A line for which printf has returned nil is with the subscriber, also when the cells are cancelled in the middle.
func TestNoAcknowledgedLineIsLost(t *testing.T) {
	python(t)
	ctx := testContext(t)
	cells, interrupt := context.WithCancel(ctx)
	defer interrupt()
	r, w := io.Pipe()
	pool := hop.NewPool(&hop.PoolOptions{Size: 2})
	defer pool.Close()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "loop7", Thread: true})
	wait := subscriber(t, r, func(n int) {
		if n == 200 {
			interrupt()
		}
	})
	err := hop.Run(ctx, loop, func(ctx context.Context) error {
		p, err := publishers.Get(ctx)
		if err != nil {
			return err
		}
		address := p.socket.Addr()
		go func() {
			fmt.Fprintf(w, "[\"tcp://%v\"]\n", address)
			w.Close()
		}()
		return p.until(ctx, func(n int) bool { return n > 0 })
	})
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := make([]int, 4)
	var calls []*hop.Pending[struct{}]
	for i := range acknowledged {
		calls = append(calls, execute(cells, loop, fmt.Sprintf("cell7.%d", i), func(ctx context.Context) error {
			for ; ; acknowledged[i]++ {
				err := hop.Run(ctx, pool, func(ctx context.Context) error { return printf(ctx, "%d", acknowledged[i]) })
				if err != nil {
					return err
				}
			}
		}))
	}
	got := make(chan []message, 1)
	go func() { got <- wait() }()
	for _, c := range calls {
		if _, err := c.Wait(ctx); !errors.Is(err, hop.ErrCancelled) {
			t.Errorf("the error is %v", err)
		}
	}
	if err := loop.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	lines, ends := check(t, <-got, 1)
	for i, n := range acknowledged {
		cell := fmt.Sprintf("cell7.%d", i)
		if len(lines[cell]) < n || n == 0 || ends[cell] != "cancelled" {
			t.Errorf("%s: %d lines were acknowledged, %d have come; %s", cell, n, len(lines[cell]), ends[cell])
		}
	}
}

func TestInterrupt(t *testing.T) {
	python(t)
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no interrupt signal to send")
	}
	c := program(t, "-lines=1000000")
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	got := subscriber(t, stdout, func(n int) {
		if n == 100 {
			c.Process.Signal(os.Interrupt)
		}
	})()
	if err := c.Wait(); err == nil || err.Error() != "exit status 130" {
		t.Errorf("it ended with %v", err)
	}
	lines, ends := check(t, got, 3)
	for cell := range lines {
		if ends[cell] != "cancelled" {
			t.Errorf("%s: %s", cell, ends[cell])
		}
	}
}

// A subscriber that dies does not keep the program.
func TestASubscriberThatDies(t *testing.T) {
	c := program(t, "-lines=200")
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	sub := exec.CommandContext(testContext(t), python(t), "sub.py")
	sub.Stdin = stdout
	out, err := sub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 1))
	sub.Process.Kill()
	sub.Wait()
	start := time.Now()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 4*lingering {
		t.Errorf("it took %v", took)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	out, err := program(t, "-wait=50ms").CombinedOutput()
	if err == nil || err.Error() != "exit status 1" || !strings.Contains(string(out), "python3-zmq") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = program(t, "-loops=0").CombinedOutput()
	if err == nil || err.Error() != "exit status 2" || !strings.Contains(string(out), "usage") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := printf(t.Context(), "whose is it?"); err != errNoCell {
		t.Errorf("the error is %v", err)
	}
}
