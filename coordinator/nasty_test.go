package coordinator

import (
	"net/http"
	"strings"
	"testing"
)

// nastyBodies are bodies that break programs which read JSON with too much
// trust. No route takes any of them.
var nastyBodies = map[string]string{
	"a byte order mark":         "\ufeff{\"user_id\":\"u\"}",
	"UTF-16":                    "\xfe\xff\x00{\x00}",
	"bytes that are no UTF-8":   "{\"user_id\":\"\xff\xfe\"}",
	"half a character":          "{\"user_id\":\"\xc3\"}",
	"an overlong character":     "{\"user_id\":\"\xc0\xaf\"}",
	"NUL bytes":                 "\x00\x00\x00\x00",
	"a NUL byte in a string":    "{\"user_id\":\"a\x00b\"}",
	"a NUL byte at the end":     "{\"user_id\":\"u\"}\x00",
	"a control character":       "{\"user_id\":\"a\nb\"}",
	"a name twice":              `{"user_id":"u","user_id":"v"}`,
	"a name twice, escaped":     `{"user_id":"u","user\u005fid":"v"}`,
	"a name twice, below":       `{"user_id":"u","message":"00","threshold":{"t":2,"n":3,"t":3}}`,
	"names that differ in case": `{"user_id":"u","USER_ID":"v"}`,
	"deep lists":                strings.Repeat("[", 100_000),
	"deep objects":              strings.Repeat(`{"a":`, 30_000) + "1" + strings.Repeat("}", 30_000),
	"deep below a field":        `{"user_id":` + strings.Repeat("[", 40_000) + strings.Repeat("]", 40_000) + `}`,
	"an enormous number":        `{"user_id":"u","threshold":{"t":1e400,"n":3}}`,
	"a number of 50,000 digits": `{"user_id":"u","threshold":{"t":` + strings.Repeat("9", 50_000) + `,"n":3}}`,
	"a tiny number":             `{"user_id":"u","threshold":{"t":1e-400,"n":3}}`,
	"more than 64 bits":         `{"user_id":"u","threshold":{"t":18446744073709551618,"n":3}}`,
	"minus zero and a half":     `{"user_id":"u","threshold":{"t":-0.5,"n":3}}`,
	"NaN":                       `{"user_id":"u","threshold":{"t":NaN,"n":3}}`,
	"a hexadecimal number":      `{"user_id":"u","threshold":{"t":0x2,"n":3}}`,
	"a leading zero":            `{"user_id":"u","threshold":{"t":02,"n":3}}`,
	"a comment":                 `{"user_id":"u" /* me */}`,
	"a trailing comma":          `{"user_id":"u",}`,
	"single quotes":             `{'user_id':'u'}`,
	"no quotes":                 `{user_id:"u"}`,
	"trailing garbage":          `{"user_id":"u"}garbage`,
	"two values":                `{"user_id":"u"}{"user_id":"u"}`,
	"a string":                  `"user_id"`,
	"a number":                  `7`,
	"null":                      `null`,
	"true":                      `true`,
	"a list":                    `[{"user_id":"u"}]`,
	"nothing but space":         "   \r\n\t",
	"an unpaired escape":        `{"user_id":"\u12"}`,
	"an escape that is none":    `{"user_id":"\x41"}`,
	"every field null":          `{"user_id":null,"session_id":null,"message":null,"kind":null,"parties":null,"approvals":null,"peer_id":null,"proof":null,"url":null}`,
	"every field a list":        `{"user_id":[],"session_id":[],"message":[],"kind":[],"parties":{},"approvals":{},"peer_id":[],"proof":[],"url":[]}`,
	"every field an object":     `{"user_id":{},"session_id":{},"message":{},"kind":{},"parties":{},"approvals":{},"peer_id":{},"proof":{},"url":{}}`,
	"a prototype":               `{"__proto__":{"user_id":"u"},"constructor":{}}`,
	"an empty name":             `{"":""}`,
	"10,000 names":              manyNames(10_000),
	"XML":                       `<?xml version="1.0"?><user_id>u</user_id>`,
	"a form":                    `user_id=u&message=00`,
}

func manyNames(n int) string {
	var b strings.Builder
	b.WriteString(`{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"n`)
		b.WriteString(strings.Repeat("x", i%7))
		b.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + `":1`)
	}
	return b.String() + `}`
}

func TestNastyBodiesAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	targets := fuzzTargets(cl)
	for name, body := range nastyBodies {
		for _, c := range targets {
			if c.ignoresBody {
				continue
			}
			c.body = body
			got := cl.do(c.call)
			switch got.status {
			case http.StatusBadRequest, http.StatusUnprocessableEntity:
				if len(got.body) > 20<<10 || strings.Contains(string(got.body), strings.Repeat("9", 1000)) {
					t.Errorf("%s to %s %s: an answer of %d bytes", name, c.method, c.path, len(got.body))
				}
			default:
				t.Errorf("%s to %s %s: %d %s", name, c.method, c.path, got.status, got.body)
			}
		}
	}
	if n := len(cl.accounts()); n != targets.accounts() {
		t.Errorf("%d accounts, after %d", n, targets.accounts())
	}
}

// TestNastyStringsAreKept: what is odd and yet a string comes back as it was.
func TestNastyStringsAreKept(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for _, user := range []string{"\x00", "a\u2028b", "../../etc/passwd", "<script>alert(1)</script>", "' OR 1=1 --", "\u202eevil", "😀", "%00", "\r\nSet-Cookie: x=y", "{{7*7}}", " "} {
		a := cl.account(encode(map[string]string{"user_id": user}))
		if a.UserID != user {
			t.Errorf("%q came back as %q", user, a.UserID)
		}
	}
}
