package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// Mesh is what a device that joins has to know of the network, and what admits it
// there.
type Mesh interface {
	// IssuePass vouches for a guest until a time, at most a day away.
	IssuePass(guest protocol.PeerID, until time.Time) (string, error)
	// Info describes the network.
	Info() rest.NetworkInfo
	// Self is the coordinator's node.
	Self() rest.NetworkMember
}

func (s *server) inviteRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "create-invite", method: http.MethodPost, path: prefix + "/sessions/{id}/invites", tag: "invites", scope: access.Sessions,
		summary: "Make one more invite, in place of an unused one if the session has no free place.",
		answers: map[int]any{http.StatusCreated: rest.InviteList{}},
		errors: []string{
			registry.CodeSessionNotFound, registry.CodeNotWaiting, registry.CodeInviteNotFound, registry.CodeNotConfigured,
			registry.CodeStorage, codeIdempotency,
		},
	}), s.createInvite)
	huma.Register(api, s.operation(api, route{
		id: "get-invite", method: http.MethodGet, path: prefix + "/invites/{code}", tag: "invites", join: joinByCode,
		summary: "Show what an invite invites to. The code is all that is needed.", errors: []string{registry.CodeInviteNotFound},
	}), s.getInvite)
	huma.Register(api, s.operation(api, route{
		id: "join", method: http.MethodPost, path: prefix + "/invites/{code}/join", tag: "invites", join: joinByCode,
		summary: "Use an invite: the device proves its peer id and is admitted to the session. The same device may ask again.",
		answers: map[int]any{http.StatusOK: rest.Joined{}},
		errors: []string{
			registry.CodeInviteNotFound, registry.CodeInviteSpent, registry.CodeInvalidJoin, registry.CodeNotConfigured, registry.CodeStorage, codeIdempotency,
		},
	}), s.join)
}

func notConfigured() error {
	return newProblem(registry.CodeNotConfigured, "this coordinator cannot invite: its operator has to set JWT_SECRET_KEY")
}

func (s *server) createInvite(ctx context.Context, in *struct {
	ByID
	Idempotency
	Body *rest.CreateInvites
}) (*outcome, error) {
	if s.cfg.Invites == nil {
		return nil, notConfigured()
	}
	var replace string
	if in.Body != nil {
		replace = in.Body.Replace
	}
	ref, err := s.once(ctx, asked{route: "create-invite " + in.ID, body: in.Body, key: in.Idempotency}, func(m registry.Meta) (string, error) {
		made, err := s.cfg.Engine.AddInvite(in.ID, replace, s.inviter(), m)
		return in.ID + "/" + made.ID, err
	})
	if err != nil {
		return nil, problemOf(err)
	}
	session, err := s.session(in.ID)
	if err != nil {
		return nil, err
	}
	_, id, _ := strings.Cut(ref, "/")
	list := rest.InviteList{Invites: []rest.Invite{}}
	if i := slices.IndexFunc(session.Invites, func(v registry.InviteState) bool { return v.ID == id }); i >= 0 {
		v := inviteView(session, session.Invites[i])
		v.Code = s.cfg.Invites.Code(id)
		list.Invites = append(list.Invites, v)
	}
	return &outcome{Status: http.StatusCreated, Location: prefix + "/sessions/" + in.ID, Body: list}, nil
}

// ByCode is the path of an invite.
type ByCode struct {
	Code string `path:"code" maxLength:"128"`
}

