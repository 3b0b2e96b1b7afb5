package hop

import (
	"reflect"
	"runtime"
	"testing"
	"unsafe"
	"weak"
)

func TestItemSaysWhatItIs(t *testing.T) {
	ran := 0
	one, many := byte(1), [40]int{39: 1}
	for name, f := range map[string]func(){
		"without captures":  countRun,
		"of a byte":         func() { ran += int(one) },
		"of much":           func() { ran += many[39] },
		"a method's":        (&runCount{&ran}).add,
		"made by reflect":   reflect.MakeFunc(reflect.TypeFor[func()](), func([]reflect.Value) []reflect.Value { ran++; return nil }).Interface().(func()),
		"at an odd address": atOdd(countRun),
	} {
		runsOfCount = 0
		ran = 0
		it := posted(f)
		if it.none() || it.asCall() != nil || it.asCoro() != nil {
			t.Errorf("the item of a function %s is none, or of another kind: %d", name, it.kind())
		}
		it.do(new(fiber))
		if ran+runsOfCount != 1 {
			t.Errorf("the function %s ran %d times", name, ran+runsOfCount)
		}
	}
	if it := (item{}); !it.none() || it.asCall() != nil || it.asCoro() != nil {
		t.Error("no item is an item")
	}
	for _, c := range []*Call{
		&new(Pending[struct{}]).c, &new(Pending[byte]).c, &new(Pending[[100]int]).c,
	} {
		if it := c.item(); it.none() || it.kind() != itemCall || it.asCall() != c || it.asCoro() != nil {
			t.Errorf("the item of a call is %v of kind %d", it, it.kind())
		}
	}
	co := new(coro)
	if it := co.item(); it.none() || it.kind() != itemCoro || it.asCoro() != co || it.asCall() != nil {
		t.Errorf("the item of a task is %v of kind %d", it, it.kind())
	}
	d := dueHeld{new(Call)}
	if it := boxedDeed(d); it.none() || it.kind() != itemDeed || it.deed() != deed(d) {
		t.Errorf("the item of a deed is %v of kind %d", it, it.kind())
	}
}

var runsOfCount int

func countRun() { runsOfCount++ }

type runCount struct{ n *int }

func (c *runCount) add() { *c.n++ }

// atOdd returns f, which closes over nothing, with its code's address where no compiler that is known puts one.
func atOdd(f func()) func() {
	code := **(**[unsafe.Sizeof(uintptr(0))]byte)(unsafe.Pointer(&f))
	room := new([2 * len(code)]byte)
	copy(room[1:], code[:])
	p := unsafe.Pointer(&room[1])
	return *(*func())(unsafe.Pointer(&p))
}

// TestItemKeepsAlive: nothing but its item knows what was sent, and the collector does not take it.
func TestItemKeepsAlive(t *testing.T) {
	type big struct{ a [64]byte }
	b := &big{}
	held := weak.Make(b)
	p := new(Pending[int])
	call := weak.Make(p)
	d := &boxed{dueHeld{&p.c}}
	due := weak.Make(d)
	items := []item{
		posted(func(b *big) func() { return func() { b.a[0]++ } }(b)),
		p.c.item(),
		{unsafe.Add(unsafe.Pointer(d), itemDeed)},
	}
	b, p, d = nil, nil, nil
	for range 3 {
		runtime.GC()
	}
	if held.Value() == nil || call.Value() == nil || due.Value() == nil {
		t.Errorf("the collector took what an item stands for: function %v, call %v, deed %v", held.Value() == nil, call.Value() == nil, due.Value() == nil)
	}
	items[0].do(new(fiber))
	if got := held.Value().a[0]; got != 1 {
		t.Errorf("the function has run %d times", got)
	}
	runtime.KeepAlive(items)
	items = nil
	for range 3 {
		runtime.GC()
	}
	if held.Value() != nil || call.Value() != nil || due.Value() != nil {
		t.Error("what no item stands for any more is kept")
	}
}
