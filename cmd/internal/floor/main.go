// Command floor runs ceremonies of package protocol/tss with all parties in this
// process: what a signature costs without network, disk, HTTP and processes. It is what
// benchmarks of the whole system are compared with, in the same run; it is not
// installed.
//
// It reads one JSON object a line from its input and answers each with one:
//
//	{"op": "sign", "scheme": "ecdsa-secp256k1", "count": 10}
//	  signs one after the other; each party has a goroutine of its own, as it has a process
//	{"op": "keygen", "scheme": "ecdsa-secp256k1", "count": 1}
//	  makes keys in the same way, ECDSA with pre-parameters that are in stock
//	{"op": "rate", "scheme": "ecdsa-secp256k1", "seconds": 10}
//	  signs for a while, one ceremony on each core, as many signatures as it can
//
//	{"ms": [271.3, …], "rate": 3.9}   milliseconds of each ceremony; ceremonies a second
//	{"error": "…"}
//
// Keys are 2-of-3, every signature is over a message of its own and verified outside the
// clock.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

type order struct {
	Op      string          `json:"op"`
	Scheme  protocol.Scheme `json:"scheme"`
	Count   int             `json:"count"`
	Seconds float64         `json:"seconds"`
}

type answer struct {
	Took  []float64 `json:"ms,omitempty"`
	Rate  float64   `json:"rate,omitempty"`
	Error string    `json:"error,omitempty"`
}

func main() {
	lines, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	f := newFloor()
	for lines.Scan() {
		var o order
		var a answer
		err := json.Unmarshal(lines.Bytes(), &o)
		if err == nil {
			a, err = f.obey(o)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, "floor:", err)
			os.Exit(1)
		}
	}
}

func (f *floor) obey(o order) (answer, error) {
	switch o.Op {
	case "sign":
		return repeat(o.Count, func() (time.Duration, error) { return f.sign(o.Scheme, together) })
	case "keygen":
		return repeat(o.Count, func() (time.Duration, error) {
			_, took, err := f.keygen(o.Scheme)
			return took, err
		})
	case "rate":
		return f.rate(o.Scheme, time.Duration(o.Seconds*float64(time.Second)))
	}
	return answer{}, fmt.Errorf("unknown op %q", o.Op)
}

func repeat(count int, op func() (time.Duration, error)) (answer, error) {
	var a answer
	for range count {
		took, err := op()
		if err != nil {
			return a, err
		}
		a.Took = append(a.Took, milliseconds(took))
	}
	return a, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
