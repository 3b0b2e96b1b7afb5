package hop

import (
	"cmp"
	"maps"
	"slices"
)

// Child returns the living child of that name, or makes one with o. It stops before its parent does. The error is
// ErrMismatch if the child was made with other options (nil asks for none), ErrStopped if the loop stops.
// It follows async-kernel's Caller.get.
func (l *Loop) Child(name string, o *LoopOptions) (*Loop, error) {
	l.check()
	if name == "" {
		misuse("Child: empty name")
	}
	var want LoopOptions
	if o != nil {
		want = *o
	}
	if want.Name != "" && want.Name != name {
		return nil, refuse(ErrMismatch, "child %q of %v: its options have another name, %q", name, l, want.Name)
	}
	want.Name = name
	c, isNew, err := l.findOrMake(want, o == nil)
	if isNew {
		c.firstTick() // without the lock
	}
	return c, err
}

// findOrMake is Child, but for the first tick of a guest; anyOptions: with whatever options it was made.
func (l *Loop) findOrMake(want LoopOptions, anyOptions bool) (c *Loop, isNew bool, err error) {
	l.childMu.Lock()
	defer l.childMu.Unlock()
	if c := l.child(want.Name); c != nil {
		if c.stopping() {
			return nil, false, refuse(ErrStopped, "child %q of %v stops: wait for its Stopped, then ask again", want.Name, l)
		}
		if !anyOptions && !sameOptions(c.o, want) {
			return nil, false, refuse(ErrMismatch, "child %q of %v exists and was made with other options", want.Name, l)
		}
		return c, false, nil
	}
	if l.stopping() {
		return nil, false, refuse(ErrStopped, "%v makes no more children: it %s", l, stopsOrHas(l.ended))
	}
	c = newLoop(&want, l)
	own := c.o.Host == nil && !c.o.Manual // it has a goroutine of its own: that starts when a stop of l will wait for it
	if !own {
		c.startLoop()
	}
	l.mu.Lock()
	late := l.stop != running
	if !late && (own || !c.finished()) {
		l.children = append(l.children, c)
	}
	l.mu.Unlock()
	switch {
	case late && !own:
		c.beginStop(hard)
		if c.o.Manual {
			c.closeUndriven(true)
		}
	case !late && own:
		c.startLoop()
	}
	if late {
		return nil, false, refuse(ErrStopped, "%v makes no more children: it %s", l, stopsOrHas(l.ended))
	}
	return c, true, nil
}

func (l *Loop) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop == finished
}

// child returns the child of that name, nil if there is none.
func (l *Loop) child(name string) *Loop {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.children {
		if c.o.Name == name {
			return c
		}
	}
	return nil
}

func (l *Loop) stopping() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop != running
}

// sameOptions compares what can be compared: functions only by whether there is one.
func sameOptions(a, b LoopOptions) bool {
	return a.Thread == b.Thread && a.Manual == b.Manual && a.Protected == b.Protected &&
		a.QueueLimit == b.QueueLimit && a.StallAfter == b.StallAfter && a.Logger == b.Logger &&
		(a.OnPanic == nil) == (b.OnPanic == nil) && sameHost(a.Host, b.Host)
}

func sameHost(a, b Host) (same bool) {
	defer func() { recover() }() // hosts of a type that cannot be compared are not the same
	return a == b
}

// Children returns the children that have not stopped, oldest first.
func (l *Loop) Children() []*Loop {
	l.check()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.children)
}

// Parent returns the loop that l is a child of, or nil.
func (l *Loop) Parent() *Loop {
	l.check()
	return l.parent
}

func sortedLoops(m map[uint64]*Loop) []*Loop {
	return slices.SortedFunc(maps.Values(m), func(a, b *Loop) int { return cmp.Compare(a.id, b.id) })
}
