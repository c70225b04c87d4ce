package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

var update = flag.Bool("update", false, "write testdata/vectors.txt again; the formats are final, so a change breaks running networks")

const vectorsIntro = `# Test vectors of the formats that package protocol defines, for whoever writes another implementation.
#
# diagnostic   the value in CBOR diagnostic notation (RFC 8949 section 8)
# cbor         its only valid encoding, deterministic CBOR (RFC 8949 section 4.2), in hex; absent lists are null
# label, hash  SHA-256(label, a zero byte, preimage); the preimage is the CBOR unless the vector gives another
# signature    Ed25519 (RFC 8032) by the signer's key over the 32 bytes of the hash
#
# The Ed25519 seed of a name is the SHA-256 of the name; a peer id is libp2p's text form of the public key.
# Nothing here is secret, and no key of it may be used.
`

// vector is one block of the file: lines "name: value".
type vector struct {
	title string
	lines []string
}

func (v *vector) add(name, format string, args ...any) *vector {
	v.lines = append(v.lines, fmt.Sprintf("%-12s %s", name+":", fmt.Sprintf(format, args...)))
	return v
}

// encoded adds a value's encoding and returns it.
func (v *vector) encoded(tb testing.TB, value any) []byte {
	tb.Helper()
	data := encode(tb, value)
	diagnostic, err := cbor.Diagnose(data)
	noError(tb, err)
	v.add("diagnostic", "%s", diagnostic).add("cbor", "%x", data)
	return data
}

// hashed adds the hash of a preimage; it does not use the code under test.
func (v *vector) hashed(label string, preimage []byte) []byte {
	sum := sha256.Sum256(slices.Concat([]byte(label), []byte{0}, preimage))
	v.add("label", "%s", label).add("hash", "%x", sum)
	return sum[:]
}

func (v *vector) signed(who *identity, sum []byte) []byte {
	sig := who.Sign(sum)
	v.add("signer", "%s", who.name).add("signature", "%x", sig)
	return sig
}

func (v *vector) String() string { return "== " + v.title + "\n" + strings.Join(v.lines, "\n") + "\n" }

// same checks the vector against what the package computes.
func same(tb testing.TB, what string, got, want []byte) {
	tb.Helper()
	if !bytes.Equal(got, want) {
		tb.Errorf("%s: the package computes %x, the vector says %x", what, got, want)
	}
}

func vectors(tb testing.TB) []*vector {
	tb.Helper()
	list := []*vector{identityVectors()}
	list = append(list, specVectors(tb)...)
	list = append(list, envelopeVectors(tb)...)
	list = append(list, keyVectors(tb)...)
	list = append(list, recordVectors(tb)...)
	list = append(list, frameVectors(tb)...)
	list = append(list, approvalVectors(tb)...)
	list = append(list, shareVectors(tb)...)
	return append(list, blameVectors(tb)...)
}

func identityVectors() *vector {
	v := &vector{title: "names"}
	for _, i := range []*identity{parties[0], parties[1], parties[2], coordinator} {
		v.add("name", "%s", i.name).add("seed", "%x", i.key.Seed()).add("peer id", "%s", i.id)
	}
	return v.add("name", "approver (signs approvals, has no peer id)").add("seed", "%x", approverKey.Seed())
}

// fullSpec has every list filled, also those that this version refuses to run.
func fullSpec() *Spec {
	s := signSpec(2)
	s.Scheme, s.Payload, s.Path, s.Epoch, s.Attempt = EdDSA, []byte("\x00a message"), []uint32{44, 1 << 31}, 3, 2
	s.Authorisation, s.Roster[1].Role = []string{"header.claims.signature"}, Delegate
	return s
}

func specVectors(tb testing.TB) []*vector {
	var list []*vector
	for title, s := range orderedPairs("Spec of a keygen, 2-of-3", keygenSpec(2, 3), "Spec of an ECDSA signing", signSpec(2), "Spec with every field set", fullSpec(),
		"Spec of a presigning", presignSpec(2), "Spec of a signing that uses its result up", boundSpec(2)) {
		v := &vector{title: title}
		sid := s.SID()
		same(tb, title, sid[:], v.hashed("mpc/spec/v1", v.encoded(tb, s)))
		topic, shared := s.Topic()
		if shared {
			v.setOf(tb, s, topic)
		}
		list = append(list, v.add("topic", "%s", topic))
	}
	v := &vector{title: "Approvers"}
	sum := approvers.Hash()
	same(tb, v.title, sum[:], v.hashed("mpc/approvers/v1", v.encoded(tb, approvers)))
	return append(list, v)
}

