package engine

import (
	"reflect"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestReasonsAreDescribed: the API's document has each reason that a blame may have.
func TestReasonsAreDescribed(t *testing.T) {
	field, ok := reflect.TypeFor[rest.Blame]().FieldByName("Reason")
	if !ok {
		t.Fatal("a blame has no reason")
	}
	words := strings.FieldsFunc(field.Tag.Get("doc"), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	described := make(map[string]bool)
	for _, w := range words {
		described[w] = true
	}
	for _, r := range append(reasons[:len(reasons):len(reasons)], knownReason("no such reason")) {
		if !described[string(r)] {
			t.Errorf("the description of a blame's reason lacks %q", r)
		}
	}
}
