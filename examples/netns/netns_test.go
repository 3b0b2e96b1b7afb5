//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gohop/hop"
	"golang.org/x/sys/unix"
)

// root skips where namespaces are not to be had, with the message that the program gives.
var root = sync.OnceValue(func() error {
	n := newNetwork()
	defer n.close()
	return n.build(context.Background(), 1)
})

func needRoot(t *testing.T) {
	t.Helper()
	if err := root(); err != nil {
		t.Skip(err)
	}
}

// host is the namespace of the test, which must be that of all threads again at its end.
func host(t *testing.T) nsID {
	t.Helper()
	id, err := namespaceHere()
	if err != nil {
		t.Fatal(err)
	}
	before := interfaces(t)
	t.Cleanup(func() {
		if err := threadsGone(id); err != nil {
			t.Error(err)
		}
		if left := openNamespaces(t); len(left) > 0 {
			t.Errorf("open namespaces are left: %v", left)
		}
		if after := interfaces(t); !slices.Equal(before, after) {
			t.Errorf("the host's devices were %v, are %v", before, after)
		}
	})
	return id
}

func interfaces(t *testing.T) []string {
	t.Helper()
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// openNamespaces returns the descriptors of namespaces, and netlink sockets, that the process has.
func openNamespaces(t *testing.T) (open []string) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if what, err := os.Readlink(fd); err == nil && strings.HasPrefix(what, "net:") {
			open = append(open, fd+" "+what)
		}
	}
	return open
}

func built(t *testing.T) (*network, *services) {
	t.Helper()
	needRoot(t)
	n := newNetwork()
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.build(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	sv, err := serve(context.Background(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sv.close)
	return n, sv
}

func TestWhoReachesWhom(t *testing.T) {
	host(t)
	n, sv := built(t)
	const timeout = 2 * time.Second
	m, err := probeAll(t.Context(), n, sv.webPort, timeout)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"web", "host1", "host2", "guest1", "guest2", "island"}; !slices.Equal(m.names, want) {
		t.Fatalf("spaces %v, want %v", m.names, want)
	}
	reaches := func(from, to string) bool {
		switch {
		case from == to:
			return true
		case from == "island" || to == "island":
			return false
		}
		return !(strings.HasPrefix(from, "guest") && strings.HasPrefix(to, "guest"))
	}
	for i, from := range m.names {
		for j, to := range m.names {
			if r := m.paths[i][j]; (r.err == nil) != reaches(from, to) {
				t.Errorf("from %s to %s: %v", from, to, r.err)
			}
		}
		if r := m.web[i]; (r.err == nil) != reaches(from, "web") {
			t.Errorf("from %s to the web server: %v", from, r.err)
		}
	}
}

func TestOrdinaryDialerEscapesAndHopsDoesNot(t *testing.T) {
	h := host(t)
	n, sv := built(t)
	s := n.spaces[1]
	e, err := showEscape(t.Context(), h, s, sv.webPort, sv.namePort)
	if err != nil {
		t.Fatal(err)
	}
	inside := fmt.Sprintf("web, to %s", s.addr)
	for i, want := range []struct {
		asked, dialed nsID
		page          string
		err           error
	}{
		{h, h, hostPage, nil},
		{h, h, hostPage, nil},
		{0, h, hostPage, nil},
		{s.id, s.id, inside, nil},
		{s.id, s.id, inside, nil},
		{0, s.id, "", syscall.ECONNREFUSED}, // nobody listens there on the loopback device of s
	} {
		y := e.tries[i]
		if y.page != want.page || !errors.Is(y.err, want.err) {
			t.Errorf("try %d, %s: page %q, %v; want %q, %v", i, y.what, y.page, y.err, want.page, want.err)
		}
		if !all(y.asked, want.asked) || !all(y.dialed, want.dialed) {
			t.Errorf("try %d, %s: asked in %v, dialed in %v, want %v and %v", i, y.what, y.asked, y.dialed, want.asked, want.dialed)
		}
	}
}

// all tells whether there are some, all of them want; or none, if want is 0.
func all(ids []nsID, want nsID) bool {
	return (len(ids) > 0) == (want != 0) && !slices.ContainsFunc(ids, func(id nsID) bool { return id != want })
}

// TestDialWorksOnAnyGoroutine dials by name where the naive ways to wait would be deadlocks: on the loop that owns the namespace, and on all
// workers of its pool at once.
func TestDialWorksOnAnyGoroutine(t *testing.T) {
	host(t)
	n, sv := built(t)
	s := n.spaces[2]
	address := fmt.Sprintf("%s:%d", webName, sv.webPort)
	page := func(ctx context.Context) (string, error) {
		c, err := s.dial(ctx, "tcp", address)
		return getOver(c, err)
	}
	var calls []*hop.Pending[string]
	for range 2 * visitors {
		calls = append(calls, hop.Go(t.Context(), s.pool, page), hop.Go(t.Context(), s.loop, page),
			hop.Go(t.Context(), n.spaces[3].loop, page), hop.Go(t.Context(), hop.Goroutines, page))
	}
	want := fmt.Sprintf("web, to %s", s.addr)
	for _, p := range calls {
		if got, err := p.Wait(t.Context()); got != want || err != nil {
			t.Fatalf("%v: %q, %v, want %q", p, got, err, want)
		}
	}
}

func TestGuardRefusesASocketThatWasMadeElsewhere(t *testing.T) {
	host(t)
	n, _ := built(t)
	s := n.spaces[1]
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := net.Dialer{Control: s.guard} // here, in the host's namespace
	c, err := d.Dial("tcp4", l.Addr().String())
	if err == nil {
		c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "not in host1's "+s.id.String()) {
		t.Errorf("error %v", err)
	}
}

func TestThreadsAreNeverUsedAgain(t *testing.T) {
	h := host(t)
	n, sv := built(t)
	if _, err := probeAll(t.Context(), n, sv.webPort, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	threads := n.threads()
	if len(threads) < 2*len(n.spaces) {
		t.Fatalf("only %d threads were in the namespaces", len(threads))
	}
	if strays, _, err := strayThreads(h); err != nil || len(strays) == 0 {
		t.Fatalf("before the end %v are in other namespaces, %v: what the test looks at does not tell", strays, err)
	}
	if slices.Contains(threads, os.Getpid()) {
		t.Error("the process's first thread was in a namespace")
	}
	sv.close()
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	if err := threadsGone(h); err != nil {
		t.Fatal(err)
	}
	if _, err := reuse(t.Context(), h, len(threads)); err != nil {
		t.Error(err)
	}
}

// TestEndsAtAnyMoment ends the context earlier and later: nothing may be left.
func TestEndsAtAnyMoment(t *testing.T) {
	host(t)
	needRoot(t)
	before, _ := busyGoroutines()
	for after := time.Duration(0); after < 120*time.Millisecond; after += 5 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		start := time.Now()
		var out bytes.Buffer
		err := run(ctx, options{hosts: 1, timeout: 300 * time.Millisecond}, &out)
		cancel()
		if err == nil {
			t.Fatal("it was done before it could be ended")
		}
		if errors.Is(err, errLeft) || time.Since(start) > 3*time.Second {
			t.Fatalf("ended after %v: it took %v: %v", after, time.Since(start), err)
		}
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		now, stacks := busyGoroutines()
		if now <= before+3 {
			return
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d goroutines, before %d\n%s", now, before, stacks)
		}
	}
}

// busyGoroutines counts the goroutines without the workers of hop.Workers, which are kept for a minute.
func busyGoroutines() (n int, stacks []byte) {
	buf := make([]byte, 1<<20)
	stacks = buf[:runtime.Stack(buf, true)]
	for g := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if !bytes.Contains(g, []byte("hop.(*worker).main")) {
			n++
		}
	}
	return n, stacks
}

