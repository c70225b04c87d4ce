package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

func threshold(t, n int) string { return fmt.Sprintf("%d-of-%d", t, n) }

func approvalText(a *rest.Approval) string {
	if a.By == "approvers" {
		return fmt.Sprintf("%d of %d approvers", a.M, len(a.Keys))
	}
	return "the coordinator"
}

// sorted ranges over a map in the order of its keys.
func sorted(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// readable tells whether a message is text that people can read.
func readable(message []byte) bool {
	if !utf8.Valid(message) {
		return false
	}
	for _, r := range string(message) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return false
		}
	}
	return len(message) > 0
}

// cut shortens what would fill the screen.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return fmt.Sprintf("%s… (%d characters)", text[:n], len(text))
}
