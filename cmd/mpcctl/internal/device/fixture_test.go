package device

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const testPassphrase = "correct horse battery"

// testWork makes opening a file cheap.
const testWork = 2

func newKey(tb testing.TB) ed25519.PrivateKey {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func peerOf(key ed25519.PrivateKey) protocol.PeerID {
	return protocol.PeerIDOf(key.Public().(ed25519.PublicKey))
}

// madeKey is a 2-of-3 EdDSA key of a server party and two devices.
type madeKey struct {
	identities []ed25519.PrivateKey
	records    []protocol.KeyRecord
}

// makeKey runs a key generation; identities are those of the members.
func makeKey(tb testing.TB, session string, identities ...ed25519.PrivateKey) madeKey {
	tb.Helper()
	spec := testSpec(tb, session, identities)
	var parties []protocoltest.Party
	for _, m := range spec.Roster {
		machine, err := tss.NewKeygen(tss.KeygenConfig{
			SID: spec.SID(), Scheme: spec.Scheme, Threshold: spec.Threshold, Roster: spec.Roster, Self: m.Peer,
		})
		if err != nil {
			tb.Fatal(err)
		}
		parties = append(parties, protocoltest.Party{Peer: m.Peer, Machine: machine})
	}
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	code := sha256.Sum256([]byte(session))
	first := results[spec.Roster[0].Peer]
	certificate := &protocol.Certificate{Body: protocol.NewCertificateBody(spec, first, code)}
	for _, key := range identities {
		certificate.Signatures = append(certificate.Signatures, ed25519.Sign(key, certificate.Body.Signed()))
	}
	made := madeKey{identities: identities}
	for _, m := range spec.Roster {
		r := results[m.Peer]
		made.records = append(made.records, protocol.KeyRecord{
			Version: protocol.KeyRecordVersion, Spec: *spec, Share: r.Share, PublicKey: r.PublicKey,
			ChainCode: code, PublicHash: r.PublicHash, Certificate: certificate,
		})
	}
	return made
}

func testSpec(tb testing.TB, session string, identities []ed25519.PrivateKey) *protocol.Spec {
	tb.Helper()
	approver, err := x509.MarshalPKIXPublicKey(newKey(tb).Public())
	if err != nil {
		tb.Fatal(err)
	}
	s := &protocol.Spec{
		Version: protocol.SpecVersion, Network: "test", Kind: protocol.KindKeygen, Session: session, Attempt: 1,
		Account: "account-" + session, Key: session, Scheme: protocol.EdDSA, Threshold: 2, Owner: "alice",
		Expires: time.Now().Add(time.Minute).Unix(), Coordinator: peerOf(newKey(tb)),
		Approvers: protocol.Approvers{M: 1, Keys: [][]byte{approver}},
	}
	for i, key := range identities {
		role := protocol.External
		if i == 0 {
			role = protocol.Persistent
		}
		s.Roster = append(s.Roster, protocol.Member{Peer: peerOf(key), Role: role})
	}
	if err := s.Validate(); err != nil {
		tb.Fatal(err)
	}
	return s
}

func testFolder(tb testing.TB) FolderConfig {
	tb.Helper()
	return FolderConfig{Dir: filepath.Join(tb.TempDir(), "device"), Passphrase: passphrase(testPassphrase), Work: testWork}
}

func passphrase(text string) func(bool) (string, error) {
	return func(bool) (string, error) { return text, nil }
}

// openWith opens the folder of the device with this key, which it makes.
func openWith(tb testing.TB, cfg FolderConfig, key ed25519.PrivateKey) *Folder {
	tb.Helper()
	f, err := open(cfg, func() (*secrets, error) { return newSecrets(key), nil })
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func closeFolder(tb testing.TB, f *Folder) {
	tb.Helper()
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}

// holder is a device that holds the share of the key's second member.
func holder(tb testing.TB, key madeKey) *Folder {
	tb.Helper()
	f := openWith(tb, testFolder(tb), key.identities[1])
	if err := node.RestoreShare(tb.Context(), f.store, &key.records[1]); err != nil {
		tb.Fatal(err)
	}
	return f
}
