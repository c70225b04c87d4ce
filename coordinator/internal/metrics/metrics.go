package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Completed is the outcome of a session with a result.
const Completed = "completed"

// Kinds of sessions that have a counter of their successes.
const (
	kindKeygen   = "keygen"
	kindCoKeygen = "co_managed_keygen"
	kindSign     = "sign"
)

// Config names what is read when somebody asks for the metrics. Each function is
// called on the goroutine of that request and must be quick; nil leaves its
// metric out.
type Config struct {
	Version     string
	LiveParties func() int
	Events      func() uint64                 // events in the registry's log
	Queue       func() (working, waiting int) // sessions
	CertExpires func() time.Time              // end of the TLS certificate's validity
	// Presignatures counts those of this process; Stocks lists what the live parties have
	// in stock.
	Presignatures func() Presignatures
	Stocks        func() []Stock
}

// Metrics are the coordinator's. A nil *Metrics counts nothing.
type Metrics struct {
	registry *prometheus.Registry

	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	failures   *prometheus.CounterVec
	limited    *prometheus.CounterVec
	sessions   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	blames     *prometheus.CounterVec
	keygens    prometheus.Counter
	signatures prometheus.Counter
}

// Buckets in seconds: answers from the registry take milliseconds, calls that
// wait for a ceremony up to minutes.
var (
	latencyBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	durationBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 60, 120, 240, 600}
)

// New makes a set of metrics that starts at zero, in a registry of its own.
func New(cfg Config) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("mpc_http_requests_total", "Answered requests.", "route", "method", "code"),
		latency:  histograms("mpc_http_request_duration_seconds", "Time to answer a request.", latencyBuckets, "route", "method", "code"),
		failures: counters("mpc_http_failed_authentications_total", "Requests without a right key, address or token.", "reason"),
		limited:  counters("mpc_http_rate_limited_total", "Requests answered with 429.", "limit"),
		sessions: counters("mpc_sessions_total", "Sessions that have ended.", "kind", "outcome"),
		durations: histograms("mpc_session_duration_seconds", "Time from a session's creation to its end.",
			durationBuckets, "kind", "outcome"),
		blames:     counters("mpc_blames_total", "Times that a party blamed another for a failure.", "reason", "proven"),
		keygens:    counter("mpc_keygen_success_total", "Keys that were made."),
		signatures: counter("mpc_sign_success_total", "Signatures that were made and verified."),
	}
	m.registry.MustRegister( // panics only if two of these had one name
		m.requests, m.latency, m.failures, m.limited, m.sessions, m.durations, m.blames, m.keygens, m.signatures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.watch(cfg)
	return m
}

// watch registers the metrics that are read rather than counted.
func (m *Metrics) watch(cfg Config) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mpc_build_info", Help: "Always 1; the label tells the version.", ConstLabels: prometheus.Labels{"version": cfg.Version},
	})
	build.Set(1)
	m.registry.MustRegister(build)
	if cfg.LiveParties != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "mpc_live_parties", Help: "Parties that can take part in a session now."},
			func() float64 { return float64(cfg.LiveParties()) }))
	}
	if cfg.Events != nil {
		m.registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: "mpc_registry_events_total", Help: "Events in the registry's log, over all runs."},
			func() float64 { return float64(cfg.Events()) }))
	}
	if cfg.Presignatures != nil {
		m.registry.MustRegister(presignCollector(cfg.Presignatures))
	}
	if cfg.Stocks != nil {
		m.registry.MustRegister(stockCollector(cfg.Stocks))
	}
	if cfg.Queue != nil {
		m.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mpc_sessions_working", Help: "Sessions at work."},
				func() float64 { n, _ := cfg.Queue(); return float64(n) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mpc_sessions_waiting", Help: "Sessions that wait for their turn."},
				func() float64 { _, n := cfg.Queue(); return float64(n) }))
	}
	if cfg.CertExpires != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "mpc_tls_certificate_expiry_timestamp_seconds", Help: "End of the TLS certificate's validity, Unix time."},
			func() float64 { return float64(cfg.CertExpires().Unix()) }))
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}
