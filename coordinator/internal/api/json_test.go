package api

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, good := range []string{
		`{}`, `[]`, `7`, `"a"`, `null`, `{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}`, `{"a":"a","b":"a"}`, `["a","a"]`, `{"a":["a","a"],"b":{}}`, `{"a":{},"b":{}}`,
		`{"":1}`, `"\u0000"`, `"ä"`, deep(maxDepth), ` {"a": 1e400} `,
	} {
		if err := checkJSON([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{},"a":{}}`, `{"a":[],"b":1,"a":2}`, `{"x":{"a":1,"a":2}}`, `[{"a":1,"a":2}]`, `{"":1,"":2}`,
		"\"\xff\"", "{\"a\xc3\":1}", deep(maxDepth + 1), strings.Repeat(`{"a":`, 100_000), "\ufeff{}",
	} {
		if err := checkJSON([]byte(bad)); err == nil {
			t.Errorf("%.40q was taken", bad)
		}
	}
}

// FuzzCheckJSON compares with encoding/json: what passes here decodes there, or
// is a number out of range or cut off or followed by more; and what is decoded has as many names
// as were written.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{}]}`, `{"a":1,"a":2}`, `[[[]]]`, `{"a"`, `1 2`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		decoded := json.Unmarshal(data, &v)
		if checkJSON(data) != nil || decoded != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkJSON(again); err != nil {
			t.Errorf("%q comes back as %q: %v", data, again, err)
		}
		if names(v) != strings.Count(stripped(data), ":") {
			t.Errorf("%q has %d names", data, names(v))
		}
	})
}

func names(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += 1 + names(e)
		}
	case []any:
		for _, e := range v {
			n += names(e)
		}
	}
	return n
}

// stripped is valid JSON without its strings.
func stripped(data []byte) string {
	var b strings.Builder
	inside, escaped := false, false
	for _, c := range string(data) {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case !inside:
			b.WriteRune(c)
		}
	}
	return b.String()
}
