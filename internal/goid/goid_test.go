package goid_test

import (
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop/internal/goid"
)

func TestSelfTellsGoroutinesApart(t *testing.T) {
	const n = 100
	ids := make(chan uintptr, n)
	hold := make(chan struct{})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			ids <- goid.Self()
			<-hold
		})
	}
	seen := map[uintptr]bool{goid.Self(): true}
	for range n {
		id := <-ids
		if id == 0 || seen[id] {
			t.Errorf("identity %#x is zero or stands for two living goroutines", id)
		}
		seen[id] = true
	}
	close(hold)
	wg.Wait()
}

func TestSelfStaysWhileStackGrowsAndThreadsChange(t *testing.T) {
	want := goid.Self()
	var grow func(n int) byte
	grow = func(n int) byte {
		var pad [512]byte
		if n == 0 {
			runtime.Gosched()
			runtime.GC()
			if got := goid.Self(); got != want {
				t.Errorf("identity became %#x, was %#x", got, want)
			}
			return pad[0]
		}
		return grow(n-1) + pad[n%512]
	}
	grow(2000)
	if got := goid.Self(); got != want {
		t.Errorf("identity became %#x, was %#x", got, want)
	}
}

func TestCoroutineHasAnIdentityOfItsOwn(t *testing.T) {
	outer := goid.Self()
	next, stop := iter.Pull(func(yield func(uintptr) bool) {
		for yield(goid.Self()) {
		}
	})
	defer stop()
	a, _ := next()
	b, _ := next()
	if a == outer || a != b {
		t.Errorf("coroutine %#x, then %#x; its resumer %#x", a, b, outer)
	}
}

func TestNumber(t *testing.T) {
	var buf [64]byte
	head := string(buf[:runtime.Stack(buf[:], false)])
	fields := strings.Fields(head)
	if len(fields) < 2 {
		t.Fatalf("stack header %q", head)
	}
	n := goid.Number()
	if n == 0 || fields[1] != uintString(n) {
		t.Errorf("Number() = %d, header %q", n, head)
	}
}

func uintString(n uint64) string {
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return s
}

//go:noinline
func place() uintptr { return goid.CallerPC() }

func TestCallerPCNamesTheCallersLine(t *testing.T) {
	pc := place()
	_, _, line, _ := runtime.Caller(0)
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if !strings.HasSuffix(f.File, "goid_test.go") || f.Line != line-1 {
		t.Errorf("place %s:%d, want goid_test.go:%d", f.File, f.Line, line-1)
	}
}

func TestMap(t *testing.T) {
	var m goid.Map[int]
	if m.Load(goid.Self()) != nil {
		t.Error("an empty map has a value")
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			k := goid.Self()
			for j := range 200 {
				v := i<<16 | j
				m.Store(k, &v)
				if got := m.Load(k); got != &v {
					t.Errorf("goroutine %d: another's value", i)
				}
				m.Delete(k)
				if m.Load(k) != nil {
					t.Errorf("goroutine %d: still there", i)
				}
			}
			v := i
			m.Store(k, &v)
			if got := m.Load(k); got == nil || *got != i {
				t.Errorf("goroutine %d: lost", i)
			}
			m.Delete(k)
		})
	}
	wg.Wait()
	if n := m.Len(); n != 0 {
		t.Errorf("%d entries left", n)
	}
}

func TestMapKeepsManyKeys(t *testing.T) {
	var m goid.Map[uintptr]
	const n = 10000
	keys := make([]uintptr, n)
	for i := range keys {
		keys[i] = uintptr(i+1) * 512
		m.Store(keys[i], &keys[i])
	}
	for i := 0; i < n; i += 2 {
		m.Delete(keys[i])
	}
	for i, k := range keys {
		if got := m.Load(k); (got == nil) != (i%2 == 0) {
			t.Fatalf("key %d: %v", i, got)
		}
	}
	if m.Len() != n/2 {
		t.Errorf("Len %d, want %d", m.Len(), n/2)
	}
}

func BenchmarkSelf(b *testing.B) {
	for b.Loop() {
		goid.Self()
	}
}

func BenchmarkCallerPC(b *testing.B) {
	for b.Loop() {
		place()
	}
}

func BenchmarkMapLoad(b *testing.B) {
	var m goid.Map[int]
	v := 1
	m.Store(goid.Self(), &v)
	for b.Loop() {
		if m.Load(goid.Self()) == nil {
			b.Fatal("lost")
		}
	}
}

func TestInBubble(t *testing.T) {
	if goid.InBubble() {
		t.Error("true outside of all bubbles")
	}
	synctest.Test(t, func(t *testing.T) {
		for range 5 {
			if !goid.InBubble() {
				t.Errorf("false in a bubble, in %d", time.Now().Year())
			}
			time.Sleep(20 * 365 * 24 * time.Hour)
		}
	})
	if goid.InBubble() {
		t.Error("true outside of all bubbles, after one")
	}
}
