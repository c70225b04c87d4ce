package coordinator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// pemPair is a self-signed certificate for loopback, told from others by its
// serial number.
type pemPair struct{ cert, key []byte }

func newPair(t *testing.T, serial int64, end time.Time) pemPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: end.Add(-48 * time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemPair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

// pairFiles are the files that a coordinator is told.
type pairFiles struct {
	t         *testing.T
	cert, key string
}

func newPairFiles(t *testing.T) pairFiles {
	dir := t.TempDir()
	return pairFiles{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

func (f pairFiles) write(p pemPair) {
	f.t.Helper()
	if err := errors.Join(os.WriteFile(f.cert, p.cert, 0o600), os.WriteFile(f.key, p.key, 0o600)); err != nil {
		f.t.Fatal(err)
	}
}

// serial makes a new connection and returns the certificate's serial number.
func (cl *cluster) serial() int64 {
	cl.t.Helper()
	conn, err := tls.Dial("tcp", cl.c.Addrs()[0], &tls.Config{InsecureSkipVerify: true}) // which one is the question
	if err != nil {
		cl.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func newTLSCluster(t *testing.T, files pairFiles, trusted pemPair) *cluster {
	t.Helper()
	cl := newClusterWith(t, func(c *Config) { c.TLSCert, c.TLSKey = files.cert, files.key })
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trusted.cert) {
		t.Fatal("no certificate to trust")
	}
	cl.base = "https://" + cl.c.Addrs()[0]
	cl.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	return cl
}

func TestTLS(t *testing.T) {
	t.Parallel()
	files, pair := newPairFiles(t), newPair(t, 1, time.Now().Add(time.Hour))
	files.write(pair)
	cl := newTLSCluster(t, files, pair)
	res, err := cl.http.Get(cl.base + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.ProtoMajor != 2 || res.TLS.Version != tls.VersionTLS13 || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%s, TLS %x, headers %v", res.Proto, res.TLS.Version, res.Header)
	}
	as[rest.PartyList](t, cl.get("/api/v1/parties"), 200)
	problem(t, cl.post("/api/v1/accounts", `{"user_id":"u"}`), 409, "pool_too_small") // a body over HTTP/2

	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", cl.c.Addrs()[0], old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is accepted")
	}
	plain, err := http.Get("http://" + cl.c.Addrs()[0] + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Body.Close() }()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d", plain.StatusCode)
	}
}

func TestCertificateIsFollowed(t *testing.T) {
	t.Parallel()
	files, first := newPairFiles(t), newPair(t, 1, time.Now().Add(time.Hour))
	files.write(first)
	cl := newTLSCluster(t, files, first)
	as[rest.PartyList](t, cl.get("/api/v1/parties"), 200) // a connection that stays
	if n := cl.serial(); n != 1 {
		t.Fatalf("serial %d", n)
	}
	files.write(newPair(t, 2, time.Now().Add(2*time.Hour)))
	until(t, "new connections get the new certificate", func() bool { return cl.serial() == 2 })
	as[rest.PartyList](t, cl.get("/api/v1/parties"), 200)

	other := newPair(t, 3, time.Now().Add(time.Hour))
	for name, spoil := range map[string]pemPair{
		"no PEM": {[]byte("x"), []byte("y")}, "a key of another certificate": {other.cert, first.key},
		"ended": newPair(t, 4, time.Now().Add(-time.Hour)),
	} {
		files.write(spoil)
		cl.c.Reload()
		if n := cl.serial(); n != 2 {
			t.Errorf("%s: serial %d", name, n)
		}
	}
	if err := os.Remove(files.cert); err != nil {
		t.Fatal(err)
	}
	cl.c.Reload()
	if n := cl.serial(); n != 2 {
		t.Errorf("no file: serial %d", n)
	}
	files.write(other)
	cl.c.Reload() // as SIGHUP does
	if n := cl.serial(); n != 3 {
		t.Errorf("serial %d", n)
	}
}

func TestCertificateErrors(t *testing.T) {
	t.Parallel()
	good := newPairFiles(t)
	good.write(newPair(t, 1, time.Now().Add(time.Hour)))
	ended := newPairFiles(t)
	ended.write(newPair(t, 1, time.Now().Add(-time.Hour)))
	for name, files := range map[string]pairFiles{
		"no files": {cert: "nowhere", key: "nowhere"}, "no key": {cert: good.cert}, "key in place of certificate": {cert: good.key, key: good.key},
		"another key": {cert: good.cert, key: ended.key}, "ended": ended,
	} {
		cfg := Config{
			Dir: t.TempDir(), Network: testNetwork, Listen: []string{"127.0.0.1:0"}, Approver: newIdentity(t).key,
			Edge: Edge{APIKey: testKey, TLSCert: files.cert, TLSKey: files.key},
		}
		if _, err := assemble(cfg, newFakeNet(t)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
