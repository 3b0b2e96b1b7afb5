package hop

// A waitList is a circular list of waits through its last.
type waitList struct{ last *wait }

func (l *waitList) empty() bool { return l.last == nil }

func (l *waitList) add(w *wait) {
	if l.last == nil {
		w.prev, w.next = w, w
	} else {
		w.prev, w.next = l.last, l.last.next
		w.prev.next, w.next.prev = w, w
	}
	l.last = w
	w.listed = true
}

// remove takes w out if it is in.
func (l *waitList) remove(w *wait) bool {
	if !w.listed {
		return false
	}
	w.listed = false
	if w.next == w {
		l.last = nil
	} else {
		w.prev.next, w.next.prev = w.next, w.prev
		if l.last == w {
			l.last = w.prev
		}
	}
	w.prev, w.next = nil, nil
	return true
}

// first takes out the wait that is longest in.
func (l *waitList) first() *wait {
	if l.last == nil {
		return nil
	}
	w := l.last.next
	l.remove(w)
	return w
}

func (l *waitList) wakeAll() {
	for w := l.first(); w != nil; w = l.first() {
		w.wake()
	}
}
