//go:build unix

package mainthread_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child is a process of this test binary.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	out   strings.Builder
	err   strings.Builder
}

func start(t *testing.T, name string) *child {
	t.Helper()
	if children[name] == nil {
		t.Fatalf("no child %q", name)
	}
	c := &child{t: t, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	c.cmd.Stderr = &c.err
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() { c.cmd.Process.Signal(syscall.SIGQUIT) }) // its stacks go to stderr
	t.Cleanup(func() { watchdog.Stop() })
	return c
}

// until reads lines until one is that line.
func (c *child) until(line string) {
	c.t.Helper()
	for c.lines.Scan() {
		c.out.WriteString(c.lines.Text() + "\n")
		if c.lines.Text() == line {
			return
		}
	}
	c.end()
	c.t.Fatalf("the child ended before it said %q:\n%s%s", line, &c.out, &c.err)
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// end waits for the child and returns how it ended.
func (c *child) end() syscall.WaitStatus {
	for c.lines.Scan() {
		c.out.WriteString(c.lines.Text() + "\n")
	}
	c.cmd.Wait()
	return c.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// wantOut fails the test unless the child has ended well and said these lines, in this order, among others.
func (c *child) wantOut(lines ...string) {
	c.t.Helper()
	if status := c.end(); status != 0 {
		c.t.Errorf("status %#x", int(status))
	}
	at := 0
	for _, line := range lines {
		i := strings.Index(c.out.String()[at:], line+"\n")
		if i < 0 {
			c.t.Fatalf("missing or out of order: %q in\n%s%s", line, &c.out, &c.err)
		}
		at += i
	}
}

const (
	hook      = "shutdown function on main: true"
	stopped   = "stopped: true"
	plain     = "cancelled: false goexit: false own: false"
	cancelled = "cancelled: true goexit: false own: false"
)

func TestRun_ReturnsTheFunctionsError(t *testing.T) {
	start(t, "nil").wantOut(hook, stopped, plain, "Run: <nil>")
	start(t, "error").wantOut(hook, stopped, "cancelled: false goexit: false own: true")
	start(t, "goexit").wantOut(hook, stopped, "cancelled: false goexit: true own: false")
}

// The panic of a call is its caller's to deal with, and that was f.
func TestRun_ReturnsTheErrorOfACallThatPanicked(t *testing.T) {
	const text = `hop: call "open" on loop "main" panicked: a call's own panic`
	start(t, "a call's panic").wantOut(hook, stopped, plain, "Run: "+text)
	start(t, "a call's panic, wrapped").wantOut(hook, stopped, plain, "Run: window: "+text)
}

func TestRun_FinishesWhatTheLoopHasAccepted(t *testing.T) {
	start(t, "finishes").wantOut("finished 0 <nil>", "finished 1 <nil>", "finished 2 <nil>", hook, stopped, plain)
}

func TestRun_LeavesAStoppedLoop(t *testing.T) {
	start(t, "after").wantOut(stopped, "a call after: true", "Run after: true")
}

func TestRun_OnALoopIsRefusedBeforeTheFunctionRuns(t *testing.T) {
	c := start(t, "on a loop")
	c.wantOut("on a loop: true", hook, stopped, plain)
	if strings.Contains(c.out.String(), "f runs") {
		t.Error("the function ran")
	}
}

func TestRun_PanicsWithTheFunctionsPanic(t *testing.T) {
	for name, text := range map[string]string{"panic": "f's own panic", "posted panic": "a posted function's panic"} {
		t.Run(name, func(t *testing.T) {
			c := start(t, name)
			if status := c.end(); status.ExitStatus() != 2 {
				t.Errorf("status %#x, want exit status 2", int(status))
			}
			if err := c.err.String(); !strings.Contains(err, text) || !strings.Contains(err, "child_test.go") {
				t.Errorf("it does not say what panicked and where:\n%s", err)
			}
		})
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	start(t, "ctx ends").wantOut("long call: cancelled", hook, stopped, cancelled)
	c := start(t, "ctx over")
	c.wantOut(hook, stopped, cancelled)
	if strings.Contains(c.out.String(), "f runs") {
		t.Error("the function ran though ctx was over")
	}
}

func TestRun_ASignalEndsItInOrder(t *testing.T) {
	for s, text := range map[syscall.Signal]string{syscall.SIGINT: "interrupt", syscall.SIGTERM: "terminated"} {
		t.Run(text, func(t *testing.T) {
			c := start(t, "heeds")
			c.until("ready")
			c.signal(s)
			c.wantOut("cause: hop: signal: "+text, hook, stopped, cancelled)
			if out := c.out.String(); !strings.Contains(out, "long call: cancelled\n") || !strings.Contains(out[strings.Index(out, "Run: "):], text) {
				t.Errorf("it says\n%s", out)
			}
		})
	}
}

func TestRun_ASignalCancelsWhatTheLoopStillDoes(t *testing.T) {
	for _, name := range []string{"call without ctx", "signal during shutdown"} {
		t.Run(name, func(t *testing.T) {
			c := start(t, name)
			c.until("ready")
			c.signal(syscall.SIGINT)
			c.wantOut("long call: cancelled", hook, stopped)
		})
	}
}

func TestRun_ASecondSignalEndsTheProcess(t *testing.T) {
	c := start(t, "ignores")
	c.until("ready")
	c.signal(syscall.SIGINT)
	c.until("first signal")
	c.signal(syscall.SIGINT)
	if status := c.end(); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("status %#x, want death by SIGINT\n%s", int(status), &c.out)
	}
}
