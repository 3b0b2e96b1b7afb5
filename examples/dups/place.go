package main

import (
	"sync"
)

// place keeps the figures of one place where calls run, for the last lines of the report. Whoever sends a call there says
// sent, and the call says started as the first thing it does. Both are safe for concurrent use.
type place struct {
	name string // what happens there: draw, index, disk
	kind string // what it is: a loop, a pool

	mu      sync.Mutex
	calls   int // that have started
	waiting int // sent, but not started; calls that were cancelled before they started stay in it
	longest int // most that have waited at once
	threads map[uint64]bool
}

func newPlace(name, kind string) *place {
	return &place{name: name, kind: kind, threads: make(map[uint64]bool)}
}

func (p *place) sent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	p.longest = max(p.longest, p.waiting)
}

func (p *place) started() {
	thread := threadID()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.waiting--
	if thread != 0 {
		p.threads[thread] = true
	}
}
