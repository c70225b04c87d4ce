package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	Dir          string
	ImportPath   string
	Name         string
	Doc          string
	Module       struct{ Path string }
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Deps         []string
}

// path is the import path inside the module: "" for its root.
func (p pkg) path() string { return inside(p.Module.Path, p.ImportPath) }

// inside returns an import path relative to a module, and the whole path when
// it is not of the module.
func inside(module, path string) string {
	if path == module {
		return ""
	}
	return strings.TrimPrefix(path, module+"/")
}

// listPackages lists the module's packages, files with build tags of our own
// included.
func listPackages() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json", "-deps=false", "-tags=long,netns", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}
