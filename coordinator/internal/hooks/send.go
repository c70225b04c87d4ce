package hooks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// newClient makes the client of all calls.
func newClient(cfg *Config) *http.Client {
	return &http.Client{
		Transport:     byScheme{plain: newTransport(cfg, cfg.policy("http")), secure: newTransport(cfg, cfg.policy("https"))},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       callTimeout,
	}
}

// newTransport has no proxy: one would dial in our place, past the policy.
func newTransport(cfg *Config, p policy) *http.Transport {
	return &http.Transport{
		DialContext: p.dialer().DialContext, TLSClientConfig: cfg.TLS.Clone(), ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: callTimeout, IdleConnTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: maxCalls, MaxResponseHeaderBytes: 32 << 10, DisableCompression: true,
	}
}

// byScheme sends a request over the transport that is right for its URL.
type byScheme struct{ plain, secure *http.Transport }

func (b byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return b.plain.RoundTrip(r)
	}
	return b.secure.RoundTrip(r)
}

func (b byScheme) CloseIdleConnections() {
	b.plain.CloseIdleConnections()
	b.secure.CloseIdleConnections()
}

// result is how a try ended.
type result struct {
	target *target
	lane   *lane
	at     time.Time
	status int   // of the answer; 0: none came
	err    error // nil: delivered
	final  bool  // it makes no sense to try again
}

// errGone reports an event that the registry has dropped.
var errGone = errors.New("the event is not in the registry any more")

// try makes one call.
func (h *Hooks) try(t *target, l *lane, seq uint64) result {
	r := result{target: t, lane: l}
	d := Delivery{Webhook: t.ID, Seq: seq}
	r.status, r.err = h.call(t, &d)
	r.at, r.final = h.cfg.Now().UTC(), errors.Is(r.err, errGone)
	return r
}

func (h *Hooks) call(t *target, d *Delivery) (status int, err error) {
	e, ok, err := h.cfg.Registry.Event(d.Seq)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errGone
	}
	body, err := h.body(d.ID(), &e)
	if err != nil {
		return 0, err
	}
	secret, err := h.secrets.open(t.ID, t.Secret)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(t.ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	h.sign(req, secret, body)
	req.Header.Set("Mpc-Delivery", d.ID())
	req.Header.Set("Mpc-Event", string(e.Type))
	return h.do(req)
}

// sign sets the headers that are the same for all events.
func (h *Hooks) sign(req *http.Request, secret string, body []byte) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "mpcd-webhook/"+h.cfg.Version)
	req.Header.Set("Mpc-Signature", Signature(secret, h.cfg.Now(), body))
}

// Signature is the header Mpc-Signature of a body that is sent at a time.
func Signature(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

func (h *Hooks) do(req *http.Request) (status int, err error) {
	res, err := h.client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) && !outer.Timeout() {
			err = outer.Err // without the URL, which may hold a token
		} else if errors.As(err, &outer) {
			err = fmt.Errorf("no answer within %v", callTimeout)
		}
		return 0, err
	}
	defer res.Body.Close() // its status is what counts
	if _, err := io.CopyN(io.Discard, res.Body, maxAnswer); err != nil && !errors.Is(err, io.EOF) {
		log.Debugw("the answer of a webhook broke off", "error", err) // the connection is not used again
	}
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return res.StatusCode, nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return res.StatusCode, fmt.Errorf("status %d: redirects are not followed", res.StatusCode)
	}
	return res.StatusCode, fmt.Errorf("status %d", res.StatusCode)
}
