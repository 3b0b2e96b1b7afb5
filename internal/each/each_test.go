package each_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/gohop/hop/internal/each"
)

func TestEachIsCalledWhateverTheOthersDo(t *testing.T) {
	for name, deed := range map[string]func(){
		"nothing": func() {},
		"panic":   func() { panic("mine") },
		"goexit":  runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			var seen []int
			panicked := any(nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { panicked = recover() }()
				each.Do([]int{1, 2, 3, 4}, func(i int) {
					seen = append(seen, i)
					if i == 2 || i == 4 {
						deed()
					}
				})
			}()
			<-done
			if !slices.Equal(seen, []int{1, 2, 3, 4}) {
				t.Errorf("called for %v", seen)
			}
			if (panicked != nil) != (name == "panic") {
				t.Errorf("panicked with %v", panicked)
			}
		})
	}
}
