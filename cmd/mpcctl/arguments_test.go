package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsFirst(t *testing.T) {
	app := newApp(stdio{})
	for line, want := range map[string]string{
		"mpcctl":                                          "mpcctl",
		"mpcctl parties":                                  "mpcctl parties",
		"mpcctl sign A --text t":                          "mpcctl sign --text t -- A",
		"mpcctl sign --text t A":                          "mpcctl sign --text t -- A",
		"mpcctl sign A --text=t --json --hash h":          "mpcctl sign --text=t --json --hash h -- A",
		"mpcctl --url u sign A --json":                    "mpcctl --url u sign --json -- A",
		"mpcctl --json account show A --url u":            "mpcctl --json account show --url u -- A",
		"mpcctl account signing-parties set A p --json q": "mpcctl account signing-parties set --json -- A p q",
		"mpcctl sign A --text t -- -x":                    "mpcctl sign --text t -- A -x",
		"mpcctl sign -- --text":                           "mpcctl sign -- --text",
		"mpcctl sign A --text":                            "mpcctl sign --text -- A",
		"mpcctl sign A --file -":                          "mpcctl sign --file - -- A",
		"mpcctl nonsense --json":                          "mpcctl --json -- nonsense",
		"mpcctl sign A --generate-bash-completion":        "mpcctl sign A --generate-bash-completion",
	} {
		if got := strings.Join(flagsFirst(app, strings.Fields(line)), " "); got != want {
			t.Errorf("%q is read as %q, want %q", line, got, want)
		}
	}
	if got := flagsFirst(app, nil); !slices.Equal(got, nil) {
		t.Errorf("nothing is read as %q", got)
	}
}
