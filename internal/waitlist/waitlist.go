// Package waitlist is the list of those who wait for one thing. It allocates nothing: each brings its place along.
package waitlist

// A Waiter is told, once, that what it waits for has come. Wake may be called under the lock that guards the list, so it never blocks.
type Waiter interface{ Wake() bool }

// An Early one is woken at once also where others in the list are left to later, as a Chain.
type Early interface {
	Waiter
	Early()
}

// A OneOf is told for a goroutine that waits for several things; Several says which wait that is.
type OneOf interface {
	Waiter
	Several() any
}

// A Node is the place of a Waiter in one list at a time. Its zero value is ready.
type Node struct {
	prev, next *Node // nil: it is in no list
	of         Waiter
}

// Listed reports whether the node is in a list.
func (n *Node) Listed() bool { return n.next != nil }

// A List is circular, through its last. Its zero value is empty. Whoever uses it holds the lock that guards it.
type List struct{ last *Node }

// Empty reports whether nobody is in the list.
func (l *List) Empty() bool { return l.last == nil }

// Add puts w last, at n.
func (l *List) Add(n *Node, w Waiter) {
	if l.last == nil {
		n.prev, n.next = n, n
	} else {
		n.prev, n.next = l.last, l.last.next
		n.prev.next, n.next.prev = n, n
	}
	n.of = w
	l.last = n
}

// Remove takes n out of the list; false: it is in none.
func (l *List) Remove(n *Node) bool {
	if !n.Listed() {
		return false
	}
	if n.next == n {
		l.last = nil
	} else {
		n.prev.next, n.next.prev = n.next, n.prev
		if l.last == n {
			l.last = n.prev
		}
	}
	n.prev, n.next = nil, nil
	return true
}

// First takes out who is longest in the list; nil: nobody.
func (l *List) First() Waiter {
	if l.last == nil {
		return nil
	}
	n := l.last.next
	l.Remove(n)
	return n.of
}

// WakeAll takes all out and wakes them, who is longest in first.
func (l *List) WakeAll() {
	for w := l.First(); w != nil; w = l.First() {
		w.Wake()
	}
}

// A Chain is Waiters that are in no list any more, but have not been woken.
type Chain struct{ first, last *Node }

// Empty reports whether nobody is in the chain.
func (c Chain) Empty() bool { return c.first == nil }

// WakeAll wakes all, in their order. No lock is needed.
func (c Chain) WakeAll() {
	for n := c.first; n != nil; {
		next := n.prev // n may be used again once it has been woken
		n.prev = nil
		n.of.Wake()
		n = next
	}
}

// Join puts those of d, who must be in no other chain from then on, after those of c.
func (c *Chain) Join(d Chain) {
	switch {
	case d.Empty():
	case c.Empty():
		*c = d
	default:
		c.last.prev, c.last = d.first, d.last
	}
}

// TakeIf takes out those for whom yes says so.
func (l *List) TakeIf(yes func(Waiter) bool) (c Chain) {
	if l.last == nil {
		return c
	}
	end := &c.first
	for n, last := l.last.next, l.last; ; {
		at, next := n, n.next
		if yes(at.of) {
			l.Remove(at)
			*end, end, c.last = at, &at.prev, at
		}
		if at == last {
			return c
		}
		n = next
	}
}

// All yields all, who is longest in first.
func (l *List) All(yield func(Waiter) bool) {
	if l.last == nil {
		return
	}
	for n := l.last.next; yield(n.of) && n != l.last; {
		n = n.next
	}
}
