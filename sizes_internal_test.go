package hop

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"testing"
	"unsafe"

	"github.com/gohop/hop/internal/spin"
	"github.com/gohop/hop/internal/turn"
)

// TestSizesAreThoseOfTheDocs: the table of how-it-works.md says how large things are.
func TestSizesAreThoseOfTheDocs(t *testing.T) {
	if runtime.GOARCH != "amd64" || turn.Fine || unsafe.Sizeof(spin.Mutex{}) != 4 {
		t.Skip("the table is that of amd64, without what watches the code, which has larger locks")
	}
	text, err := os.ReadFile("docs/how-it-works.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]uintptr{
		"Call": unsafe.Sizeof(Call{}), "Pending[int]": unsafe.Sizeof(Pending[int]{}), "callMore": unsafe.Sizeof(callMore{}),
		"callRare": unsafe.Sizeof(callRare{}), "wait": unsafe.Sizeof(wait{}), "fiber": unsafe.Sizeof(fiber{}), "coro": unsafe.Sizeof(coro{}),
		"hook": unsafe.Sizeof(hook{}), "linkNode": unsafe.Sizeof(linkNode{}),
	} {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(name) + "` \\| (\\d+) \\|").FindSubmatch(text)
		if row == nil {
			t.Errorf("%s is not in the table", name)
		} else if got := string(row[1]); got != fmt.Sprint(size) {
			t.Errorf("%s: %s in the table, it has %d", name, got, size)
		}
	}
}
