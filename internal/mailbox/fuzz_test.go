package mailbox_test

import (
	"slices"
	"testing"

	"github.com/gohop/hop/internal/mailbox"
)

// FuzzBox runs a Box beside a model of it: a slice, of which the first n are the receiver's batch, read of which have been read.
//
// Each byte is an operation: the lower three bits say which, the others how often or of which level.
func FuzzBox(f *testing.F) {
	f.Add([]byte{0, 0, 3, 2, 2, 2, 4})
	f.Add([]byte{0xf8, 0xf8, 0xf8, 3, 0xfa, 0xf8, 3, 0xfa, 6, 7})
	f.Add(slices.Concat(slices.Repeat([]byte{0xf8}, 8), []byte{3, 0xfa, 0xf8, 3, 0xfa, 6, 7})) // more than a batch
	f.Add([]byte{0x10, 0x0d, 0x10, 0x00, 4, 5, 0x06, 0x00, 0x10})
	f.Add([]byte{0, 5 | 4<<3, 3, 5 | 4<<3, 0, 7, 5 | 4<<3, 2, 7})
	f.Add([]byte{4, 0, 3, 3, 0})
	f.Add([]byte{0x80, 3, 0x80, 0xff})
	f.Add(slices.Repeat([]byte{0xf8, 0x1a, 3, 0x7a, 4}, 60))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 2000 {
			return
		}
		var box mailbox.Box[int]
		var model []int // what was accepted and is not known to have been received
		var level mailbox.Level
		sent, batch, read := 0, 0, 0
		asleep, came := false, false
		next := func() {
			v, ok := box.Next()
			if want := read < batch; ok != want || ok && v != model[read] {
				t.Fatalf("Next gave %d, %v; read %d of a batch of %d, queue %v", v, ok, read, batch, model)
			}
			if ok {
				read++
			}
		}
		refill := func() bool { // the model of taking the next batch
			model = model[batch:]
			batch, read = min(len(model), mailbox.Batch), 0
			return batch > 0
		}
		for _, op := range ops {
			n := int(op >> 3)
			switch op & 7 {
			case 0: // push, of a level from 0 to 3, several
				l := mailbox.Level(n & 3)
				for range 1 + n>>2*n {
					sent++
					ok, wake := box.Push(sent, l)
					if want := l >= level; ok != want || wake != (want && asleep) {
						t.Fatalf("Push of level %d in a box of level %d, asleep %v: %v, %v", l, level, asleep, ok, wake)
					}
					if ok {
						asleep, came = false, true
						model = append(model, sent)
					}
				}
			case 1, 2:
				for range 1 + n {
					next()
				}
			case 3:
				for read < batch {
					next()
				}
				got := box.Refill()
				if want := refill(); got != want {
					t.Fatalf("Refill: %v, want %v", got, want)
				}
				if !got {
					came = false
				}
			case 4:
				for read < batch {
					next()
				}
				got := box.Sleep()
				if want := !refill(); got != want {
					t.Fatalf("Sleep: %v, want %v", got, want)
				}
				if got {
					asleep, came = true, false
				}
			case 5:
				if n&4 != 0 {
					want := len(model) == batch
					if box.Quiet() != want {
						t.Fatalf("Quiet: %v; a batch of %d of %d messages", !want, batch, len(model))
					}
					came = came && !want
				}
				box.Raise(mailbox.Level(n & 3))
				level = max(level, mailbox.Level(n&3))
			case 6:
				for read < batch {
					next()
				}
				got := box.Seal(mailbox.Level(n & 3))
				if want := !refill(); got != want {
					t.Fatalf("Seal: %v, want %v", got, want)
				}
				if got {
					level = max(level, mailbox.Level(n&3))
				}
			case 7:
				var all []int
				box.Each(func(v int) bool { all = append(all, v); return len(all) <= n })
				if want := model[:min(len(model), n+1)]; !slices.Equal(all, want) {
					t.Fatalf("Each showed %v, want %v", all, want)
				}
				var unread []int
				box.Unread(func(v int) { unread = append(unread, v) })
				if !slices.Equal(unread, model[read:]) {
					t.Fatalf("Unread showed %v, want %v", unread, model[read:])
				}
			}
			if box.Level() != level {
				t.Fatalf("level %d, want %d", box.Level(), level)
			}
			if box.Came() != came {
				t.Fatalf("Came: %v, want %v", box.Came(), came)
			}
		}
		for read < batch || func() bool { got := box.Refill(); return refill() || got }() {
			next()
		}
		if len(model) != 0 {
			t.Fatalf("%d messages were lost", len(model))
		}
	})
}

