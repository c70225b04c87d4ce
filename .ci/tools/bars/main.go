// Command bars prints what benchmarks have measured beside what is promised, as a
// table for BENCHMARKS.md. It reads the output of `make bench` from the files that it
// is given, or from its input. Of a benchmark that ran several times it takes the median.
//
// It says ok or MISSED and always ends with 0 if it could read: on a machine that does
// something else too, figures say little.
package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

func main() {
	measured, err := read(&benchfmt.Files{Paths: os.Args[1:], AllowStdin: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bars:", err)
		os.Exit(2)
	}
	fmt.Print(table(measured))
}

// key is what was measured: a metric of a benchmark.
type key struct{ pkg, benchmark, metric string }

// records is a benchfmt.Files or Reader.
type records interface {
	Scan() bool
	Result() benchfmt.Record
	Err() error
}

// read collects all values of the metrics.
func read(in records) (map[key][]float64, error) {
	measured := map[key][]float64{}
	for in.Scan() {
		switch r := in.Result().(type) {
		case *benchfmt.SyntaxError:
			fmt.Fprintln(os.Stderr, "bars:", r) // the line of a benchmark that failed
		case *benchfmt.Result:
			name := strings.TrimSuffix(r.Name.String(), suffix(r.Name))
			for _, v := range r.Values {
				unit, value := v.Unit, v.Value
				if v.OrigUnit != "" { // benchfmt has made seconds of ns, and bytes of MB
					unit, value = v.OrigUnit, v.OrigValue
				}
				k := key{shorten(r.GetConfig("pkg")), name, unit}
				measured[k] = append(measured[k], value)
			}
		}
	}
	return measured, in.Err()
}

// suffix is the number of processors at the end of a name, such as -2.
func suffix(n benchfmt.Name) string {
	_, parts := n.Parts()
	if len(parts) == 0 || !strings.HasPrefix(string(parts[len(parts)-1]), "-") {
		return ""
	}
	return string(parts[len(parts)-1])
}

// shorten takes the module off a package's path.
func shorten(pkg string) string {
	const module = "github.com/meshmpc/mpcd/"
	if pkg == module+"cmd/e2e" {
		return path.Base(pkg)
	}
	return strings.TrimPrefix(pkg, module)
}

// table prints the bars.
func table(measured map[key][]float64) string {
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row("figure", "bar", "measured", "", "benchmark")
	row("---", "---", "---", "---", "---")
	for _, bar := range bars {
		where := fmt.Sprintf("`%s: Benchmark%s` %s", bar.pkg, bar.benchmark, bar.metric)
		values := measured[key{bar.pkg, bar.benchmark, bar.metric}]
		if len(values) == 0 {
			row(bar.figure, bar.promise(), "", "not measured", where)
			continue
		}
		value := median(values)
		if bar.scale != 0 {
			value *= bar.scale
		}
		verdict := "ok"
		switch {
		case bar.yardstick:
			verdict = fmt.Sprintf("%.2f × the time", value/bar.limit)
		case !bar.holds(value):
			verdict = fmt.Sprintf("MISSED by %.0f %%", 100*bar.by(value))
		}
		row(bar.figure, bar.promise(), number(value)+" "+bar.unit, verdict, where)
	}
	return b.String()
}

func (b bar) promise() string {
	if b.yardstick {
		return number(b.limit) + " " + b.unit + " where times and rates were promised"
	}
	sign := "≤"
	if b.least {
		sign = "≥"
	}
	return sign + " " + number(b.limit) + " " + b.unit
}

// number prints three digits, and no more than is there.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // just printed
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
