package hop

import (
	"context"
	"runtime"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/gohop/hop/internal/goid"
)

// leaveBehind sees to it that who has the Done of the call, which has ended, still hears of the parent's end. It needs mu.
func (x *callMore) leaveBehind(c *Call) {
	if x.ctxDone == nil || x.ctxEnded {
		return
	}
	if r := c.rare(); r.left == nil {
		r.left = new(atomic.Bool)
		go hookChannel(c.liveParent(), x.ctxDone, r.left)
	}
}

// leftBehind reports whether leaveBehind has seen to that. It needs mu.
func (x *callMore) leftBehind() bool {
	r := x.rare.Load()
	return r != nil && r.left != nil
}

// hookChannel closes done, the Done of a call that has ended, when parent ends: goroutines that the call left behind may
// wait for it. Most calls leave nobody behind, and parent may live for ever; so what is registered with it holds done
// weakly, and is taken back when nobody can receive from done any more. A goroutine that receives from a channel keeps it
// from being collected, and so does the call, and each context derived from the call's.
//
// A channel is a pointer to an object of the heap, which is all that this takes for granted.
func hookChannel(parent context.Context, done chan struct{}, left *atomic.Bool) {
	p := *(**chanObject)(unsafe.Pointer(&done))
	if parent.Done() == nil {
		return
	}
	b := &leftBehind{done: weak.Make(p), closed: left}
	if up, ok := parent.(*callContext); ok {
		b.stop = (*Call)(up).tellOfEnd(&kid{f: b.end, apart: true, lasting: true})
	} else {
		b.stop = context.AfterFunc(parent, b.end)
	}
	if goid.InBubble() {
		return // it all goes with the bubble, where a cleanup, which runs outside, could not touch its channels
	}
	// A cleanup keeps its argument, and parent may lead to p, which then would never be collected. So the argument is weak too: as long as
	// parent lives, it keeps b, whose method it is to call.
	runtime.AddCleanup(p, func(w weak.Pointer[leftBehind]) {
		if b := w.Value(); b != nil {
			b.stop()
		}
	}, weak.Make(b))
	runtime.KeepAlive(done)
}

// leftBehind is what hookChannel registers.
type leftBehind struct {
	done   weak.Pointer[chanObject]
	closed *atomic.Bool
	stop   func() bool
}

// A chanObject is what a channel points to.
type chanObject byte

func (b *leftBehind) end() {
	if p := b.done.Value(); p != nil && b.closed.CompareAndSwap(false, true) {
		close(*(*chan struct{})(unsafe.Pointer(&p)))
	}
}
