// Command rules checks what a compiler does not: which package may import
// which, how long files and functions may be, and calls that have a better way.
// It reads the module in the working folder, prints one line a finding in the
// form file:line: message, and exits 1 when there is one.
//
// The rules themselves are the tables in imports.go and source.go.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

func main() {
	findings, err := check()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(2)
	}
	slices.Sort(findings)
	for _, f := range slices.Compact(findings) {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// check runs every rule on the module in the working folder.
func check() ([]string, error) {
	packages, err := listPackages()
	if err != nil {
		return nil, err
	}
	if len(packages) == 0 {
		return nil, errors.New("no packages here")
	}
	findings := append(checkImports(packages), checkLinks(packages)...)
	for _, p := range packages {
		found, err := checkSource(p)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}
