package hop_test

// S26: loops of loops. Children belong to their parent, are found by name, and are gone before it.

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// childOf is parent.Child, for a child that has to be there.
func childOf(t testing.TB, parent *hop.Loop, name string, o *hop.LoopOptions) (l *hop.Loop) {
	t.Helper()
	within(t, patience, "Child", func() {
		var err error
		if l, err = parent.Child(name, o); err != nil {
			t.Fatalf("Child(%q): %v", name, err)
		}
	})
	return l
}

func TestS26_AChildIsFoundByItsName(t *testing.T) {
	parent := newLoop(t, nil)
	a := childOf(t, parent, "a", nil)
	b := childOf(t, parent, "b", &hop.LoopOptions{QueueLimit: 5})
	if childOf(t, parent, "a", nil) != a || childOf(t, parent, "b", &hop.LoopOptions{QueueLimit: 5}) != b || a == b {
		t.Error("the same name is not the same child")
	}
	if childOf(t, parent, "b", nil) != b {
		t.Error("asking without options does not find the child")
	}
	if a.Name() != "a" || a.Parent() != parent || parent.Parent() != nil {
		t.Errorf("Name %q, Parent %v", a.Name(), a.Parent())
	}
	if got := parent.Children(); len(got) != 2 || !slices.Contains(got, a) || !slices.Contains(got, b) {
		t.Errorf("Children %v, want a and b", got)
	}
	grandchild := childOf(t, a, "a", nil)
	if grandchild == a || grandchild.Parent() != a || len(parent.Children()) != 2 {
		t.Error("a grandchild is not its parent's alone")
	}
	if v := must(t, hop.Go(bg, a, func(context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), nil })); v != a {
		t.Error("a call on the child runs elsewhere")
	}
}

func TestS26_ContradictingOptionsAreAMismatch(t *testing.T) {
	parent := newLoop(t, nil)
	l := childOf(t, parent, "a", &hop.LoopOptions{QueueLimit: 5})
	for name, o := range map[string]*hop.LoopOptions{
		"QueueLimit": {QueueLimit: 6},
		"Manual":     {QueueLimit: 5, Manual: true},
		"Thread":     {QueueLimit: 5, Thread: true},
		"Host":       {QueueLimit: 5, Host: parent},
		"Protected":  {QueueLimit: 5, Protected: true},
	} {
		if _, err := parent.Child("a", o); !errors.Is(err, hop.ErrMismatch) {
			t.Errorf("%s: %v, want ErrMismatch", name, err)
		}
	}
	must(t, hop.Go(bg, l, value(1))) // and the child lives on
}

func TestS26_ManyAskForOneChild(t *testing.T) {
	parent := newLoop(t, nil)
	for round := range 50 {
		name := string(rune('a' + round%26))
		var got [10]*hop.Loop
		var asking sync.WaitGroup
		for i := range got {
			asking.Go(func() {
				l, err := parent.Child(name, nil)
				if err != nil {
					t.Error(err)
				}
				got[i] = l
			})
		}
		within(t, patience, "Child", asking.Wait)
		for _, l := range got {
			if l != got[0] {
				t.Fatal("two children of one name")
			}
		}
	}
}

