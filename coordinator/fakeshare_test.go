package coordinator

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// fakeShare is a user's share that a delegate keeps.
type fakeShare struct {
	spec      protocol.Spec
	secret    []byte
	asked     bool
	recipient []byte
	erased    bool
}

func newX25519(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// openSeal makes the key that users seal their shares to.
func (p *party) openSeal() {
	p.seal = newX25519(p.net.t)
	var err error
	p.sealKey, err = protocol.SignSealKey(p.identity, protocol.SealKey{
		Network: testNetwork, Key: p.seal.PublicKey().Bytes(), Expires: time.Now().Add(24 * time.Hour).Unix(),
	})
	if err != nil {
		p.net.t.Errorf("seal key: %v", err)
	}
}

// remember fixes a key's approvers, as members do in their records.
func (n *fakeNet) remember(s *protocol.Spec) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.allowed[s.Key] = s.Approvers
}

func (n *fakeNet) approvers(s *protocol.Spec) protocol.Approvers {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.allowed[s.Key]; ok {
		return a
	}
	return s.Approvers
}

func (p *party) roleIn(s *protocol.Spec) protocol.Role {
	i := slices.IndexFunc(s.Roster, func(m protocol.Member) bool { return m.Peer == p.ID() })
	if i < 0 {
		p.net.t.Errorf("%s got a proposal that is not for it", p.name)
		return ""
	}
	return s.Roster[i].Role
}

// keepShare makes the user's share if the party is the delegate of a key.
func (p *party) keepShare(s *protocol.Spec) {
	if p.roleIn(s) != protocol.Delegate {
		return
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shares[s.Key] == nil {
		p.shares[s.Key] = &fakeShare{spec: *s, secret: secret}
	}
}

// share returns the secret of a user's share.
func (p *party) share(key string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shares[key].secret
}

// checkUserShare refuses a proposal to sign whose user's share is not the one
// that the party made, as a delegate; others must not see any.
func (p *party) checkUserShare(f *protocol.Propose) protocol.Code {
	if p.roleIn(&f.Spec) != protocol.Delegate {
		if f.UserShare != "" {
			p.net.t.Errorf("%s got a user's share, and is no delegate", p.name)
		}
		return ""
	}
	sealed, data, err := protocol.ParseShare(f.UserShare)
	if err != nil {
		return protocol.CodeUserShare
	}
	if !sealed {
		return protocol.CodePlainShare
	}
	if data, err = protocol.OpenShare(p.seal, protocol.BindingFor(&f.Spec), data); err != nil || !bytes.Equal(data, p.share(f.Spec.Key)) {
		return protocol.CodeUserShare
	}
	return ""
}

// shareRequest answers as a node does.
func (p *party) shareRequest(q *protocol.ShareRequest, act script) {
	if act.shareMute {
		return
	}
	reply := protocol.ShareReply{ID: q.ID, Code: act.shareCode, Detail: "scripted"}
	if reply.Code == "" {
		reply = p.answerShare(q)
	}
	p.net.deliver(p.ID(), protocol.Frame{ShareReply: &reply})
}

func (p *party) answerShare(q *protocol.ShareRequest) protocol.ShareReply {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(code protocol.Code) protocol.ShareReply {
		return protocol.ShareReply{ID: q.ID, Code: code, Detail: "not given"}
	}
	share := p.shares[q.Key]
	switch {
	case share == nil, share.erased && !q.Erase:
		return refuse(protocol.CodeNoShare)
	case q.Erase:
		share.erased = true
		return protocol.ShareReply{ID: q.ID, Erased: true}
	}
	want := share.spec.Recipient
	if len(want) == 0 {
		if !share.asked {
			share.asked, share.recipient = true, q.Recipient
		}
		want = share.recipient
	}
	if !bytes.Equal(want, q.Recipient) {
		return refuse(protocol.CodeUnauthorised)
	}
	text := protocol.FormatShare(false, share.secret)
	if len(want) > 0 {
		sealed, err := protocol.SealShare(want, protocol.BindingFor(&share.spec), share.secret)
		if err != nil {
			return refuse(protocol.CodeInvalid)
		}
		text = protocol.FormatShare(true, sealed)
	}
	return protocol.ShareReply{ID: q.ID, Share: text, Expires: time.Now().Add(24 * time.Hour).Unix()}
}

// opened returns the secret in a share that the API gave out.
func opened(t testing.TB, u *rest.UserShare, key *ecdh.PrivateKey, a rest.Account) []byte {
	t.Helper()
	if u == nil {
		t.Fatal("the answer has no share")
	}
	sealed, data, err := protocol.ParseShare(u.Share)
	if err != nil || sealed != u.Sealed || sealed != (key != nil) {
		t.Fatalf("share %+v: %v", u, err)
	}
	if key == nil {
		return data
	}
	plain, err := protocol.OpenShare(key, protocol.ShareBinding{Network: testNetwork, Account: a.ID, Key: a.KeygenSessionID, Purpose: protocol.PurposeDeliver}, data)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// sealFor seals a share for one digest, as the SDK does.
func sealFor(t testing.TB, a rest.Account, secret []byte, hexDigest string) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(a.SealKey.Key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := protocol.SealShare(key, protocol.ShareBinding{
		Network: testNetwork, Account: a.ID, Key: a.KeygenSessionID, Purpose: protocol.PurposeSign, Digest: hexDigest,
	}, secret)
	if err != nil {
		t.Fatal(err)
	}
	return protocol.FormatShare(true, sealed)
}

// device adds a user's device to the network.
func (n *fakeNet) device(name string) *party {
	return n.add(&party{identity: newIdentity(n.t), name: name, external: true, boot: 1})
}

// joinBody is the body of a join by a device.
func joinBody(p *party, session, code string) string {
	proof := p.Sign(protocol.JoinStatement(testNetwork, session, p.ID(), sha256.Sum256([]byte(code))))
	return encode(rest.Join{PeerID: p.ID(), Proof: base64.StdEncoding.EncodeToString(proof), Name: p.name})
}

// encode is a body as JSON.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a body of this package
	}
	return string(data)
}
