package spin_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop/internal/spin"
)

// with runs f with as many Ps, and says so to Processors, which asks seldom.
func with(t *testing.T, procs int, f func()) {
	t.Helper()
	before := runtime.GOMAXPROCS(procs)
	defer func() {
		runtime.GOMAXPROCS(before)
		learn()
	}()
	learn()
	if got, is := spin.Processors(), runtime.GOMAXPROCS(0); got != is { // on wasm there is one, whatever is asked for
		t.Fatalf("%d processors of %d", got, is)
	}
	f()
}

func learn() {
	for range 2000 {
		spin.Processors()
	}
}

// TestMutex: it excludes, and what was done with it is seen by the next who has it; whether it is held for a few instructions or for
// longer than anybody looks, with one P and with several, on goroutines and on locked threads.
func TestMutex(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		for _, locked := range []bool{false, true} {
			with(t, procs, func() {
				const each = 20000
				var mu spin.Mutex
				var group sync.WaitGroup
				n, in := 0, false
				var words [9]int // on several lines of memory, changed together
				for range 8 {
					group.Go(func() {
						if locked {
							runtime.LockOSThread()
							defer runtime.UnlockOSThread()
						}
						for i := range each {
							mu.Lock()
							if in {
								t.Error("two hold the lock")
							}
							in = true
							n++
							for j := range words {
								if words[j] != n-1 {
									t.Errorf("word %d is %d at the lock's turn %d", j, words[j], n)
								}
								words[j] = n
							}
							if i%1000 == 0 {
								runtime.Gosched() // with the lock: who finds it held comes to the end of its patience
							}
							in = false
							mu.Unlock()
						}
					})
				}
				group.Wait()
				if n != 8*each {
					t.Errorf("%d of %d", n, 8*each)
				}
			})
		}
	}
}

// TestHandOver: one writes under the lock and, as soon as it has unlocked, looks at a word of the other's; that one sets its word first and
// then looks under the lock. One of them sees the other, though Unlock is no fence.
func TestHandOver(t *testing.T) {
	const rounds = 200000
	var mu spin.Mutex
	var under int // mu
	var word, at, other atomic.Int64
	var first, second [rounds + 1]bool // whether it has seen the other
	meet := func(mine, theirs *atomic.Int64, i int) {
		mine.Store(int64(i))
		for theirs.Load() < int64(i) {
			runtime.Gosched()
		}
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := 1; i <= rounds; i++ {
			meet(&at, &other, i)
			mu.Lock()
			under = i
			mu.Unlock()
			first[i] = word.Load() == int64(i)
		}
	})
	group.Go(func() {
		for i := 1; i <= rounds; i++ {
			meet(&other, &at, i)
			word.Store(int64(i))
			mu.Lock()
			second[i] = under == i
			mu.Unlock()
		}
	})
	group.Wait()
	for i := 1; i <= rounds; i++ {
		if !first[i] && !second[i] {
			t.Fatalf("round %d: neither has seen the other", i)
		}
	}
}

// TestHeldForLong: who waits for a lock that is held for long naps, and gets it.
func TestHeldForLong(t *testing.T) {
	for _, procs := range []int{1, 2} {
		with(t, procs, func() {
			var mu spin.Mutex
			had := 0
			mu.Lock()
			got := make(chan bool)
			for range 4 {
				go func() {
					mu.Lock()
					had++
					mu.Unlock()
					got <- true
				}()
			}
			select {
			case <-got:
				t.Fatal("two hold the lock")
			case <-time.After(20 * time.Millisecond): // beyond all patience; no fault can come of its being longer or shorter
			}
			if had != 0 {
				t.Error("two hold the lock")
			}
			mu.Unlock()
			for range 4 {
				<-got
			}
			if had != 4 {
				t.Errorf("%d of 4 had the lock", had)
			}
		})
	}
}

// TestBubble: a wait for the lock does not let the clock of a bubble go on, however long it takes.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu spin.Mutex
		mu.Lock()
		var waits atomic.Bool
		got := make(chan time.Duration)
		go func() {
			waits.Store(true)
			mu.Lock()
			d := time.Since(began)
			mu.Unlock()
			got <- d
		}()
		for !waits.Load() {
			runtime.Gosched()
		}
		for range 20000 {
			runtime.Gosched() // the other looks as often
		}
		mu.Unlock()
		if d := <-got; d != 0 {
			t.Errorf("the lock was had after %v", d)
		}
	})
}

// TestOneThatHammers: who takes and gives it back all the time does not keep it from another.
func TestOneThatHammers(t *testing.T) {
	for _, procs := range []int{1, 2} {
		with(t, procs, func() {
			var mu spin.Mutex
			var over atomic.Bool
			done := make(chan bool)
			n := 0
			go func() {
				defer close(done)
				for !over.Load() {
					mu.Lock()
					n++
					mu.Unlock()
				}
			}()
			for range 1000 {
				mu.Lock()
				n++
				mu.Unlock()
			}
			over.Store(true)
			<-done
		})
	}
}

func BenchmarkMutex(b *testing.B) {
	var mu spin.Mutex
	n := 0
	for b.Loop() {
		mu.Lock()
		n++
		mu.Unlock()
	}
}

func BenchmarkSyncMutex(b *testing.B) {
	var mu sync.Mutex
	n := 0
	for b.Loop() {
		mu.Lock()
		n++
		mu.Unlock()
	}
}
