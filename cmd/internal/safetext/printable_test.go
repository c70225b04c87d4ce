package safetext_test

import (
	"testing"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"pay bob, 3 €":               "pay bob, 3 €",
		"a\x1b[31mb":                 "a\uFFFD[31mb",
		"a\r\nb\tc\x00":              "a\uFFFD\uFFFDb\uFFFDc\uFFFD",
		"left\u202Etfel":             "left\uFFFDtfel",
		"hid\u200Bden":               "hid\uFFFDden",
		"c1\u009B31m":                "c1\uFFFD31m",
		"no-break\u00A0space":        "no-break\u00A0space",
		"\u0645\u06CC\u200C\u0631":   "\u0645\u06CC\u200C\u0631",
		"e\u0301":                    "e\u0301",
		"\U0001F469\u200D\U0001F52C": "\U0001F469\u200D\U0001F52C",
		"bad \xff":                   "bad \uFFFD",
	} {
		if is := safetext.Printable(text); is != want {
			t.Errorf("%q is printed as %q, want %q", text, is, want)
		}
	}
}