// TestTakesDownWhatItHasWhenItFails fails in the middle.
func TestTakesDownWhatItHasWhenItFails(t *testing.T) {
	h := host(t)
	needRoot(t)
	n := newNetwork()
	ctx, cancel := context.WithCancel(t.Context())
	if err := n.build(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := n.connect(ctx, n.spaces[0]); !errors.Is(err, unix.EEXIST) {
		t.Errorf("connecting a space twice: %v, want %v", err, unix.EEXIST)
	}
	cancel()
	if err := errors.Join(n.close(), threadsGone(h)); err != nil {
		t.Error(err)
	}
}

// program is the built program.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "netns")
	if err != nil {
		return "", err
	}
	os.Chmod(dir, 0o755) // TestWithoutRoot runs it as somebody else
	path := filepath.Join(dir, "netns")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	programDir = dir
	return path, nil
})

var programDir string

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(programDir) // removes nothing if nothing was built
	os.Exit(code)
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), path, args...)
}

func TestPrints(t *testing.T) {
	needRoot(t)
	cmd := command(t, "-hosts", "1", "-timeout", "200ms")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
	// The cells of a column end in the same place.
	lines := strings.Split(string(out), "\n")
	first := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `from \ to`) })
	if first < 0 {
		t.Fatalf("no matrix in\n%s", out)
	}
	for _, line := range lines[first+1 : first+6] {
		if len(line) != len(lines[first]) {
			t.Errorf("the matrix is not lined up:\n%s", strings.Join(lines[first:first+6], "\n"))
			break
		}
	}
	for _, want := range []string{
		`(?m)^  web  +10\.83\.0\.1  net:\[\d+\]  thread \d+  on br0$`,
		`(?m)^  guest1 .* timeout  `,
		`(?m)^  island +no network +no network  .* ms +no network$`,
		`(?m)^  dial web\.test +the host's +the host's +the host's own loopback device$`,
		`(?m)^  dial web\.test +host1 +host1 +web, to 10\.83\.0\.2$`,
		`Taken down\. \d+ threads were in these namespaces: all have ended, none was used again\.`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// TestCtrlC interrupts the program as a terminal would.
func TestCtrlC(t *testing.T) {
	needRoot(t)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := command(t, "-hold")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var sent time.Time
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				if sent.IsZero() && strings.Contains(lines.Text(), "until Ctrl-C here") {
					sent = time.Now()
					cmd.Process.Signal(sig)
				}
			}
			cmd.Wait()
			if took := time.Since(sent); sent.IsZero() || took > 5*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, &stderr)
			}
			if got, want := stderr.String(), "netns: interrupted; everything has been taken down\n"; got != want {
				t.Errorf("it says %q, want %q", got, want)
			}
		})
	}
}

func TestWithoutRoot(t *testing.T) {
	cmd := command(t)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	for _, want := range []string{"making a network namespace: operation not permitted", "it takes root", "CAP_NET_ADMIN", "sudo"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if strings.Count(string(out), "\n") != 1 {
		t.Errorf("not one line:\n%s", out)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-hosts", "0"}, {"-hosts", "21"}, {"-timeout", "0"}, {"-timeout", "1h"}, {"what"}, {"-what"}} {
		if _, err := parse(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