func TestS26_AParentStopsAfterItsChildren(t *testing.T) {
	for _, how := range []string{"Shutdown", "Close"} {
		t.Run(how, func(t *testing.T) {
			noLeak(t)
			parent := newLoop(t, &hop.LoopOptions{Name: "parent"})
			child := childOf(t, parent, "child", nil)
			grandchild := childOf(t, child, "grandchild", nil)
			var order []string
			for _, l := range []*hop.Loop{parent, child, grandchild} {
				l.OnShutdown(func(context.Context) error {
					if l == parent && (!isDone(child.Stopped()) || !isDone(grandchild.Stopped())) {
						t.Error("the parent's OnShutdown function runs before its children have stopped")
					}
					order = append(order, l.Name()) // one after the other: each stops after its children
					return nil
				})
			}
			pr := hop.NewPromise[int](bg)
			p := hop.Go(bg, grandchild, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
			untilWaiting(t, p.Call())
			stopped := make(chan error, 1)
			go func() {
				if how == "Close" {
					stopped <- parent.Close()
				} else {
					stopped <- parent.Shutdown(bg)
				}
			}()
			if how == "Shutdown" {
				eventually(t, "the parent takes no more", func() bool { return errors.Is(parent.Post(func() {}), hop.ErrStopped) })
				eventually(t, "the grandchild takes no more", func() bool { return errors.Is(grandchild.Post(func() {}), hop.ErrStopped) })
				for _, l := range []*hop.Loop{parent, child, grandchild} {
					if isDone(l.Stopped()) {
						t.Errorf("%s has stopped though a call below it is unfinished", l.Name())
					}
				}
				pr.Resolve(1)
				must(t, p)
			}
			if err := recv(t, how, stopped); err != nil {
				t.Error(err)
			}
			if !slices.Equal(order, []string{"grandchild", "child", "parent"}) {
				t.Errorf("OnShutdown functions ran in the order %v", order)
			}
			if len(parent.Children()) != 0 {
				t.Errorf("a stopped parent has children: %v", parent.Children())
			}
		})
	}
}

func TestS26_AStoppingParentTakesNoNewChildren(t *testing.T) {
	parent := newLoop(t, nil)
	within(t, patience, "Close", func() { parent.Close() })
	if l, err := parent.Child("late", nil); !errors.Is(err, hop.ErrStopped) {
		t.Errorf("Child of a stopped loop: %v, %v, want ErrStopped", l, err)
	}
}

func TestS26_AStoppedChildIsReplaced(t *testing.T) {
	parent := newLoop(t, nil)
	a := childOf(t, parent, "a", nil)
	within(t, patience, "Close", func() { a.Close() })
	if len(parent.Children()) != 0 {
		t.Errorf("Children %v, want none", parent.Children())
	}
	b := childOf(t, parent, "a", &hop.LoopOptions{QueueLimit: 3}) // and nothing of the dead one contradicts
	if a == b {
		t.Error("a stopped child is returned")
	}
	must(t, hop.Go(bg, b, value(1)))
	must(t, hop.Go(bg, parent, value(1)))
}

func TestS26_AParentsTaskMayCloseAChildThatNeedsTheParent(t *testing.T) {
	// The parent's task waits for the child's end without blocking the parent, which the child's tasks call meanwhile.
	parent := newLoop(t, nil)
	child := childOf(t, parent, "child", nil)
	var ev hop.Event
	p := hop.Go(bg, child, func(ctx context.Context) (int, error) {
		ev.Wait(ctx)
		return hop.Do(ctx, parent, value(4))
	})
	untilWaiting(t, p.Call())
	q := hop.Go(bg, parent, func(ctx context.Context) (int, error) {
		parent.Post(func() { ev.Set() })
		return 1, child.Shutdown(ctx)
	})
	must(t, q)
	if v := must(t, p); v != 4 {
		t.Errorf("the child's call: %d, want 4", v)
	}
	if !isDone(child.Stopped()) {
		t.Error("the child has not stopped")
	}
	must(t, hop.Go(bg, parent, value(1)))
}

func TestS26_ClosingTheParentFromAChildsTask(t *testing.T) {
	for name, stop := range map[string]func(l *hop.Loop) error{
		"Close":    (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			parent := newLoop(t, nil)
			child := childOf(t, childOf(t, parent, "child", nil), "grandchild", nil)
			got := make(chan error, 1)
			hop.Go(bg, child, func(context.Context) (int, error) {
				got <- stop(parent)
				return 0, nil
			})
			wantIs(t, recv(t, name, got), hop.ErrDeadlock)
			recv(t, "the child's end", child.Stopped())
			recv(t, "the parent's end", parent.Stopped())
		})
	}
}

func TestS26_ChildrenOfEveryKind(t *testing.T) {
	noLeak(t)
	parent := newLoop(t, nil)
	kinds := map[string]*hop.LoopOptions{
		"plain":     nil,
		"guest":     {Host: parent},
		"manual":    {Manual: true},
		"protected": {Protected: true},
	}
	if !wasm {
		kinds["thread"] = &hop.LoopOptions{Thread: true}
	}
	ran := make(chan struct{})
	var children []*hop.Loop
	for name, o := range kinds {
		l := childOf(t, parent, name, o)
		children = append(children, l)
		if name == "manual" {
			go func() {
				defer close(ran)
				l.Run(bg)
			}()
		}
		must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) }))
		hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
	}
	within(t, patience, "Close of the parent", func() {
		if err := parent.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range children {
		if !isDone(l.Stopped()) {
			t.Errorf("%s has not stopped", l.Name())
		}
	}
	recv(t, "Run of the manual child", ran)
}

func TestS26_ChildrenDoNotOutliveAParentThatStopsWhileTheyAreMade(t *testing.T) {
	noLeak(t)
	rounds := 200
	if wasm {
		rounds = 20
	}
	for range rounds {
		parent := hop.NewLoop(nil)
		var makers sync.WaitGroup
		var mu sync.Mutex
		var made []*hop.Loop
		for i := range 4 {
			makers.Go(func() {
				for j := range 5 {
					l, err := parent.Child(string(rune('a'+i*5+j)), nil)
					if err != nil {
						if !errors.Is(err, hop.ErrStopped) {
							t.Error(err)
						}
						return
					}
					mu.Lock()
					made = append(made, l)
					mu.Unlock()
				}
			})
		}
		within(t, patience, "Close and the makers", func() {
			parent.Close()
			makers.Wait()
		})
		for _, l := range made {
			if !isDone(l.Stopped()) {
				t.Fatalf("child %s lives on after its parent", l.Name())
			}
		}
	}
}

func TestS26_AChildWhoseHostsPostBlocksKeepsNoOtherChild(t *testing.T) {
	host := newStruckHost(t)
	parent := newLoop(t, nil)
	g := newGate(t)
	in, entered := started()
	host.begin(t, func(post func() error) error {
		entered()
		g.pass()
		return post()
	})
	made := inBackground(func() { childOf(t, parent, "guest", &hop.LoopOptions{Host: host}) })
	recv(t, "Post", in)
	other := childOf(t, parent, "other", nil)
	must(t, hop.Go(bg, other, value(1)))
	guest := childOf(t, parent, "guest", nil)
	g.open()
	recv(t, "the guest", made)
	must(t, hop.Go(bg, guest, value(1)))
}