// setOf shows what the signings of one set of parties have in common.
func (v *vector) setOf(tb testing.TB, s *Spec, topic string) {
	tb.Helper()
	data := encode(tb, struct {
		Key    string   `cbor:"1,keyasint"`
		Epoch  uint32   `cbor:"2,keyasint"`
		Roster []Member `cbor:"3,keyasint"`
	}{s.Key, s.Epoch, s.Roster})
	v.add("set", "%x", data).add("preimage", "the set")
	same(tb, v.title, []byte(topic), fmt.Appendf(nil, "k/%x", v.hashed("mpc/set/v1", data)))
}

// orderedPairs ranges over titles and specs in the order given.
func orderedPairs(pairs ...any) func(yield func(string, *Spec) bool) {
	return func(yield func(string, *Spec) bool) {
		for i := 0; i < len(pairs); i += 2 {
			if !yield(pairs[i].(string), pairs[i+1].(*Spec)) {
				return
			}
		}
	}
}

func envelopeVectors(tb testing.TB) []*vector {
	sid := keygenSpec(2, 3).SID()
	var list []*vector
	for _, c := range []struct {
		title   string
		header  Header
		payload []byte
	}{
		{"Envelope: ready, with a contribution to the chain code", Header{SID: sid, Type: TypeReady, Seq: 1}, contribution(0)},
		{"Envelope: the first message of a signing that was presigned", Header{SID: boundSpec(2).SID(), Type: TypeRound, Round: 4, Name: "SignRound4Message", Seq: 1}, []byte("round 4")},
		{"Envelope: a round's broadcast", Header{SID: sid, Type: TypeRound, Round: 1, Name: "KGRound1Message", Seq: 2}, []byte("round 1")},
		{"Envelope: a confidential message", Header{SID: sid, To: parties[1].id, Type: TypeRound, Round: 2, Name: "KGRound2Message1", Seq: 3}, []byte("for party 1")},
		{"Envelope: abort", Header{SID: sid, Type: TypeAbort, Seq: 4}, encode(tb, Failure{Code: CodeTimeout, Detail: "late"})},
	} {
		e := Seal(parties[0], c.header, c.payload)
		v := &vector{title: c.title}
		v.add("payload", "%x", c.payload)
		same(tb, "payload hash", e.Header.Hash[:], v.hashed("mpc/payload/v1", c.payload))
		header := encode(tb, e.Header)
		v.add("header", "%x", header).add("preimage", "the header")
		same(tb, c.title, e.Signature, v.signed(parties[0], v.hashed("mpc/envelope/v1", header)))
		_, err := OpenEnvelope(v.encoded(tb, e), verify)
		noError(tb, err)
		list = append(list, v)
	}
	return list
}

func keyVectors(tb testing.TB) []*vector {
	spec := keygenSpec(2, 3)
	sid := spec.SID()
	chain := &vector{title: "chain code of a 2-of-3 key"}
	parts := slices.Concat(contribution(0), contribution(1), contribution(2))
	chain.add("sid", "%s", sid).add("contributions", "%x", parts).add("preimage", "sid, then the contributions in roster order")
	code := ChainCode(sid, [][]byte{parts[:32], parts[32:64], parts[64:]})
	same(tb, chain.title, code[:], chain.hashed("mpc/chaincode/v1", slices.Concat(sid[:], parts)))

	committee := &vector{title: "committee of a 2-of-3 key"}
	data := committee.encoded(tb, struct {
		T int      `cbor:"1,keyasint"`
		R []Member `cbor:"2,keyasint"`
	}{2, spec.Roster})
	sum := CommitteeHash(2, spec.Roster)
	same(tb, committee.title, sum[:], committee.hashed("mpc/committee/v1", data))

	cert := sampleCertificate(spec)
	body := &vector{title: "CertificateBody of the same key"}
	signed := body.hashed("mpc/certificate/v1", body.encoded(tb, cert.Body))
	for i := range cert.Signatures {
		same(tb, body.title, cert.Signatures[i], body.signed(parties[i], signed))
	}
	whole := &vector{title: "Certificate of the same key"}
	whole.encoded(tb, cert)

	pending, active := &vector{title: "KeyRecord, pending"}, &vector{title: "KeyRecord, active"}
	record := KeyRecord{
		Version: KeyRecordVersion, Spec: *spec, Share: []byte("a share"), PublicKey: cert.Body.PublicKey, ChainCode: cert.Body.ChainCode, PublicHash: cert.Body.PublicHash,
	}
	pending.encoded(tb, record)
	record.Certificate = cert
	active.encoded(tb, record)
	return []*vector{chain, committee, body, whole, pending, active}
}

