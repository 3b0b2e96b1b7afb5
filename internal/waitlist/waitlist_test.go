package waitlist_test

import (
	"slices"
	"testing"

	"github.com/gohop/hop/internal/waitlist"
)

// who notes its name when it is woken.
type who struct {
	waitlist.Node
	name  int
	woken *[]int
}

func (w *who) Wake() bool {
	*w.woken = append(*w.woken, w.name)
	return true
}

// FuzzList compares a list with a slice.
func FuzzList(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0x10, 0x20, 3, 0x11, 0x30})
	f.Add([]byte{0, 0x10, 0, 0x20, 0, 1, 0x11, 0x10})
	f.Add([]byte{0, 1, 2, 3, 0x41, 0x40, 0, 2, 0x40, 1, 0x41, 4, 0x30})
	f.Fuzz(func(t *testing.T, deeds []byte) {
		var l waitlist.List
		var woken, want, model []int
		all := make([]who, 16)
		for i := range all {
			all[i].name, all[i].woken = i, &woken
		}
		for _, deed := range deeds {
			w := &all[deed&0xf]
			at := slices.Index(model, w.name)
			if w.Listed() != (at >= 0) {
				t.Fatalf("%d is listed: %v, want %v", w.name, w.Listed(), at >= 0)
			}
			switch deed >> 4 {
			case 0:
				if at < 0 {
					l.Add(&w.Node, w)
					model = append(model, w.name)
				}
			case 1:
				if removed := l.Remove(&w.Node); removed != (at >= 0) {
					t.Fatalf("Remove(%d) is %v, want %v", w.name, removed, at >= 0)
				}
				if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
			case 2:
				first := l.First()
				if (first == nil) != (len(model) == 0) {
					t.Fatalf("First is %v of %v", first, model)
				}
				if first != nil {
					if got := first.(*who).name; got != model[0] {
						t.Fatalf("First is %d of %v", got, model)
					}
					model = model[1:]
				}
			case 3:
				l.WakeAll()
				want = append(want, model...)
				model = nil
			case 4: // those with a name of the same kind, even or odd
				chain := l.TakeIf(func(o waitlist.Waiter) bool { return o.(*who).name&1 == w.name&1 })
				rest := slices.DeleteFunc(slices.Clone(model), func(name int) bool { return name&1 == w.name&1 })
				if chain.Empty() != (len(rest) == len(model)) {
					t.Fatalf("of %v nobody is taken: %v", model, chain.Empty())
				}
				for _, name := range model {
					if name&1 == w.name&1 {
						want = append(want, name)
						if all[name].Listed() || l.Remove(&all[name].Node) {
							t.Fatalf("%d was taken and is in the list", name)
						}
					}
				}
				chain.WakeAll()
				model = rest
			default:
				most := int(deed >> 5) // the loop may be left early
				var seen []int
				for w := range l.All {
					if seen = append(seen, w.(*who).name); len(seen) == most {
						break
					}
				}
				if n := min(most, len(model)); !slices.Equal(seen, model[:n]) {
					t.Fatalf("All yields %v of %v", seen, model)
				}
			}
			if l.Empty() != (len(model) == 0) || !slices.Equal(woken, want) {
				t.Fatalf("Empty is %v, woken are %v; want %v and %v", l.Empty(), woken, model, want)
			}
		}
	})
}
