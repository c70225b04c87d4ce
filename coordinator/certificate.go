package coordinator

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certInterval is how often the files of the certificate are looked at, at most.
const certInterval = 2 * time.Second

// certificate is the pair that the HTTP API shows. It follows its files: a
// handshake looks whether they have changed, and a pair that is no good leaves
// the one before in place.
type certificate struct {
	certFile, keyFile string
	pair              atomic.Pointer[tls.Certificate]
	looked            atomic.Int64 // Unix nanoseconds of the last look
	mu                sync.Mutex   // guards stamp, and the one who reads the files
	stamp             string       // of the files as they were read last
}

// openCertificate reads a certificate chain and its key, both PEM.
func openCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	var err error
	if c.stamp, err = c.stat(); err == nil {
		err = c.read()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: TLS certificate: %w", ErrConfig, err)
	}
	c.looked.Store(time.Now().UnixNano())
	return c, nil
}

// config is for servers: HTTP/2 is added by net/http.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c.look(false)
		return c.pair.Load(), nil
	}}
}

// expires is the end of the validity of the pair in use.
func (c *certificate) expires() time.Time { return c.pair.Load().Leaf.NotAfter }

// look reads the files if they have changed; now: without regard to when they
// were looked at last. Of several callers one reads, the others go on with the
// pair there is.
func (c *certificate) look(now bool) {
	last, t := c.looked.Load(), time.Now().UnixNano()
	if !now && t-last < int64(certInterval) || !c.looked.CompareAndSwap(last, t) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp, err := c.stat()
	if err == nil {
		if stamp == c.stamp {
			return
		}
		err = c.read()
	}
	if err == nil {
		log.Infow("TLS certificate read", "file", c.certFile, "expires", c.expires())
	} else if stamp != c.stamp { // told once for each content
		log.Errorw("the TLS certificate stays as it was: the new files are no good", "expires", c.expires(), "error", err)
	}
	c.stamp = stamp
}

func (c *certificate) read() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile) // checks that they belong together
	if err != nil {
		return err
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		return fmt.Errorf("%s ended at %s", c.certFile, end.UTC().Format(time.RFC3339))
	}
	c.pair.Store(&pair)
	return nil
}

// stat returns what changes when a file does. It follows links, as a mounted
// Kubernetes secret has them.
func (c *certificate) stat() (string, error) {
	var stamp string
	var failed error
	for _, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			failed = errors.Join(failed, err)
			stamp += "missing;"
			continue
		}
		stamp += fmt.Sprintf("%d %d %v;", info.ModTime().UnixNano(), info.Size(), info.Mode())
	}
	return stamp, failed
}
