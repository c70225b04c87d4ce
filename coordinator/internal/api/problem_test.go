package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestEveryCodeHasAMeaning reads the constants from the code, so that none is
// forgotten.
func TestEveryCodeHasAMeaning(t *testing.T) {
	seen := make(map[string]bool)
	for _, file := range []string{"codes.go", "../registry/problem.go"} {
		for name, code := range codeConstants(t, file) {
			m, ok := meanings[code]
			if !ok || m.status < 400 || !strings.HasSuffix(m.text, ".") {
				t.Errorf("%s (%s) means %+v", name, code, m)
			}
			if seen[code] {
				t.Errorf("the code %s has two names", code)
			}
			seen[code] = true
			if p := newProblem(code, "d"); p.Status != m.status || p.Title == "" {
				t.Errorf("%s: %+v", code, p)
			}
		}
	}
	for code := range meanings {
		if !seen[code] {
			t.Errorf("the code %s is no constant", code)
		}
	}
}

// codeConstants returns the constants of a file whose names begin with code.
func codeConstants(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "code") {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			found[spec.Names[0].Name], err = strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("%s has no codes", file)
	}
	return found
}
