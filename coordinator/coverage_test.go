package coordinator

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// suite runs the tests of this package. A run of all of them must have seen
// every problem of every operation, and every success: what the document promises
// happens.
type suite struct{ *testing.M }

func (s suite) Run() int {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(fmt.Sprint(atOnce)) // tests wait more than they work
	}
	code := s.M.Run()
	if code != 0 || partial() {
		return code
	}
	k, err := theContract()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if missing := k.unseen(); len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: documented, and never seen by a test of package coordinator:\n\t%s\n", strings.Join(missing, "\n\t"))
		return 1
	}
	return code
}

// partial reports whether only some tests were to run.
func partial() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	return testing.Short()
}

// unseen lists what no answer had: codes, by operation, and statuses of success.
func (k *contract) unseen() (missing []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for code := range at[map[string]any](k.doc, "components", "examples") {
		if !k.seen[code] {
			missing = append(missing, "problem "+code)
		}
	}
	for path, item := range at[map[string]any](k.doc, "paths") {
		for method, op := range item.(map[string]any) {
			id := at[string](op.(map[string]any), "operationId")
			for status := range maps.Keys(at[map[string]any](k.doc, "paths", path, method, "responses")) {
				if status < "400" && !k.seen[id+" "+status] {
					missing = append(missing, id+" "+status)
				}
				for _, code := range at[[]any](k.doc, "paths", path, method, "responses", status, "x-codes") {
					if pair := id + " " + code.(string); code != "internal_error" && !k.seen[pair] { // no route fails by itself
						missing = append(missing, pair)
					}
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}
