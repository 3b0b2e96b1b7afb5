package explore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// child runs f in a process of its own: the named test of this binary again. It returns what that prints.
func child(t *testing.T, test string, f func()) string {
	t.Helper()
	const key = "HOP_EXPLORE_CHILD"
	if os.Getenv(key) == test {
		f()
		t.SkipNow() // the rest is the parent's
	}
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("no processes on " + runtime.GOOS)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), key+"="+test)
	out, _ := cmd.CombinedOutput() // it may fail: that is up to the test
	return string(out)
}

// mustFail asserts that the exploration has found a failure of the kind whose message says all of want.
func mustFail(t *testing.T, r *explore.Result, kind explore.Kind, want ...string) *explore.Failure {
	t.Helper()
	f := r.Failure
	if f == nil {
		t.Fatalf("nothing fails in %d runs", r.Runs)
	}
	if f.Kind != kind {
		t.Errorf("it has %v, want %v", f.Kind, kind)
	}
	text := f.Error()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the report does not say %q", w)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	return f
}

func mustPass(t *testing.T, r *explore.Result) {
	t.Helper()
	if r.Failure != nil {
		t.Fatal(r.Failure)
	}
}

// busy is a program with something of everything: a loop with tasks, a pool, a group, timers that are due at one instant, goroutines
// that look alike, a timeout, a cancel.
func busy(x *explore.Trial) {
	ctx := x.Context()
	l := hop.NewLoop(&hop.LoopOptions{Name: "ui"})
	defer l.Close()
	p := hop.NewPool(&hop.PoolOptions{Size: 2})
	defer p.Close()
	var e hop.Event
	hop.WithGroup(ctx, &hop.GroupOptions{Timeout: 2 * time.Millisecond}, func(ctx context.Context) error {
		for range 3 {
			hop.Go(ctx, p, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) })
			hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) })
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) })
		}
		return nil
	})
	late := hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) })
	for range 2 {
		time.AfterFunc(time.Millisecond, func() { late.Cancel(nil) })
		time.AfterFunc(time.Millisecond, e.Set)
		go func() {
			hop.Do(ctx, p, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, l, func(context.Context) (int, error) { return 1, nil })
			})
		}()
	}
	late.Wait(ctx)
	hop.Sleep(ctx, 2*time.Millisecond)
}

// difference returns where two runs part, "" if they do not.
func difference(a, b []explore.Row) string {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			from := max(0, i-10)
			return fmt.Sprintf("it was\n%s\nand is now\n%s", explore.Table(a[from:min(i+3, len(a))]), explore.Table(b[from:min(i+3, len(b))]))
		}
	}
	return ""
}
