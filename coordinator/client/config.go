package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Defaults of Config.
const (
	DefaultTimeout = 10 * time.Minute // a session waits up to 5 min for its turn; then a key generation has the time of two attempts of 120 s
	DefaultTries   = 5
)

// knownKeys is how many accounts' keys a client keeps at hand.
const knownKeys = 4096

// ErrConfig reports a Config that no client can be made of.
var ErrConfig = errors.New("configuration of the client")

// Config says which coordinator a Client calls, and how.
type Config struct {
	// URL is where the API is, up to but without /api/v1: http or https, host,
	// port. Required.
	URL string
	// Key is the API key, for the header X-API-Key. Empty: none is sent, and only
	// Health, Ready, Invite and Join work.
	Key string
	// JoinToken is what Join has answered. It admits to one session and its
	// events, without a Key.
	JoinToken string
	// HTTPClient makes the requests; its CheckRedirect is not used, for a redirect
	// would carry the API key to another place. Default: one of the client's own.
	HTTPClient *http.Client
	// TLS configures the connections of the default HTTPClient, such as an
	// authority of your own.
	TLS *tls.Config
	// UserAgent names the calling program.
	UserAgent string
	// Timeout bounds a call with all its tries when its context has no deadline.
	// Default: DefaultTimeout.
	Timeout time.Duration
	// Tries is how often a call is made at most. Default: DefaultTries; 1: never
	// again.
	Tries int
	// OnRetry is told before a call waits for its next try: why, and for how long.
	// It must not block. Default: nobody is told.
	OnRetry func(err error, wait time.Duration)
	// Trust says what a key certificate must fulfil beside its signatures.
	Trust Trust
	// Pins remembers the keys of accounts. Default: this client does, while it
	// lives; FilePins remembers for longer.
	Pins Pins
}

// Validate checks the settings. Errors are ErrConfig.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return fmt.Errorf("%w: no URL of a coordinator: give one like https://mpc.example.com:4000", ErrConfig)
	case err != nil:
		return fmt.Errorf("%w: URL: write it like https://mpc.example.com:4000", ErrConfig) // the error would repeat what may hold a password
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%w: URL %q: write it like https://mpc.example.com:4000", ErrConfig, u.Redacted())
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%w: URL: it has a user, a query or a fragment, which mean nothing here", ErrConfig)
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1"):
		return fmt.Errorf("%w: URL %q: leave /api/v1 out", ErrConfig, c.URL)
	case c.Key != "" && c.JoinToken != "":
		return fmt.Errorf("%w: it has an API key and a join token: give one of them", ErrConfig)
	case !headerValue(c.Key) || !headerValue(c.JoinToken) || !headerValue(c.UserAgent):
		return fmt.Errorf("%w: key, token or user agent has characters that a header cannot carry, such as a line end", ErrConfig)
	case c.HTTPClient != nil && c.TLS != nil:
		return fmt.Errorf("%w: TLS is for the default HTTPClient: configure the transport of yours", ErrConfig)
	case c.Timeout < 0 || c.Tries < 0:
		return fmt.Errorf("%w: Timeout and Tries are not negative", ErrConfig)
	}
	return c.Trust.validate()
}

// headerValue tells whether s has printable ASCII only (RFC 9110 §5.5).
func headerValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// Client calls one coordinator. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base string // without a slash at the end
	http *http.Client
	own  *http.Transport          // nil when the HTTPClient is the caller's
	keys *lru.Cache[string, *Key] // by account
}

// New returns a client. It connects to nothing.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Tries == 0 {
		cfg.Tries = DefaultTries
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "mpc-go-client"
	}
	if cfg.OnRetry == nil {
		cfg.OnRetry = func(error, time.Duration) {}
	}
	if cfg.Pins == nil {
		cfg.Pins = NewPins()
	}
	keys, err := lru.New[string, *Key](knownKeys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c := &Client{cfg: cfg, base: strings.TrimSuffix(cfg.URL, "/"), keys: keys}
	if cfg.HTTPClient != nil {
		own := *cfg.HTTPClient
		c.http = &own
	} else {
		c.own = newTransport(cfg.TLS)
		c.http = &http.Client{Transport: c.own}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// Close ends the idle connections of the default HTTPClient. Calls that run go
// on.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// newTransport gives up on a host that takes no connection, and finds out when
// one has gone away while a call waits for a session; it does not bound the wait.
func newTransport(tlsConfig *tls.Config) *http.Transport {
	const dial, alive = 10 * time.Second, 15 * time.Second
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dial, KeepAlive: alive}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       tlsConfig.Clone(), // nil stays nil
		TLSHandshakeTimeout:   dial,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: alive, PingTimeout: alive},
	}
}
