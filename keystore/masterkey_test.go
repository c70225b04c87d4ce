package keystore

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestParseMasterKey(t *testing.T) {
	good := strings.Repeat("0aF1", 16)
	m, err := ParseMasterKey(good)
	noError(t, err)
	if m.IsZero() || m.bytes()[0] != 0x0a || m.bytes()[1] != 0xf1 {
		t.Fatal("wrong bytes")
	}
	for _, bad := range []string{"", "00", good[1:], good + "0", "0x" + good, good[:63] + "g", good + "\n", strings.Repeat("ä", 32)} {
		m, err := ParseMasterKey(bad)
		if err == nil || !m.IsZero() {
			t.Fatalf("accepted %q", bad)
		}
		want := "must be 64 hexadecimal characters (32 bytes); make one with: openssl rand -hex 32"
		if err.Error() != want {
			t.Fatalf("error %q", err)
		}
	}
}

func TestMasterKeyNeverPrints(t *testing.T) {
	m := testMaster(t, "5c")
	type hidden struct{ key MasterKey }
	type shown struct{ Key MasterKey }
	var texts []string
	for _, v := range []any{m, &m, hidden{m}, &hidden{m}, shown{m}, []MasterKey{m}, Config{Master: m}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		noError(t, err)
		texts = append(texts, string(b))
	}
	// Two bytes in a row would be found in addresses, too, once in a thousand runs.
	hexes, decimals := strings.Repeat("5c", 8), strings.Repeat("92", 8)
	for _, text := range texts {
		for _, leak := range []string{hexes, strings.ToUpper(hexes), decimals, "92 92", "92,92", "0x5c, 0x5c", `\\\\`} {
			if strings.Contains(text, leak) {
				t.Errorf("the key is in %q", text)
			}
		}
	}
}
