package p2p

import (
	"crypto/ed25519"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// PeerID names a node: the text form of its libp2p peer id, which for the
// Ed25519 keys used here contains the public key itself.
type PeerID = string

// PeerOf is the peer id of an Ed25519 public key, or "" when pub does not have
// the length of one.
func PeerOf(pub ed25519.PublicKey) PeerID {
	key, err := crypto.UnmarshalEd25519PublicKey(pub)
	if err != nil {
		return ""
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		return ""
	}
	return id.String()
}

// KeyOf is the Ed25519 public key inside a peer id.
func KeyOf(id PeerID) (ed25519.PublicKey, error) {
	known, err := names.get(id)
	if err != nil {
		return nil, err
	}
	if known.key == nil {
		return keyOf(known.id) // it says why there is none
	}
	return slices.Clone(known.key), nil
}

func keyOf(p peer.ID) (ed25519.PublicKey, error) {
	key, err := p.ExtractPublicKey()
	if err != nil {
		return nil, fmt.Errorf("%w: peer id %s holds no key: %w", ErrAddr, p, err)
	}
	if key.Type() != crypto.Ed25519 {
		return nil, fmt.Errorf("%w: peer id %s is not of an Ed25519 key", ErrAddr, p)
	}
	raw, err := key.Raw()
	if err != nil {
		return nil, fmt.Errorf("%w: peer id %s: %w", ErrAddr, p, err)
	}
	return raw, nil
}

// Verify tells whether sig is the Ed25519 signature (RFC 8032) of data by the
// key inside the peer id. It is false for a malformed id.
func Verify(id PeerID, data, sig []byte) bool {
	known, err := names.get(id)
	return err == nil && known.key != nil && len(sig) == ed25519.SignatureSize && ed25519.Verify(known.key, data, sig)
}

// ParsePeer checks that id is the peer id of an Ed25519 key in its one
// canonical text form.
func ParsePeer(id PeerID) error {
	_, err := KeyOf(id)
	return err
}

func parsePeer(id PeerID) (peer.ID, error) {
	known, err := names.get(id)
	return known.id, err
}

// names are the peers named lately: each message names one or two.
var names parsedPeers

// Bounds of the names that are remembered, whoever has given them.
const (
	maxNames    = 8192
	maxNameSize = 64 // bytes; the usual form has 52
)

// parsedPeers remembers peer ids of Ed25519 keys. The zero value is ready for use.
type parsedPeers struct {
	mu sync.RWMutex
	of map[PeerID]parsedPeer
}

type parsedPeer struct {
	id  peer.ID
	key ed25519.PublicKey // nil: it holds none
}

func (n *parsedPeers) get(name PeerID) (parsedPeer, error) {
	n.mu.RLock()
	known, found := n.of[name]
	n.mu.RUnlock()
	if found {
		return known, nil
	}
	id, err := decodePeer(name)
	if err != nil {
		return parsedPeer{}, err
	}
	known = parsedPeer{id: id}
	if known.key, err = keyOf(id); err != nil {
		return parsedPeer{id: id}, nil //nolint:nilerr // it is a name all the same
	}
	if len(name) > maxNameSize {
		return known, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil || len(n.of) >= maxNames {
		n.of = make(map[PeerID]parsedPeer)
	}
	n.of[strings.Clone(name)] = known
	return known, nil
}

func decodePeer(id PeerID) (peer.ID, error) {
	p, err := peer.Decode(id)
	if err != nil {
		return "", fmt.Errorf("%w: %q is not a peer id: %w", ErrAddr, id, err)
	}
	if p.String() != id {
		return "", fmt.Errorf("%w: peer id %q is not in its usual form, %s", ErrAddr, id, p)
	}
	return p, nil
}

// ParseAddr checks an address to listen on or to announce: IP or DNS name with
// TCP or QUIC, and no peer id.
func ParseAddr(addr string) error {
	_, err := parseAddr(addr)
	return err
}

func parseAddr(addr string) (ma.Multiaddr, error) {
	a, err := ma.NewMultiaddr(addr)
	if err != nil {
		return nil, fmt.Errorf("%w %q: write it as /ip4/0.0.0.0/udp/4001/quic-v1 or /ip4/0.0.0.0/tcp/4001: %w", ErrAddr, addr, err)
	}
	if !addrShape.MatchString(a.String()) {
		return nil, fmt.Errorf("%w %q: an address ends in /tcp/PORT or /udp/PORT/quic-v1", ErrAddr, addr)
	}
	return a, nil
}

var addrShape = regexp.MustCompile(`^/(ip4|ip6|ip6zone/[^/]+/ip6|dns|dns4|dns6)/[^/]+/(tcp/\d+|udp/\d+/quic-v1)$`)

// ParseBootstrap checks the address of a bootstrap node, which ends in /p2p/
// and its peer id.
func ParseBootstrap(addr string) error {
	_, err := parseBootstrap(addr)
	return err
}

func parseBootstrap(addr string) (peer.AddrInfo, error) {
	where, id, found := strings.Cut(addr, "/p2p/")
	if !found {
		return peer.AddrInfo{}, fmt.Errorf("%w %q: a bootstrap address ends in /p2p/ and the node's peer id", ErrAddr, addr)
	}
	a, err := parseAddr(where)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	if err := ParsePeer(id); err != nil {
		return peer.AddrInfo{}, fmt.Errorf("bootstrap address %q: %w", addr, err)
	}
	p, err := parsePeer(id)
	return peer.AddrInfo{ID: p, Addrs: []ma.Multiaddr{a}}, err
}

// parsePeerAddr reads an address of a peer as Host.Addrs gives it: direct, or
// through a relay. The addresses in the result lack the peer's own /p2p/.
func parsePeerAddr(addr string) (peer.AddrInfo, error) {
	relay, id, relayed := strings.Cut(addr, circuitPart+"/p2p/")
	if !relayed {
		return parseBootstrap(addr)
	}
	at, err := parseBootstrap(relay)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("relay of %q: %w", addr, err)
	}
	if err := ParsePeer(id); err != nil {
		return peer.AddrInfo{}, fmt.Errorf("address %q: %w", addr, err)
	}
	p, err := parsePeer(id)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	a, err := ma.NewMultiaddr(at.Addrs[0].String() + "/p2p/" + at.ID.String() + circuitPart)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("%w %q: %w", ErrAddr, addr, err)
	}
	return peer.AddrInfo{ID: p, Addrs: []ma.Multiaddr{a}}, nil
}

// circuitPart stands in an address between the relay and the peer behind it.
const circuitPart = "/p2p-circuit"
