package tss_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

var update = flag.Bool("update", false, "write the golden transcripts in testdata")

// The transcripts in testdata show which messages a ceremony has: round, type,
// sender and receiver. Their bodies are random.
func TestTranscripts(t *testing.T) {
	th := protocol.Threshold{T: 2, N: 3}
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		t.Run(string(scheme), func(t *testing.T) {
			t.Parallel()
			k := newKey(t, scheme, th)
			golden(t, fmt.Sprintf("keygen-%s.txt", scheme), fmt.Sprintf(
				"Keygen of a %v key, %s.\n* is everyone: a broadcast, the same for all. The rest is confidential.", th, scheme), k.transcript)

			signers := protocoltest.Members(th.N)
			signers = append(signers[:1], signers[2]) // without bob
			parties := signParties(t, k, signers, sid("transcript"), digest("transcript"))
			_, lines, err := protocoltest.Run(parties, protocoltest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, fmt.Sprintf("sign-%s.txt", scheme), fmt.Sprintf(
				"Alice and carol sign with a %v key, %s; bob is away.\n* is everyone: a broadcast. The rest is confidential.", th, scheme), lines)
		})
	}
}

// golden compares lines with a file of testdata whose # lines explain it.
func golden(t *testing.T, name, title string, lines []string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.SplitSeq(title, "\n") {
		b.WriteString("# " + line + "\n")
	}
	round := byte(0)
	for _, line := range lines {
		if line[0] != round {
			b.WriteByte('\n')
			round = line[0]
		}
		b.WriteString(line + "\n")
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("%s differs; if that is meant, run the test with -update. Got:\n%s", path, b.String())
	}
}