func (s *server) getInvite(_ context.Context, in *ByCode) (*body[rest.InviteInfo], error) {
	session, invite, err := s.cfg.Engine.Invited(in.Code)
	if err != nil {
		return nil, problemOf(err)
	}
	v := rest.InviteInfo{
		SessionID: session.ID, Kind: KindOf(session), UserID: session.Owner, AccountID: session.Account, KeygenSessionID: session.KeyID,
		Scheme: string(session.Scheme), ThresholdT: session.Threshold.T, ThresholdN: session.Threshold.N,
		Network: s.cfg.Network, SessionStatus: string(session.Status), Status: inviteStatus(session, invite), ExpiresAt: invite.Expires,
	}
	if session.Kind == protocol.KindSign {
		v.Message, v.Hash, v.Digest = signedView(s.whole(session))
		if a := s.cfg.Registry.Account(session.Account); a != nil {
			v.PublicKey = hex.EncodeToString(a.PublicKey)
		}
	}
	return &body[rest.InviteInfo]{v}, nil
}

func (s *server) join(ctx context.Context, in *struct {
	ByCode
	Idempotency
	Body rest.Join
}) (*body[rest.Joined], error) {
	if s.cfg.Invites == nil {
		return nil, notConfigured()
	}
	proof, err := base64.StdEncoding.DecodeString(in.Body.Proof)
	if err != nil {
		return nil, fieldProblem(registry.CodeInvalidJoin, "body.proof", "proof is a signature in base64")
	}
	if err := checkDevice(in.Body.DeviceInfo); err != nil {
		return nil, err
	}
	req := engine.JoinRequest{
		Code: in.Code, Peer: in.Body.PeerID, Proof: proof, Name: in.Body.Name, Device: in.Body.DeviceInfo, Meta: registry.Meta{Actor: actor(ctx)},
	}
	session, err := s.joinOnce(ctx, req, asked{route: "join", body: in.Body, key: in.Idempotency})
	if err != nil {
		return nil, problemOf(err)
	}
	return s.admitDevice(session, in.Body.PeerID)
}

// joinOnce joins, unless an earlier request with the same key did. Even then the
// device must still be welcome.
func (s *server) joinOnce(ctx context.Context, req engine.JoinRequest, a asked) (joined *registry.Session, err error) {
	session, invited, err := s.cfg.Engine.Invited(req.Code)
	if err != nil {
		return nil, err
	}
	a.space, a.ref = invited.Hash, session.ID
	_, err = s.once(ctx, a, func(m registry.Meta) (string, error) {
		first := req
		first.Meta = m
		joined, err = s.cfg.Engine.Join(first)
		return session.ID, err
	})
	if err != nil || joined != nil {
		return joined, err
	}
	return s.cfg.Engine.Join(req)
}

// admitDevice gives a device that has joined what it needs.
func (s *server) admitDevice(session *registry.Session, peer protocol.PeerID) (*body[rest.Joined], error) {
	until := passUntil(session, time.Now())
	pass, err := s.cfg.Mesh.IssuePass(peer, until)
	if err != nil {
		return nil, problemOf(err)
	}
	token, err := s.cfg.Invites.Token(session.ID, peer, until)
	if err != nil {
		return nil, problemOf(err)
	}
	return &body[rest.Joined]{rest.Joined{
		SessionID: session.ID, JoinToken: token, Pass: pass, Network: s.cfg.Mesh.Info(), Coordinator: s.cfg.Mesh.Self(), ExpiresAt: until,
	}}, nil
}

// passSlack is how long after a session's deadline a device is still admitted: a
// session that waited runs from then on, and its last outcome is to be delivered.
const passSlack = 45 * time.Minute

// passUntil is how long a device is admitted to the network and the session. The
// device may join again for more.
func passUntil(session *registry.Session, now time.Time) time.Time {
	until := session.Expires.Add(passSlack)
	if most := now.Add(maxPassLife - time.Minute); until.After(most) {
		until = most
	}
	return until.UTC().Truncate(time.Second)
}

// joinToken reads a request's join token.
func (s *server) joinToken(r *http.Request) (session, peer string, ok bool) {
	if s.cfg.Invites == nil {
		return "", "", false
	}
	_, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found {
		return "", "", false
	}
	session, peer, err := s.cfg.Invites.Read(token, time.Now())
	return session, peer, err == nil
}
