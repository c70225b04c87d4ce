package coordinator

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/internal/api"
)

var update = flag.Bool("update", false, "write openapi.yaml and PROBLEMS.md")

// TestCommittedDocuments compares the documents in this folder with what the
// code says.
func TestCommittedDocuments(t *testing.T) {
	t.Parallel()
	openapi, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]byte{"openapi.yaml": openapi, "PROBLEMS.md": []byte(api.ProblemsPage())} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code says: make openapi writes it", file)
		}
	}
}

func TestServedDocumentIsTheCommittedOne(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	a := cl.do(call{method: "GET", path: "/openapi.yaml", noKey: true})
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if a.status != 200 || !bytes.Equal(a.body, want) {
		t.Errorf("status %d, %d bytes, of %d", a.status, len(a.body), len(want))
	}
}

// TestExamples holds every example of the document against its schema, and looks
// that each operation has them.
func TestExamples(t *testing.T) {
	t.Parallel()
	k, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range at[map[string]any](k.doc, "paths") {
		for method, op := range item.(map[string]any) {
			name := at[string](op.(map[string]any), "operationId")
			if at[string](op.(map[string]any), "summary") == "" {
				t.Errorf("%s has no summary", name)
			}
			where := []string{"paths", path, method}
			if body := at[map[string]any](k.doc, append(where, "requestBody", "content")...); body != nil {
				checkExamples(t, k, name, append(where, "requestBody", "content", "application/json"))
			}
			for status := range at[map[string]any](k.doc, append(where, "responses")...) {
				for media := range at[map[string]any](k.doc, append(where, "responses", status, "content")...) {
					if strings.HasSuffix(media, "json") {
						checkExamples(t, k, name+" "+status, []string{"paths", path, method, "responses", status, "content", media})
					}
				}
			}
		}
	}
}

func checkExamples(t *testing.T, k *contract, name string, content []string) {
	t.Helper()
	schema := at[map[string]any](k.doc, append(content, "schema")...)
	examples := map[string]any{"": at[any](k.doc, append(content, "example")...)}
	if several := at[map[string]any](k.doc, append(content, "examples")...); several != nil {
		examples = make(map[string]any)
		for key := range several {
			examples[key] = at[any](k.doc, append(content, "examples", key, "value")...)
		}
	}
	for key, example := range examples {
		if example == nil {
			t.Errorf("%s: no example %s", name, key)
			continue
		}
		if err := k.validate(schema, example); err != nil {
			t.Errorf("%s: the example %s: %v", name, key, err)
		}
	}
}
