package metrics

import "github.com/prometheus/client_golang/prometheus"

// Presignatures counts presignatures since the start.
type Presignatures struct {
	Held                  int // wait for requests
	Used, Missed, Expired uint64
}

// Stock is what a party has in stock.
type Stock struct {
	Party, PeerID string
	Preparameters int // sets
}

// presignCollector reads all counts at once.
type presignCollector func() Presignatures

var (
	presignHeld    = prometheus.NewDesc("mpc_presignatures", "Presignatures that wait for requests.", nil, nil)
	presignUsed    = prometheus.NewDesc("mpc_presignatures_used_total", "Presignatures that signings have used up.", nil, nil)
	presignMissed  = prometheus.NewDesc("mpc_presignatures_missed_total", "Of those, that signings could not use: they ran all rounds after all.", nil, nil)
	presignExpired = prometheus.NewDesc("mpc_presignatures_expired_total", "Presignatures that were dropped without use.", nil, nil)
)

// Describe implements prometheus.Collector.
func (presignCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{presignHeld, presignUsed, presignMissed, presignExpired} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (read presignCollector) Collect(ch chan<- prometheus.Metric) {
	p := read()
	ch <- prometheus.MustNewConstMetric(presignHeld, prometheus.GaugeValue, float64(p.Held))
	ch <- prometheus.MustNewConstMetric(presignUsed, prometheus.CounterValue, float64(p.Used))
	ch <- prometheus.MustNewConstMetric(presignMissed, prometheus.CounterValue, float64(p.Missed))
	ch <- prometheus.MustNewConstMetric(presignExpired, prometheus.CounterValue, float64(p.Expired))
}

// stockCollector has a series for each live party: a network has a few dozen.
type stockCollector func() []Stock

var stockDesc = prometheus.NewDesc("mpc_party_preparameters", "Sets of pre-parameters that a live party has in stock.", []string{"party", "peer_id"}, nil)

// Describe implements prometheus.Collector.
func (stockCollector) Describe(ch chan<- *prometheus.Desc) { ch <- stockDesc }

// Collect implements prometheus.Collector.
func (read stockCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range read() {
		ch <- prometheus.MustNewConstMetric(stockDesc, prometheus.GaugeValue, float64(s.Preparameters), s.Party, s.PeerID)
	}
}
