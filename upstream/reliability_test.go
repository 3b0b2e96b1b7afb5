package upstream_test

// docs/reliability.md lists what is promised, and for each promise the tests that keep it. Here is what keeps it true.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gohop/hop/internal/bug"
)

const (
	reliability = "../docs/reliability.md"
	promises    = 40
)

var (
	promise = regexp.MustCompile(`(?m)^\*\*S(\d+)\.\*\* `)
	// inFile is a link to a file of tests, or a name that could be a test's.
	inFile = regexp.MustCompile("\\[`([^`]+_test\\.go)`\\]\\(\\.\\./([^)]+)\\)|" + ours.String())
)

// blocks returns the paragraphs of a text; each row of a table is one.
func blocks(text string) (all []string) {
	for _, paragraph := range strings.Split(text, "\n\n") {
		if strings.HasPrefix(paragraph, "|") {
			all = append(all, strings.Split(paragraph, "\n")...)
		} else {
			all = append(all, paragraph)
		}
	}
	return all
}

func TestDocs_EachPromiseHasATest(t *testing.T) {
	text, _ := page(t, reliability)
	var have []string
	for _, b := range blocks(text) {
		m := promise.FindStringSubmatch(b)
		if m == nil {
			continue
		}
		have = append(have, m[1])
		if !ours.MatchString(b) {
			t.Errorf("%s: no test for S%s", reliability, m[1])
		} else if !strings.Contains(b, "TestS"+m[1]+"_") {
			t.Errorf("%s: S%s has no test that is named after it", reliability, m[1])
		}
		if first := inFile.FindStringSubmatch(b); first != nil && first[1] == "" {
			t.Errorf("%s: S%s: the file of %s is not told", reliability, m[1], first[3])
		}
	}
	var want []string
	for n := range promises {
		want = append(want, fmt.Sprint(n+1))
	}
	if !slices.Equal(have, want) {
		t.Errorf("%s has the promises %v, want each of %d once, in order", reliability, have, promises)
	}
}

func TestDocs_EachNamedTestIsInTheFileBeforeIt(t *testing.T) {
	text, _ := page(t, reliability)
	have, checked := tests(t), 0
	for _, b := range blocks(text) {
		file := ""
		for _, m := range inFile.FindAllStringSubmatch(b, -1) {
			switch {
			case m[1] != m[2]:
				if m[3] == "" {
					t.Errorf("%s: the link %s leads to %s", reliability, m[1], m[2])
				}
			case m[1] != "":
				file = m[1]
			}
			if m[3] == "" || file == "" {
				continue
			}
			checked++
			if !slices.Contains(have[m[3]], filepath.Join("..", filepath.FromSlash(file))) {
				t.Errorf("%s: %s is not in %s", reliability, m[3], file)
			}
		}
	}
	if checked < 200 {
		t.Fatalf("%d tests looked up: this test is broken", checked)
	}
}

// planted returns the functions of the packages in which bugs are planted, by the names of the bugs. Those of another package than the root have its name
// before theirs.
func planted(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for dir, prefix := range map[string]string{"..": "", "../internal/mailbox": "mailbox."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				name := prefix + fn.Name.Name
				if fn.Recv != nil && prefix == "" {
					name = receiver(fn.Recv.List[0].Type) + "." + name
				}
				bugs := make(map[string]bool)
				ast.Inspect(fn, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						if p, ok := s.X.(*ast.Ident); ok && p.Name == "bug" {
							bugs[s.Sel.Name] = true
						}
					}
					return true
				})
				for b := range bugs {
					found[b] = append(found[b], name)
				}
			}
		}
	}
	return found
}

// Each planted bug is in the functions that internal/bug names, in no other, and its row of the table names these too.
func TestDocs_EachPlantedBugIsWhereItSays(t *testing.T) {
	text, _ := page(t, reliability)
	have := planted(t)
	for _, m := range bug.All {
		want := strings.Split(m.Where, ", ")
		slices.Sort(want)
		slices.Sort(have[m.Name])
		if !slices.Equal(have[m.Name], want) {
			t.Errorf("%s is planted in %v, internal/bug says in %v", m.Name, have[m.Name], want)
		}
		delete(have, m.Name)
		if row := fmt.Sprintf("| %s | `%s` | ", m.What, m.Where); strings.Count(text, row) != 1 {
			t.Errorf("%s: no row begins with %s", reliability, row)
		}
	}
	if len(have) > 0 {
		t.Errorf("internal/bug does not list %v", slices.Sorted(maps.Keys(have)))
	}
}
