package coordinator

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/meshmpc/mpcd/coordinator/internal/api"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// maxDispatchFrame holds the largest frame of a party: a record with a message
// of 32 KiB, or with a certificate of 32 members.
const maxDispatchFrame = 256 << 10

// network is the mesh in the terms of the coordinator's parts.
type network interface {
	engine.Mesh
	// Member returns an admitted node.
	Member(peer protocol.PeerID) (pool.Member, bool)
	// Passes and what devices that join are told.
	api.Mesh
	// Dispatch hands over the frames that parties send.
	Dispatch(receive func(from protocol.PeerID, frame []byte)) error
	// Heartbeats hands over heartbeats with good signatures until ctx ends.
	Heartbeats(ctx context.Context, observe func(*protocol.Heartbeat)) error
}

var _ Mesh = (*p2p.Host)(nil)

// overMesh is a network over a Mesh.
type overMesh struct {
	Mesh
	cfg *Config
}

func (m overMesh) Member(peer protocol.PeerID) (pool.Member, bool) {
	member, ok := m.Mesh.Member(peer)
	return pool.Member{Name: member.Name, Labels: member.Labels, Party: member.Role == p2p.RoleParty || member.Role == p2p.RoleDelegate, Delegate: member.Role == p2p.RoleDelegate}, ok
}

// Info describes the network to devices that join.
func (m overMesh) Info() rest.NetworkInfo {
	return rest.NetworkInfo{
		Name: m.cfg.Network, AuthorityKey: base64.StdEncoding.EncodeToString(m.cfg.Authority), Bootstrap: append([]string{}, m.cfg.Bootstrap...),
	}
}

// Self is this coordinator's node.
func (m overMesh) Self() rest.NetworkMember {
	return rest.NetworkMember{PeerID: m.ID(), Addrs: m.Addrs()}
}

func (m overMesh) Dispatch(receive func(from protocol.PeerID, frame []byte)) error {
	return m.Handle(p2p.Channel{
		Name: protocol.ChannelDispatch, MaxFrame: maxDispatchFrame, Roles: []p2p.Role{p2p.RoleParty, p2p.RoleDelegate, p2p.RoleExternal}, Receive: receive,
	})
}

func (m overMesh) Heartbeats(ctx context.Context, observe func(*protocol.Heartbeat)) error {
	topic, err := m.Join(p2p.TopicConfig{Name: protocol.TopicPool, Validate: validHeartbeat})
	if err != nil {
		return fmt.Errorf("pool topic: %w", err)
	}
	defer topic.Close() // the mesh closes it too
	for {
		d, err := topic.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("pool topic: %w", err)
		}
		if h, ok := d.Opened.(*protocol.Heartbeat); ok {
			observe(h)
		}
	}
}

// validHeartbeat is the pool topic's validator.
func validHeartbeat(data []byte) (p2p.PeerID, any, bool) {
	h, err := protocol.OpenHeartbeat(data, p2p.Verify)
	if err != nil {
		return "", nil, false
	}
	return h.Peer, h, true
}
