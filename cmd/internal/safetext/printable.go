package safetext

import (
	"strings"
	"unicode"
)

// Printable replaces what could change how a terminal shows the text or what is
// beside it: control characters, such as escape sequences and line ends, those that
// change the direction of writing, and those that nobody sees. The joiners that
// some scripts need stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) || unicode.Is(unicode.Join_Control, r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
