package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binaryVariable names a built mpcd, so that a build is not repeated for every
// test package.
const binaryVariable = "MPCD"

// findBinary returns the mpcd to run: the configured one, $MPCD, or a fresh
// build in dir.
func findBinary(ctx context.Context, configured, dir string) (string, error) {
	if configured == "" {
		configured = os.Getenv(binaryVariable)
	}
	if configured != "" {
		return filepath.Abs(configured)
	}
	return Build(ctx, filepath.Join(dir, "mpcd"))
}

// Build compiles mpcd from the source tree around the working folder,
// with the given build tags.
func Build(ctx context.Context, to string, tags ...string) (string, error) {
	return build(ctx, "mpcd", to, tags...)
}

// build compiles a command.
func build(ctx context.Context, command, to string, tags ...string) (string, error) {
	root, err := sourceRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", strings.Join(tags, ","), "-o", to, "./cmd/"+command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", command, err, out)
	}
	return to, nil
}

// sourceRoot finds the product's module above the working folder.
func sourceRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module github.com/meshmpc/mpcd\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no source tree of mpcd around the working folder: set " + binaryVariable + " and " + clientVariable + " to what was built")
		}
		dir = parent
	}
}
