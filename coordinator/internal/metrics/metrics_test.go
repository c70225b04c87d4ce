package metrics

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// full returns metrics in which every series exists.
func full() *Metrics {
	m := New(Config{
		Version: "v1",
		Queue:   func() (int, int) { return 48, 9 }, LiveParties: func() int { return 3 },
		Events:      func() uint64 { return 17 },
		CertExpires: func() time.Time { return time.Unix(1e9, 0) },

		Presignatures: func() Presignatures { return Presignatures{Held: 5, Used: 7, Missed: 1, Expired: 2} },
		Stocks:        func() []Stock { return []Stock{{"p1", "12D3A", 8}, {"p1", "12D3B", 6}} },
	})
	m.Request("/api/v1/accounts/{id}", http.MethodGet, 200, 3*time.Millisecond)
	m.FailedAuth("unknown_key")
	m.RateLimited("reads")
	m.Blame("contradiction", true)
	m.Session("keygen", Completed, 2*time.Second)
	m.Session("co_managed_keygen", Completed, 2*time.Second)
	m.Session("sign", Completed, 20*time.Millisecond)
	m.Session("sign", "failed", time.Second)
	return m
}

// serve serves metrics on loopback and returns their URL.
func serve(t *testing.T, m *Metrics) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to the end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestServed(t *testing.T) {
	url := serve(t, full())
	status, text := get(t, url+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	for _, line := range []string{
		`mpc_build_info{version="v1"} 1`,
		`mpc_http_requests_total{code="200",method="GET",route="/api/v1/accounts/{id}"} 1`,
		`mpc_http_request_duration_seconds_bucket{code="200",method="GET",route="/api/v1/accounts/{id}",le="0.005"} 1`,
		`mpc_http_failed_authentications_total{reason="unknown_key"} 1`,
		`mpc_http_rate_limited_total{limit="reads"} 1`,
		`mpc_blames_total{proven="true",reason="contradiction"} 1`,
		`mpc_sessions_total{kind="sign",outcome="failed"} 1`,
		`mpc_session_duration_seconds_sum{kind="keygen",outcome="completed"} 2`,
		`mpc_keygen_success_total 2`,
		`mpc_sign_success_total 1`,
		`mpc_sessions_working 48`,
		`mpc_sessions_waiting 9`,
		`mpc_live_parties 3`,
		`mpc_party_preparameters{party="p1",peer_id="12D3B"} 6`,
		`mpc_presignatures 5`,
		`mpc_presignatures_used_total 7`,
		`mpc_presignatures_missed_total 1`,
		`mpc_presignatures_expired_total 2`,
		`mpc_registry_events_total 17`,
		`mpc_tls_certificate_expiry_timestamp_seconds 1e+09`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("not served: %s", line)
		}
	}
	for _, other := range []string{"go_goroutines", "process_cpu_seconds_total"} {
		if !strings.Contains(text, "\n"+other+" ") {
			t.Errorf("not served: %s", other)
		}
	}
	if status, _ := get(t, url+"/"); status != http.StatusNotFound {
		t.Errorf("/: %d", status)
	}
}

var (
	documented = regexp.MustCompile(`(?m)^//\t(mpc_\S+) +(counter|gauge|histogram) +(.*)$`)
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (mpc_\S+) (\S+)$`)
)

// TestDocumented holds the table in doc.go against what is served: names, types
// and labels.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text := get(t, serve(t, full())+"/metrics")
	var table, served []string
	for _, m := range documented.FindAllStringSubmatch(string(doc), -1) {
		table = append(table, m[1]+" "+m[2])
		if labels, _, found := strings.Cut(m[3], "  "); found {
			checkLabels(t, text, m[1], strings.Split(labels, ", "))
		}
	}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		served = append(served, m[1]+" "+m[2])
	}
	slices.Sort(table)
	slices.Sort(served)
	if len(table) == 0 || !slices.Equal(table, served) {
		t.Errorf("documented\n%s\nserved\n%s", strings.Join(table, "\n"), strings.Join(served, "\n"))
	}
}

func checkLabels(t *testing.T, text, name string, labels []string) {
	t.Helper()
	series := regexp.MustCompile(`(?m)^` + name + `(?:_count)?\{(.*)\} `).FindStringSubmatch(text)
	if series == nil {
		t.Errorf("%s has no labels, but they are documented: %v", name, labels)
		return
	}
	for _, l := range labels {
		if !strings.Contains(series[1], l+`="`) {
			t.Errorf("%s lacks the label %s: %s", name, l, series[1])
		}
	}
	if n := strings.Count(series[1], `="`); n != len(labels) {
		t.Errorf("%s has %d labels, documented are %v", name, n, labels)
	}
}

func TestCallersMakeNoSeries(t *testing.T) {
	m := New(Config{})
	for _, method := range []string{"BREW", "\xff", "get", ""} {
		m.Request(Unmatched, method, 404, time.Millisecond)
	}
	_, text := get(t, serve(t, m)+"/metrics")
	if !strings.Contains(text, `mpc_http_requests_total{code="404",method="other",route="unmatched"} 4`) {
		t.Errorf("served:\n%s", text)
	}
}

func TestNilCountsNothing(t *testing.T) {
	var m *Metrics
	m.Request("/", "GET", 200, time.Second)
	m.FailedAuth("unknown_key")
	m.RateLimited("reads")
	m.Blame("contradiction", true)
	m.Session("sign", Completed, time.Second)
}

func TestTwoRegistries(t *testing.T) {
	New(Config{})
	New(Config{}) // nothing is registered twice: no state is shared
}

func BenchmarkRequest(b *testing.B) {
	m := New(Config{})
	b.ReportAllocs()
	for b.Loop() {
		m.Request("/api/v1/accounts/{id}", http.MethodGet, 200, 3*time.Millisecond)
	}
}
