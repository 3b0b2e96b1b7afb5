package upstream_test

// docs/coming-from.md names tests. Here is what keeps it true; reliability_test.go is for the other page that does.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const comingFrom = "../docs/coming-from.md"

// ours is a name in backquotes that could be a test's.
var ours = regexp.MustCompile("`((?:Test|Example|Benchmark|Fuzz)[A-Z]?[A-Za-z0-9]*(?:_[A-Za-z0-9_]+)?)`")

// page returns the text of a page and the tests that it names.
func page(t *testing.T, path string) (text string, named map[string]bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	named = make(map[string]bool)
	for _, m := range ours.FindAllStringSubmatch(string(b), -1) {
		named[m[1]] = true
	}
	return string(b), named
}

// tests returns the names of the tests of the whole repository, with the files of each: packages may use one name.
func tests(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				found[fn.Name.Name] = append(found[fn.Name.Name], path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDocs_EachNamedTestExists(t *testing.T) {
	have := tests(t)
	for _, path := range []string{comingFrom, reliability} {
		_, named := page(t, path)
		if len(named) < 200 || len(have) < len(named) {
			t.Fatalf("%s: %d tests named, %d found: this test is broken", path, len(named), len(have))
		}
		for name := range named {
			if have[name] == nil {
				t.Errorf("%s names %s: there is no such test", path, name)
			}
		}
	}
}

func TestDocs_EachTestHereIsNamed(t *testing.T) {
	_, named := page(t, comingFrom)
	for name, paths := range tests(t) {
		if filepath.Dir(paths[0]) != filepath.Join("..", "upstream") || !strings.HasPrefix(name, "Test") ||
			name == "TestMain" || strings.HasPrefix(name, "TestDocs_") {
			continue
		}
		if !named[name] {
			t.Errorf("%s of %s is not named in %s", name, paths[0], comingFrom)
		}
	}
}

func TestDocs_EachRowHasATest(t *testing.T) {
	text, _ := page(t, comingFrom)
	head := false // of a table whose last column is that of the tests
	for n, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			head = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !head || strings.HasPrefix(line, "|---") {
			head = true
			continue
		}
		if !ours.MatchString(cells[len(cells)-1]) {
			t.Errorf("%s:%d: no test in the last column", comingFrom, n+1)
		}
	}
}

// TestDocs_TheSnippetsAreGo parses each snippet, closing what it leaves open.
func TestDocs_TheSnippetsAreGo(t *testing.T) {
	text, _ := page(t, comingFrom)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("no snippets: this test is broken")
	}
	for _, b := range blocks {
		src := b[1]
		if !strings.HasPrefix(src, "func ") {
			src = "func _() {\n" + src + "}"
		}
		var err error
		for _, end := range []string{"", "}", "})", "})}", "}}", "})}}", "})})}"} {
			if _, err = parser.ParseFile(token.NewFileSet(), "snippet.go", "package p\n"+src+"\n"+end, 0); err == nil {
				break
			}
			if strings.HasPrefix(src, "func _") {
				open := strings.TrimSuffix(src, "}")
				if _, err = parser.ParseFile(token.NewFileSet(), "snippet.go", "package p\n"+open+"\n"+end+"\n}", 0); err == nil {
					break
				}
			}
		}
		if err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
}
