package coordinator

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/api"
	"github.com/meshmpc/mpcd/coordinator/internal/metrics"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Defaults of Config.RateReads and Config.RateWrites for a daemon.
const (
	DefaultRateReads  = 5000
	DefaultRateWrites = 500
)

// Edge is how the coordinator meets its callers.
type Edge struct {
	APIKey         string         // the key "backend" with every scope, at least 32 characters; empty: KeyFile must have keys
	KeyFile        string         // more keys, see KeyFile; empty: none
	AllowedIPs     []netip.Prefix // who may call; empty: loopback only
	JoinAllowedIPs []netip.Prefix // who may call with an invite code or a join token; empty: AllowedIPs
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed

	// RateReads and RateWrites are calls a second that each key may make, with
	// bursts of the same number; 0: as many as it likes.
	RateReads, RateWrites int

	TLSCert, TLSKey string // files, PEM; both or none. They are read again when they change
	MetricsListen   string // host:port of GET /metrics, without TLS or authentication; empty: none
}

func (e *Edge) validate() error {
	keys := access.KeysConfig{Secret: e.APIKey, File: access.File(e.KeyFile)}
	if err := keys.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	switch {
	case e.RateReads < 0 || e.RateWrites < 0:
		return fmt.Errorf("%w: a rate below 0: use 0 for no limit", ErrConfig)
	case (e.TLSCert == "") != (e.TLSKey == ""):
		return fmt.Errorf("%w: TLS needs both a certificate and its key", ErrConfig)
	}
	return nil
}

// edge is what stands between callers and the engine.
type edge struct {
	keys     *access.Keys
	failures *access.Failures
	metrics  *metrics.Metrics
	cert     *certificate // nil: no TLS
	scrapers net.Listener // nil: nobody reads the metrics
}

func (c *Coordinator) openEdge() (err error) {
	cfg := &c.cfg.Edge
	if c.edge.keys, err = access.OpenKeys(access.KeysConfig{Secret: cfg.APIKey, File: access.File(cfg.KeyFile)}); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c.edge.failures = access.NewFailures(access.FailuresConfig{Sink: c.auditFailures})
	if cfg.TLSCert != "" {
		if c.edge.cert, err = openCertificate(cfg.TLSCert, cfg.TLSKey); err != nil {
			return err
		}
	}
	if cfg.MetricsListen != "" {
		bound, err := listen([]string{cfg.MetricsListen})
		if err != nil {
			return err
		}
		c.edge.scrapers = bound[0]
	}
	c.edge.metrics = metrics.New(c.watched())
	return nil
}

// auditFailures writes failed authentications into the audit log, by address and
// reason.
func (c *Coordinator) auditFailures(f access.FailedAuth) {
	c.registry.Note(nil, registry.Event{
		Stream: registry.AuthFailures, Type: registry.AuthFailed, Code: f.Reason, Count: f.Count, Actor: &registry.Actor{Client: f.Client},
	})
}

// watched are the metrics that are read rather than counted.
func (c *Coordinator) watched() metrics.Config {
	m := metrics.Config{
		Version:     c.cfg.Version,
		LiveParties: func() int { return len(c.pool.Live()) },
		Events:      c.registry.LastSeq,
		Queue:       func() (int, int) { return c.engine.Queue() },
		Presignatures: func() metrics.Presignatures {
			p := c.engine.Presignatures()
			return metrics.Presignatures{Held: p.Held, Used: p.Used, Missed: p.Missed, Expired: p.Expired}
		},
		Stocks: c.stocks,
	}
	if c.edge.cert != nil {
		m.CertExpires = c.edge.cert.expires
	}
	return m
}

// stocks lists what the live parties have in stock.
func (c *Coordinator) stocks() (list []metrics.Stock) {
	for _, p := range c.pool.All() {
		if p.Live && !p.Delegate {
			list = append(list, metrics.Stock{Party: p.Name, PeerID: p.Peer, Preparameters: p.Stock})
		}
	}
	return list
}

// access is what the API asks about its callers.
func (c *Coordinator) access() api.Access {
	cfg := &c.cfg.Edge
	return api.Access{
		Keys: c.edge.keys, Failures: c.edge.failures,
		Limiter: access.NewLimiter(access.Rates{Reads: cfg.RateReads, Writes: cfg.RateWrites}, time.Now),
		Allow:   cfg.AllowedIPs, JoinAllow: cfg.JoinAllowedIPs, Proxies: cfg.TrustedProxies,
	}
}

// serveMetrics answers scrapers until ctx ends, if there are to be any.
func (e *edge) serveMetrics(ctx context.Context) error {
	if e.scrapers == nil {
		return nil
	}
	return e.metrics.Serve(ctx, e.scrapers)
}

func (e *edge) close() {
	if e.scrapers != nil {
		closeAll([]net.Listener{e.scrapers})
	}
}

// MetricsAddr returns the bound address of the metrics, host:port; empty: there
// is none.
func (c *Coordinator) MetricsAddr() string {
	if c.edge.scrapers == nil {
		return ""
	}
	return c.edge.scrapers.Addr().String()
}

// Reload reads the files of API keys and of the TLS certificate now if they have
// changed. Without it they are noticed a few seconds later.
func (c *Coordinator) Reload() {
	c.edge.keys.Reload()
	if c.edge.cert != nil {
		c.edge.cert.look(true)
	}
}