// A mortal is a message that may die while it waits.
type mortal struct {
	n    int
	dead bool
}

func mortals() *mailbox.Box[*mortal] {
	return &mailbox.Box[*mortal]{Dead: func(m *mortal) bool { return m.dead }}
}

// mostMortals is the longest that a ring may have got in this process: one that a box has left is another's.
var mostMortals = 16

// FuzzBoxWithTheDead runs a Box, whose messages die, beside a model of it: what was sent and is neither read nor left out. Of what the box gives, all
// that it has left out must have been dead; and however many die, there are no more in it than four times what was needed.
//
// Each byte is an operation: the lower three bits say which, the others how often.
func FuzzBoxWithTheDead(f *testing.F) {
	f.Add([]byte{0xf8, 0xf9, 0xf8, 0xf9, 0xf8, 0xf9, 3, 0xfa, 6})
	f.Add([]byte{0xf8, 3, 0x1a, 0xf8, 0x09, 0xf8, 0x11, 0xf8, 0xfa, 6, 3, 0xfa})
	f.Add([]byte{0xf8, 0x19, 5, 6, 3, 0xf8, 0x11, 5, 6, 0xfa, 7})
	f.Add(slices.Repeat([]byte{0xf8, 0x11, 0x0a, 3, 6}, 60))
	f.Add(slices.Repeat([]byte{0xf8, 0xf8, 0x09, 0x3a, 4, 6}, 60))
	f.Add(slices.Repeat([]byte{0xf8, 0x09}, 300))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 2000 {
			return
		}
		box := mortals()
		var model []*mortal // the first batch of them are the receiver's, read of which it has read
		sent, batch, read := 0, 0, 0
		inside := func() (all []*mortal) {
			box.Each(func(m *mortal) bool { all = append(all, m); return true })
			return all
		}
		// leftOut takes from the model what the box has left out.
		leftOut := func() {
			all := inside()
			kept := make([]*mortal, 0, len(model))
			for i, m := range model {
				switch {
				case len(kept) < len(all) && all[len(kept)] == m:
					kept = append(kept, m)
				case !m.dead || i < batch:
					t.Fatalf("message %d was lost, dead %v, %d of a batch of %d", m.n, m.dead, i, batch)
				}
			}
			if len(kept) != len(all) {
				t.Fatalf("the box shows %d messages, of which %d are in order among those sent", len(all), len(kept))
			}
			model = kept
		}
		next := func() {
			m, ok := box.Next()
			if want := read < batch; ok != want || ok && m != model[read] {
				t.Fatalf("Next gave %v, %v; read %d of a batch of %d", m, ok, read, batch)
			}
			if ok {
				read++
			}
		}
		refill := func(take func() bool) {
			for read < batch {
				next()
			}
			leftOut()
			model = model[batch:]
			batch, read = min(len(model), mailbox.Batch), 0
			if got := take(); got != (batch > 0) {
				t.Fatalf("took a batch: %v; there are %d messages", got, len(model))
			}
		}
		for _, op := range ops {
			n := int(op >> 3)
			switch op & 7 {
			case 0:
				for range 1 + n {
					m := &mortal{n: sent}
					sent++
					box.Push(m, 0)
					model = append(model, m)
					needed := batch
					for _, m := range model[batch:] {
						if !m.dead {
							needed++
						}
					}
					mostMortals = max(mostMortals, 4*needed)
					if n := len(inside()); n > mostMortals {
						t.Fatalf("%d messages are in a box that needed room for %d at most", n, mostMortals/4)
					}
				}
			case 1: // each so many die
				for i := read; i < len(model); i += 1 + n/2 {
					model[i].dead = true
				}
			case 2:
				for range 1 + n {
					next()
				}
			case 3:
				refill(box.Refill)
			case 4:
				refill(func() bool { return !box.Sleep() })
			case 5:
				box.Sweep()
				leftOut()
				if slices.ContainsFunc(model[batch:], func(m *mortal) bool { return m.dead }) {
					t.Fatal("Sweep has kept one that is dead")
				}
			case 6:
				leftOut()
			case 7:
				leftOut()
				var unread []*mortal
				box.Unread(func(m *mortal) { unread = append(unread, m) })
				if !slices.Equal(unread, model[read:]) {
					t.Fatalf("Unread showed %d messages, want %d", len(unread), len(model)-read)
				}
			}
		}
		for len(model) > 0 {
			refill(box.Refill)
		}
	})
}
