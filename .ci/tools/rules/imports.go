package main

import (
	"fmt"
	"slices"
	"strings"
)

// product is the module that the table of areas is about.
const product = "github.com/meshmpc/mpcd"

// all lets an area import every other one.
const all = "*"

// leaks is what the tests of every area may import.
const leaks = "protocol/leaktest"

// area is a folder of the product with everything below it that is no area of
// its own. It may import what it lists; its tests also what they list.
type area struct {
	path    string
	imports []string
	tests   []string
}

// areas is the whole architecture: who knows whom.
var areas = []area{
	{path: "protocol"},
	{path: leaks},
	{path: "protocol/tss", imports: []string{"protocol"}, tests: []string{"protocol/protocoltest"}},
	{path: "protocol/chain", imports: []string{"protocol"}},
	{path: "protocol/protocoltest", imports: []string{"protocol", "protocol/tss"}},
	{path: "p2p", tests: []string{"p2p/p2psim", "p2p/p2ptest", "protocol"}},
	{path: "p2p/p2psim", imports: []string{"p2p"}},
	{path: "p2p/p2ptest", imports: []string{"p2p", "p2p/p2psim"}},
	{path: "keystore"},
	{
		path:    "node",
		imports: []string{"p2p", "protocol", "protocol/tss", "keystore"},
		tests:   []string{"p2p/p2psim", "p2p/p2ptest", "protocol/protocoltest"},
	},
	{
		path:    "coordinator",
		imports: []string{"p2p", "protocol", "keystore", "protocol/chain", "coordinator/rest"},
		tests:   []string{"p2p/p2psim", "p2p/p2ptest", "protocol/protocoltest"},
	},
	{path: "coordinator/rest"},
	{path: "coordinator/client", imports: []string{"coordinator/rest", "protocol", "protocol/chain"}, tests: []string{all}},
	{path: "bootstrap", imports: []string{"p2p"}, tests: []string{"p2p/p2psim", "p2p/p2ptest"}},
	{path: "simnet", imports: []string{all}},
	{path: "cmd", imports: []string{all}},
}

// library is a library that only some areas may know, in tests as well.
type library struct {
	prefix string
	areas  []string
}

// network are the areas that know libp2p.
var network = []string{"p2p", "p2p/p2psim", "p2p/p2ptest", "simnet"}

var libraries = []library{
	{"github.com/libp2p/", network},
	{"github.com/multiformats/", network},
	{"github.com/bnb-chain/tss-lib", []string{"protocol/tss"}},
	{"github.com/dgraph-io/badger", []string{"keystore", "coordinator"}},
	{"github.com/danielgtaylor/huma", []string{"coordinator"}},
	{"github.com/urfave/cli", []string{"cmd"}},
}

// unlinked says what must not get into an area even through others.
var unlinked = []struct{ area, prefix string }{
	{"coordinator", "github.com/bnb-chain/tss-lib"},
	{"keystore", "github.com/libp2p/"},
	{"protocol", "github.com/libp2p/"},
	{"protocol", "github.com/bnb-chain/tss-lib"},
	{"protocol/chain", "github.com/libp2p/"},
	{"protocol/chain", "github.com/bnb-chain/tss-lib"},
}

// areaOf returns the innermost area that holds a path of the product.
func areaOf(path string) (area, bool) {
	var best area
	for _, a := range areas {
		if (path == a.path || strings.HasPrefix(path, a.path+"/")) && len(a.path) > len(best.path) {
			best = a
		}
	}
	return best, best.path != ""
}

// checkImports applies the tables to the direct imports of the product.
func checkImports(packages []pkg) []string {
	var findings []string
	for _, p := range packages {
		if p.Module.Path != product {
			continue
		}
		a, ok := areaOf(p.path())
		if !ok {
			findings = append(findings, fmt.Sprintf("%s: package %s is in no area: add it to the table of import rules", p.Dir, p.ImportPath))
			continue
		}
		tests := append(append(slices.Clone(a.imports), a.tests...), leaks)
		findings = append(findings, a.check(p, p.Imports, a.imports, "")...)
		findings = append(findings, a.check(p, p.TestImports, tests, " in tests")...)
		findings = append(findings, a.check(p, p.XTestImports, tests, " in tests")...)
	}
	return findings
}

func (a area) check(p pkg, imports, allowed []string, where string) []string {
	var findings []string
	for _, path := range imports {
		for _, lib := range libraries {
			if strings.HasPrefix(path, lib.prefix) && !slices.Contains(lib.areas, a.path) {
				findings = append(findings, fmt.Sprintf("%s: %s imports %s%s: only %s may", p.Dir, p.path(), path, where, strings.Join(lib.areas, ", ")))
			}
		}
		if path != product && !strings.HasPrefix(path, product+"/") {
			continue
		}
		of, _ := areaOf(inside(product, path))
		if of.path != a.path && !slices.Contains(allowed, of.path) && !slices.Contains(allowed, all) {
			findings = append(findings, fmt.Sprintf("%s: %s imports %s%s: area %s may import %v", p.Dir, p.path(), path, where, a.path, allowed))
		}
	}
	return findings
}

// checkLinks applies the table of what must not be linked.
func checkLinks(packages []pkg) []string {
	var findings []string
	for _, p := range packages {
		if p.Module.Path != product {
			continue
		}
		a, _ := areaOf(p.path())
		for _, rule := range unlinked {
			if a.path != rule.area {
				continue
			}
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, rule.prefix) {
					findings = append(findings, fmt.Sprintf("%s: %s links %s", p.Dir, p.path(), dep))
					break
				}
			}
		}
	}
	return findings
}
