package thread_test

import (
	"runtime"
	"testing"

	"github.com/gohop/hop/internal/thread"
)

func TestGoNeverTakesTheFirstThread(t *testing.T) {
	if thread.ID() == 0 {
		t.Skip("thread ids are not to be had on " + runtime.GOOS)
	}
	const n = 50
	first := make(chan bool, n)
	hold := make(chan struct{})
	for range n {
		thread.Go(func() {
			first <- thread.IsMain()
			<-hold
		})
	}
	for range n {
		if <-first {
			t.Error("a goroutine was locked to the process's first thread")
		}
	}
	close(hold)
}
