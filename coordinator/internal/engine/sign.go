package engine

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// SignRequest asks for a signature.
type SignRequest struct {
	Account string
	Payload []byte // ECDSA: a digest of 32 bytes; EdDSA: 1 to protocol.MaxMessage bytes
	Message []byte // what was given, if Payload is its hash
	Hash    string // name of the hash

	UserShare string   // hybrid: text form, for the delegate
	Approvals []string // compact JWS
	RequestID string   // id of the session; empty: a new one
	Externals int      // co-managed: how many of the signers are users' devices; negative: as few as possible

	Waiting
	Meta registry.Meta
}

// Sign starts a sign session, or leaves it waiting for approvals or users, and
// returns its id once it is durable. An error is a *registry.Problem.
func (e *Engine) Sign(req SignRequest) (session string, err error) {
	a, err := e.activeAccount(req.Account)
	if err != nil {
		return "", err
	}
	if err := checkPayload(a.Scheme, req.Payload); err != nil {
		return "", err
	}
	if session, err = e.requestID(req.RequestID); err != nil {
		return "", err
	}
	created := registry.NewSession{
		Kind: protocol.KindSign, Account: a.ID, Owner: a.Owner, KeyID: a.KeyID, Scheme: a.Scheme,
		Threshold: a.Threshold, Payload: req.Payload, Message: req.Message, Hash: req.Hash,
		Custody: a.Custody, Delegate: req.UserShare != "", Approvals: req.Approvals, Parties: signingParties(a),
	}
	if created.Externals, err = signers(a, &req); err != nil {
		return "", err
	}
	approved, err := e.approved(session, &created, a)
	if err != nil {
		return "", err
	}
	switch {
	case !approved, created.Externals > 0 && !e.byDefault(a.Approvers): // approvals may run out while devices join
		created.Wait = registry.WaitApprovals
	case created.Externals > 0:
		created.Wait = registry.WaitExternal
	}
	return session, e.start(newcomer{id: session, created: created, waiting: req.Waiting, meta: req.Meta, userShare: req.UserShare, isOurs: req.RequestID == ""})
}

func (e *Engine) activeAccount(id string) (*registry.Account, error) {
	a := e.cfg.Registry.Account(id)
	switch {
	case a == nil:
		return nil, &registry.Problem{Code: registry.CodeAccountNotFound, Detail: fmt.Sprintf("there is no account %q", id)}
	case a.Status != registry.AccountStatusActive:
		return nil, &registry.Problem{
			Code:    registry.CodeAccountNotActive,
			Detail:  fmt.Sprintf("the account has no key: its status is %s; its keygen session tells more", a.Status),
			Session: a.KeyID,
		}
	}
	return a, nil
}

// requestID is the id of a new sign session.
func (e *Engine) requestID(asked string) (string, error) {
	if asked == "" {
		id, _, err := newIDs()
		return id, err
	}
	id, err := uuid.Parse(asked)
	switch {
	case err != nil || id.String() != asked:
		return "", &registry.Problem{Code: registry.CodeInvalidApproval, Detail: "request_id is not a UUID in its usual, lower-case form"}
	case e.cfg.Registry.Session(asked) != nil:
		return "", &registry.Problem{Code: registry.CodeRequestIDUsed, Detail: "this request_id is a session's already: make a fresh UUID", Session: asked}
	}
	return asked, nil
}

func checkPayload(scheme protocol.Scheme, payload []byte) error {
	n := len(payload)
	switch {
	case scheme == protocol.ECDSA && n != protocol.DigestSize:
		return &registry.Problem{
			Code:   registry.CodeInvalidPayload,
			Detail: fmt.Sprintf("an ECDSA account signs a digest of %d bytes, not %d: hash the message first, or name a hash", protocol.DigestSize, n),
		}
	case n == 0 || n > protocol.MaxMessage:
		return &registry.Problem{
			Code:   registry.CodeInvalidPayload,
			Detail: fmt.Sprintf("a message has 1 to %d bytes, not %d", protocol.MaxMessage, n),
		}
	}
	return nil
}

// signers checks that an account's signing parties can make a signature as it is
// asked for, and returns how many users' devices have to take part.
func signers(a *registry.Account, req *SignRequest) (externals int, err error) {
	own, devices, delegate := count(signingParties(a))
	need := a.Threshold.T
	if req.UserShare != "" {
		if err := checkDelegate(a, delegate); err != nil {
			return 0, err
		}
		need--
	}
	externals = max(0, need-own)
	if req.Externals >= 0 {
		externals = req.Externals
	}
	switch possible := externals <= min(devices, need) && need-externals <= own; {
	case possible && externals > 0 && req.Invite == nil:
		return 0, &registry.Problem{
			Code:   registry.CodeExternalsNeeded,
			Detail: fmt.Sprintf("%d users' devices have to take part: create the session with POST /api/v1/sessions, which makes their invites", externals),
		}
	case possible:
		return externals, nil
	case a.Custody == registry.CustodyHybrid && req.UserShare == "":
		return 0, &registry.Problem{
			Code:   registry.CodeUserShareNeeded,
			Detail: fmt.Sprintf("%d signers are needed and %d parties hold shares of their own: send the user's share as user_share", a.Threshold.T, own),
		}
	}
	return 0, &registry.Problem{
		Code:   registry.CodePartiesConflict,
		Detail: fmt.Sprintf("%d signers are needed; %d parties and %d users' devices may sign for the account, and %d devices are asked for", need, own, devices, externals),
	}
}

func checkDelegate(a *registry.Account, delegate int) error {
	switch _, has := a.Delegate(); {
	case !has:
		return &registry.Problem{Code: registry.CodeBadUserShare, Detail: "no user holds a share of this account: leave user_share out"}
	case delegate == 0:
		return &registry.Problem{
			Code:   registry.CodePartiesConflict,
			Detail: "the account's signing parties are fixed, without the delegate that computes for the user: change them, or leave user_share out",
		}
	}
	return nil
}

// signingParties are the members of the key that may sign.
func signingParties(a *registry.Account) []registry.Party {
	if len(a.Signing) > 0 {
		return a.Signing
	}
	return a.Parties
}

// count counts parties by role.
func count(parties []registry.Party) (persistent, external, delegate int) {
	for _, p := range parties {
		switch p.Role {
		case protocol.External:
			external++
		case protocol.Delegate:
			delegate++
		default:
			persistent++
		}
	}
	return persistent, external, delegate
}
