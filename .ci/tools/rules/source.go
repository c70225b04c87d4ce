package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of source code, in lines.
const (
	maxFile     = 500
	maxFunction = 80
)

// call is a call that has a better way.
type call struct {
	name   string // package.function or variable.method
	tests  bool   // in tests too
	main   bool   // in package main too
	better string
}

var calls = []call{
	{"time.Sleep", true, true, "wait for the thing itself, with a deadline"},
	{"os.Exit", false, false, "return an error"},
	{"log.Fatal", true, true, "return an error"},
	{"log.Fatalf", true, true, "return an error"},
	{"log.Panic", true, true, "return an error"},
	{"t.Skip", true, true, "a test that needs something gets it, or has a build tag"},
	{"t.Skipf", true, true, "a test that needs something gets it, or has a build tag"},
	{"t.SkipNow", true, true, "a test that needs something gets it, or has a build tag"},
}

// checkSource reads a package's files and applies the rules about source code.
func checkSource(p pkg) ([]string, error) {
	var findings []string
	if p.Doc == "" && len(p.GoFiles) > 0 {
		findings = append(findings, fmt.Sprintf("%s: package %s has no documentation", p.Dir, p.ImportPath))
	}
	tests := append(p.TestGoFiles, p.XTestGoFiles...)
	for i, name := range append(p.GoFiles, tests...) {
		found, err := checkFile(filepath.Join(p.Dir, name), p.Name, i >= len(p.GoFiles))
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func checkFile(file, packageName string, test bool) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(tree) {
		return nil, nil
	}
	c := checker{fset: fset, file: shorten(file), main: packageName == "main", test: test, virtual: virtualTime(tree)}
	if lines := bytes.Count(data, []byte("\n")); lines > maxFile {
		c.add(tree, "the file has %d lines: at most %d", lines, maxFile)
	}
	ast.Inspect(tree, c.visit)
	return c.findings, nil
}

// shorten returns a path relative to the working folder, when it is below it.
func shorten(file string) string {
	dir, err := os.Getwd()
	if err != nil {
		return file
	}
	return strings.TrimPrefix(file, dir+"/")
}

// virtualTime says whether a file's tests run under testing/synctest.
func virtualTime(tree *ast.File) bool {
	for _, i := range tree.Imports {
		if i.Path.Value == `"testing/synctest"` {
			return true
		}
	}
	return false
}

type checker struct {
	fset       *token.FileSet
	file       string
	main, test bool
	virtual    bool
	findings   []string
}

func (c *checker) add(at ast.Node, format string, args ...any) {
	line := c.fset.Position(at.Pos()).Line
	c.findings = append(c.findings, fmt.Sprintf("%s:%d: %s", c.file, line, fmt.Sprintf(format, args...)))
}

func (c *checker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		lines := c.fset.Position(n.End()).Line - c.fset.Position(n.Pos()).Line + 1
		if lines > maxFunction {
			c.add(n, "function %s has %d lines: at most %d", n.Name.Name, lines, maxFunction)
		}
	case *ast.CallExpr:
		c.visitCall(n)
	}
	return true
}

func (c *checker) visitCall(n *ast.CallExpr) {
	selector, ok := n.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	receiver, ok := selector.X.(*ast.Ident)
	if !ok {
		return
	}
	name := receiver.Name + "." + selector.Sel.Name
	for _, rule := range calls {
		if rule.name != name || c.test && !rule.tests || c.main && !rule.main {
			continue
		}
		if c.test && c.virtual && name == "time.Sleep" {
			continue // it lets virtual time pass, and waits for nothing
		}
		c.add(n, "%s: %s", name, rule.better)
	}
}
