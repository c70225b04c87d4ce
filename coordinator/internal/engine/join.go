package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// JoinRequest is a device that uses an invite.
type JoinRequest struct {
	Code   string // the invite
	Peer   protocol.PeerID
	Proof  []byte // its signature over protocol.JoinStatement
	Name   string
	Device registry.DeviceInfo
	Meta   registry.Meta
}

// invitesPerPlace bounds the invites of a session, replaced ones included.
const invitesPerPlace = 8

// InviteHash is what the registry knows an invite by.
func InviteHash(code string) [32]byte { return sha256.Sum256([]byte(code)) }

// Invited returns the session and the invite of a code.
func (e *Engine) Invited(code string) (*registry.Session, registry.InviteState, error) {
	sum := InviteHash(code)
	hash := hex.EncodeToString(sum[:])
	s := e.cfg.Registry.SessionByInvite(hash)
	if s != nil {
		if i := slices.IndexFunc(s.Invites, func(v registry.InviteState) bool { return v.Hash == hash }); i >= 0 {
			return s, s.Invites[i], nil
		}
	}
	return nil, registry.InviteState{}, &registry.Problem{Code: registry.CodeInviteNotFound, Detail: "there is no such invite: ask who invited you for the whole code"}
}

// Join lets a device use an invite. The same device may ask again.
func (e *Engine) Join(req JoinRequest) (*registry.Session, error) {
	e.gather.Lock()
	defer e.gather.Unlock()
	s, invite, err := e.Invited(req.Code)
	if err != nil {
		return nil, err
	}
	statement := protocol.JoinStatement(e.cfg.Network, s.ID, req.Peer, InviteHash(req.Code))
	if !e.cfg.Verify(req.Peer, statement, req.Proof) {
		return nil, &registry.Problem{Code: registry.CodeInvalidJoin, Detail: "the proof is not a signature of this join by peer_id's key", Session: s.ID}
	}
	if invite.Peer == req.Peer && !s.Status.Finished() {
		return s, nil
	}
	if err := usable(s, invite); err != nil {
		return nil, err
	}
	party, err := e.joiner(s, &req)
	if err != nil {
		return nil, err
	}
	if err := e.cfg.Registry.Append(registry.Event{
		Stream: registry.SessionStream(s.ID), Type: registry.PartyJoined, Party: party.Peer, Invite: &invite.Invite,
		Joined: &party, Device: req.Device, Actor: req.Meta.Actor, Idem: req.Meta.Idem,
	}); err != nil {
		return nil, storageProblem()
	}
	return e.cfg.Registry.Session(s.ID), nil
}

func usable(s *registry.Session, v registry.InviteState) error {
	why := ""
	switch {
	case s.Status.Finished():
		why = fmt.Sprintf("its session has ended: it is %s", s.Status)
	case v.Peer != "":
		why = "another device has used it"
	case v.Revoked:
		why = "it was revoked"
	case !time.Now().Before(v.Expires):
		why = "it has expired"
	case s.Wait == "" || len(s.Joined) >= s.Externals:
		why = "its session has begun already"
	default:
		return nil
	}
	return &registry.Problem{Code: registry.CodeInviteSpent, Detail: "this invite cannot be used: " + why + "; ask for another one", Session: s.ID}
}

// joiner is the party that a device becomes in a session.
func (e *Engine) joiner(s *registry.Session, req *JoinRequest) (registry.Party, error) {
	refuse := func(why string) (registry.Party, error) {
		return registry.Party{}, &registry.Problem{Code: registry.CodeInvalidJoin, Detail: why, Session: s.ID}
	}
	if slices.ContainsFunc(s.Joined, func(p registry.Party) bool { return p.Peer == req.Peer }) {
		return refuse("this device has joined the session with another invite: each device needs a peer id of its own")
	}
	if s.Kind == protocol.KindKeygen {
		if _, known := e.cfg.Pool.Party(req.Peer); known || req.Peer == e.cfg.Mesh.ID() {
			return refuse("this peer id belongs to a node of the network")
		}
		name := req.Name
		if name == "" {
			name = fmt.Sprintf("device-%d", len(s.Joined)+1)
		}
		return registry.Party{Peer: req.Peer, Name: name, Role: protocol.External}, nil
	}
	for _, p := range signingParties(e.cfg.Registry.Account(s.Account)) {
		if p.Peer == req.Peer && p.Role == protocol.External {
			return p, nil
		}
	}
	return refuse("this device holds no share of the account's key: join with the device, or the backup, that made it")
}

// AddInvite makes one more invite for a session that waits for devices. If the
// session has no free place, an unused invite is revoked for it: the one that
// replace names, or the oldest.
func (e *Engine) AddInvite(session, replace string, make func() (registry.Invite, error), meta registry.Meta) (registry.Invite, error) {
	e.gather.Lock()
	defer e.gather.Unlock()
	var none registry.Invite
	s := e.cfg.Registry.Session(session)
	switch {
	case s == nil:
		return none, sessionNotFound(session)
	case s.Waiting() != registry.WaitExternal:
		return none, &registry.Problem{Code: registry.CodeNotWaiting, Detail: "the session does not wait for users' devices", Session: session}
	case len(s.Invites) >= invitesPerPlace*s.Externals:
		return none, &registry.Problem{
			Code: registry.CodeNotWaiting, Session: session, // calling again would not help
			Detail: fmt.Sprintf("the session takes no more invites: it has had %d invites for %d devices: cancel it and make another", len(s.Invites), s.Externals),
		}
	}
	old, err := replaced(s, replace)
	if err != nil {
		return none, err
	}
	invite, err := make()
	if err != nil {
		return none, &registry.Problem{Code: registry.CodeInternal, Detail: "no invite could be made: " + err.Error()}
	}
	invite.Expires = s.Expires
	var events []registry.Event
	if old != nil {
		events = append(events, registry.Event{Stream: registry.SessionStream(session), Type: registry.InviteRevoked, Invite: &old.Invite, Actor: meta.Actor})
	}
	created := registry.Event{Stream: registry.SessionStream(session), Type: registry.InviteCreated, Invite: &invite, Actor: meta.Actor, Idem: meta.Idem}
	if created.Idem != nil {
		own := *created.Idem
		own.Ref = session + "/" + invite.ID
		created.Idem = &own
	}
	if err := e.cfg.Registry.Append(append(events, created)...); err != nil {
		return none, storageProblem()
	}
	return invite, nil
}

// replaced returns the invite that a new one takes the place of, nil if there is
// a free place.
func replaced(s *registry.Session, id string) (*registry.InviteState, error) {
	var open []*registry.InviteState
	for i := range s.Invites {
		if v := &s.Invites[i]; !v.Revoked && v.Peer == "" && time.Now().Before(v.Expires) {
			open = append(open, v)
		}
	}
	if id == "" {
		if len(open) > 0 && len(s.Joined)+len(open) >= s.Externals {
			return open[0], nil
		}
		return nil, nil
	}
	for _, v := range open {
		if v.ID == id {
			return v, nil
		}
	}
	return nil, &registry.Problem{Code: registry.CodeInviteNotFound, Detail: fmt.Sprintf("the session has no unused invite %q", id), Session: s.ID}
}
