package p2p

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Config says who a node is and where it stands.
type Config struct {
	Identity   ed25519.PrivateKey // the node's key; its peer id contains the public half
	Network    string             // the network's name: at most 63 of a-z, 0-9, '.', '_', '-'
	Authority  ed25519.PublicKey  // who signs credentials of this network
	Credential string             // this node's own; a guest's pass (see Host.IssuePass)
	Listen     []string           // multiaddrs; port 0 lets the system choose
	Announce   []string           // further multiaddrs to tell others, for a node behind address translation
	Bootstrap  []string           // multiaddrs of bootstrap nodes, with /p2p/ and their peer id
	Seek       []Role             // roles to find through the DHT and to stay connected to
	MaxGuests  int                // external parties admitted at once; 0: DefaultGuests
	Relay      bool               // relay connections for those behind address translation; bootstrap nodes only
	UseRelays  bool               // be reachable through the bootstrap nodes' relays; guests always are
	Software   string             // version told to peers, for people
	Simulated  Simulated          // a simulated network instead of sockets; nil outside of simulations
}

// Validate checks everything that can be checked without a socket. Errors are
// an ErrConfig, an ErrAddr or, about the own credential or pass, an
// ErrCredential… or ErrPass….
func (c *Config) Validate() error {
	_, err := c.parse()
	return err
}

// parsed is a checked Config.
type parsed struct {
	self      Member
	id        peer.ID
	listen    []ma.Multiaddr
	announce  []ma.Multiaddr
	bootstrap []peer.AddrInfo // one for each address
}

func (c *Config) parse() (parsed, error) {
	var out parsed
	if len(c.Identity) != ed25519.PrivateKeySize || len(c.Authority) != ed25519.PublicKeySize {
		return out, fmt.Errorf("%w: identity and authority must be Ed25519 keys", ErrConfig)
	}
	if !networkName.MatchString(c.Network) {
		return out, fmt.Errorf("%w: network name %q: use at most 63 of a-z, 0-9, '.', '_' and '-'", ErrConfig, c.Network)
	}
	if len(c.Software) > maxName {
		return out, fmt.Errorf("%w: the software version has more than %d bytes", ErrConfig, maxName)
	}
	err := c.parseAddrs(&out)
	if err != nil {
		return out, err
	}
	me := PeerOf(c.Identity.Public().(ed25519.PublicKey))
	if out.id, err = parsePeer(me); err != nil {
		return out, err
	}
	if out.self, err = verifyToken(c.Authority, c.Network, c.Credential, time.Now()); err != nil {
		return out, err
	}
	if out.self.Peer != me {
		return out, fmt.Errorf("%w (it is for %s, this node is %s)", ErrCredentialWrongPeer, out.self.Peer, me)
	}
	return out, c.checkRole(out.self.Role)
}

// checkRole checks what depends on the role that the credential gives.
func (c *Config) checkRole(role Role) error {
	switch {
	case len(c.Listen) == 0 && role != RoleExternal:
		return fmt.Errorf("%w: no listen address: give one such as /ip4/0.0.0.0/udp/4001/quic-v1", ErrConfig)
	case len(c.Seek) > 0 && role == RoleExternal:
		return fmt.Errorf("%w: a guest does not use the DHT: leave Seek empty", ErrConfig)
	case c.Relay && role != RoleBootstrap:
		return fmt.Errorf("%w: relays are bootstrap nodes, and this node is a %s", ErrConfig, role)
	case c.MaxGuests < 0:
		return fmt.Errorf("%w: at most %d guests: allow 0, for %d, or more", ErrConfig, c.MaxGuests, DefaultGuests)
	}
	return nil
}

// DefaultGuests is how many external parties a node admits at once.
const DefaultGuests = 256

func (c *Config) parseAddrs(out *parsed) error {
	for _, s := range c.Listen {
		a, err := parseAddr(s)
		if err != nil {
			return fmt.Errorf("listen address: %w", err)
		}
		out.listen = append(out.listen, a)
	}
	for _, s := range c.Announce {
		a, err := parseAddr(s)
		if err != nil {
			return fmt.Errorf("announced address: %w", err)
		}
		out.announce = append(out.announce, a)
	}
	for _, s := range c.Bootstrap {
		info, err := parseBootstrap(s)
		if err != nil {
			return err
		}
		out.bootstrap = append(out.bootstrap, info)
	}
	return nil
}