func recordVectors(tb testing.TB) []*vector {
	var list []*vector
	for _, r := range []*Record{sampleKeygenRecord(), sampleSignRecord()} {
		v := &vector{title: "Record of a " + string(r.Body.Spec.Kind)}
		body := encode(tb, r.Body)
		v.add("body", "%x", body).add("preimage", "the body")
		same(tb, v.title, r.Signature, v.signed(parties[1], v.hashed("mpc/record/v1", body)))
		v.encoded(tb, r)
		list = append(list, v)
	}
	beat := Heartbeat{
		Version: HeartbeatVersion, Network: "testnet", Peer: parties[0].id, Boot: 5, Seq: 6, Time: testNow.UnixMilli(), Software: "mpcd/1.0",
		Labels: map[string]string{"zone": "b", "a": ""}, Sessions: 1, Stock: 2, Keys: 3,
	}
	list = append(list, heartbeatVector(tb, "SignedHeartbeat", beat))
	beat.Held = 4
	list = append(list, heartbeatVector(tb, "SignedHeartbeat with presignatures", beat))
	beat.Held = 0
	seal, err := SignSealKey(parties[0], sampleSealKey(tb))
	noError(tb, err)
	beat.SealKey = seal
	return append(list, heartbeatVector(tb, "SignedHeartbeat with a seal key", beat))
}

func heartbeatVector(tb testing.TB, title string, beat Heartbeat) *vector {
	tb.Helper()
	v := &vector{title: title}
	body := encode(tb, beat)
	v.add("body", "%x", body).add("preimage", "the body")
	sig := v.signed(parties[0], v.hashed("mpc/heartbeat/v1", body))
	data, err := SealHeartbeat(parties[0], beat)
	noError(tb, err)
	same(tb, v.title, data, v.encoded(tb, SignedHeartbeat{Body: beat, Signature: sig}))
	return v
}

func frameVectors(tb testing.TB) []*vector {
	var list []*vector
	for _, name := range []string{"cancel", "ack", "accepted", "refused", "progress", "failure", "share request", "share reply", "held", "forget", "missing"} {
		v := &vector{title: "Frame: " + name}
		v.encoded(tb, sampleFrames()[name])
		list = append(list, v)
	}
	for _, name := range []string{"envelope", "pull", "empty pull", "endorse"} {
		v := &vector{title: "DirectFrame: " + name}
		v.encoded(tb, sampleDirectFrames()[name])
		list = append(list, v)
	}
	return list
}

func approvalVectors(tb testing.TB) []*vector {
	spec := signSpec(2)
	ed := &vector{title: "approval of the ECDSA signing above, EdDSA"}
	claims := claimsOf(tb, spec)
	key := spki(approverKey)
	tok, err := SignApproval(approverKey, ApprovalFor(spec, testNow, time.Minute))
	noError(tb, err)
	if made := token(header("EdDSA", ApprovalType, keyID(key)), claims, signEd25519); tok != made {
		tb.Errorf("SignApproval makes %s, by hand it is %s", tok, made)
	}
	ed.add("claims", "%s", claims).add("spki", "%x", key).add("kid", "%s", keyID(key)).add("token", "%s", tok)

	es := &vector{title: "the same by a P-256 approver, ES256 with the nonce of RFC 6979"}
	p256 := fixedP256(tb)
	key = spki(p256)
	sign := func(input []byte) []byte { return deterministicES256(tb, p256, input) }
	tok = token(header("ES256", ApprovalType, keyID(key)), claims, sign)
	raw, err := p256.Bytes()
	noError(tb, err)
	es.add("private", "%x", raw).add("spki", "%x", key).add("kid", "%s", keyID(key)).add("token", "%s", tok)

	spec.Authorisation = []string{tok}
	_, err = Authorise(spec, Approvers{M: 1, Keys: [][]byte{key}}, testNow)
	noError(tb, err)
	return []*vector{ed, es}
}

func TestVectors(t *testing.T) {
	var b strings.Builder
	b.WriteString(vectorsIntro)
	for _, v := range vectors(t) {
		b.WriteString("\n" + v.String())
	}
	path := filepath.Join("testdata", "vectors.txt")
	if *update {
		noError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	noError(t, err)
	got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(wanted)) {
		if i >= len(got) || i >= len(wanted) || got[i] != wanted[i] {
			t.Fatalf("%s, line %d: a format has changed; running networks and saved keys depend on it\n got %s\nwant %s", path, i+1, at(got, i), at(wanted, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// Every encoding in the file is read by a generic decoder as the same canonical
// bytes: no implementation needs to know more than RFC 8949.
func TestVectorsAreDeterministicCBOR(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("testdata", "vectors.txt"))
	noError(t, err)
	found := 0
	for line := range strings.Lines(string(file)) {
		hexed, ok := strings.CutPrefix(line, "cbor:")
		if !ok {
			continue
		}
		found++
		data, err := hex.DecodeString(strings.TrimSpace(hexed))
		noError(t, err)
		var v any
		noError(t, cbor.Unmarshal(data, &v))
		same(t, line[:min(60, len(line))], encode(t, v), data)
	}
	if found < 20 {
		t.Errorf("%d encodings in the file", found)
	}
}
