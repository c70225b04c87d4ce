package main

import (
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
)

const output = `goos: linux
pkg: github.com/meshmpc/mpcd/protocol/tss
BenchmarkPreParams-2	16	0.9 ns/op	29.4 x-less
BenchmarkSign/scheme=eddsa-2	10	1 ns/op	1.5 p50-ms/op
BenchmarkMachine/exp=2048-2	100	3300000 ns/op
pkg: github.com/meshmpc/mpcd/cmd/e2e
--- FAIL: BenchmarkAccount/scheme=ecdsa
    bench_account_test.go:31: no account
BenchmarkSign/scheme=eddsa-2	500	4 ns/op	4.125 p50-ms/op	9 p99-ms/op
BenchmarkSign/scheme=eddsa-2	500	4 ns/op	4.375 p50-ms/op	9 p99-ms/op
BenchmarkSign/scheme=eddsa-2	500	4 ns/op	44 p50-ms/op	9 p99-ms/op
BenchmarkSustained/scheme=eddsa	500	4 ns/op	320 sigs/s
BenchmarkFreshParty-2	5	4 ns/op	3300 p50-ms/op
BenchmarkMemory/party=idle-2	1	66.5 party-MB
`

// TestTable reads output of several packages, of benchmarks that ran more than once,
// failed, or were left out.
func TestTable(t *testing.T) {
	measured, err := read(benchfmt.NewReader(strings.NewReader(output), "output"))
	if err != nil {
		t.Fatal(err)
	}
	got := table(measured)
	for _, want := range []string{
		"| pre-parameters, CPU a set, against the library | ≥ 25 × less | 29.4 × less | ok |",
		"| EdDSA sign, p50 | ≤ 5 ms | 4.38 ms | ok |",
		"| sustained EdDSA, 16 clients | ≥ 400 signatures/s | 320 signatures/s | MISSED by 20 % |",
		"| fresh party to ready | ≤ 3 s | 3.3 s | MISSED by 10 % |",
		"| memory of an idle party, both processes | ≤ 80 MB | 66.5 MB | ok |",
		"| 2.2 ms where times and rates were promised | 3.3 ms | 1.50 × the time |",
		"| account creation, p50 against the floor's keygen | ≤ 1.3 × |  | not measured |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %s", want)
		}
	}
	if lines := strings.Count(got, "\n"); lines != len(bars)+2 {
		t.Errorf("%d lines for %d bars", lines, len(bars))
	}
	if t.Failed() {
		t.Log(got)
	}
}
