package clienttest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

const signRoute = "POST /api/v1/accounts/{id}/sign"

// session is a session with its events.
type session struct {
	rest.Session
	account   *account
	digest    []byte
	approvals []string
	events    []rest.Event
}

func (s *Server) newSession(v rest.Session) *session {
	v.CreatedAt, v.ExpiresAt = now(), now().Add(time.Minute)
	n := &session{Session: v}
	s.sessions = append(s.sessions, n)
	s.event(n, rest.Event{Type: "session.created"})
	return n
}

func (s *Server) event(n *session, e rest.Event) {
	s.seq++
	e.Seq, e.Time = s.seq, now()
	n.events = append(n.events, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func ended(status string) bool { return status != "created" && status != "running" }

// sign answers a signing: at once, unless approvals are missing.
func (s *Server) sign(w http.ResponseWriter, r *http.Request) any {
	a := s.find(w, r)
	if a == nil {
		return nil
	}
	req, ok := read[rest.SignBody](w, r)
	if !ok {
		return nil
	}
	n, err := s.newSigning(a, req)
	if err != nil {
		Refuse(w, http.StatusUnprocessableEntity, "malformed_message", err.Error())
		return nil
	}
	if r.Header.Get("Prefer") == "respond-async" || n.Status != "completed" {
		return &n.Session
	}
	return &rest.SignResult{
		SessionID: n.ID, AccountID: a.ID, Scheme: a.Scheme, PublicKey: a.PublicKey,
		Message: n.Message, Hash: n.Hash, Digest: n.Digest, Signature: *n.Signature,
	}
}

func (s *Server) newSigning(a *account, req *rest.SignBody) (*session, error) {
	encoding, hash := req.Encoding, req.Hash
	if encoding == "" {
		encoding = chain.Hex
	}
	if hash == "" {
		hash = chain.None
	}
	message, err := chain.Decode(encoding, req.Message)
	if err != nil {
		return nil, err
	}
	digest, err := chain.Hash(hash, message)
	if err != nil {
		return nil, err
	}
	if a.Scheme == string(protocol.ECDSA) && len(digest) != protocol.DigestSize {
		return nil, fmt.Errorf("an ECDSA key signs a digest of 32 bytes: hash the message, or say which hash to apply in the field hash")
	}
	if a.Custody == rest.CustodyHybrid && req.UserShare != "" {
		if err := s.openShare(a, digest, req.UserShare); err != nil {
			return nil, err
		}
	}
	id := req.RequestID
	if id == "" {
		id = newID()
	}
	n := s.newSession(rest.Session{
		ID: id, Kind: rest.KindSign, Custody: a.Custody, Status: "created", AccountID: a.ID, UserID: a.UserID, Scheme: a.Scheme,
		ThresholdT: a.ThresholdT, ThresholdN: a.ThresholdN, KeygenSessionID: a.KeygenSessionID,
		Message: hex.EncodeToString(message), Hash: hash, Digest: hex.EncodeToString(digest), Approval: &a.Approval,
	})
	n.account, n.digest, n.approvals = a, digest, req.Approvals
	return n, s.advance(n)
}

// spec is what approvals of a signing are about.
func (n *session) spec() *protocol.Spec {
	return &protocol.Spec{
		Network: Network, Kind: protocol.KindSign, Session: n.ID, Account: n.account.ID, Key: n.account.KeygenSessionID,
		Scheme: protocol.Scheme(n.account.Scheme), Payload: n.digest, Authorisation: n.approvals,
	}
}

// advance signs when enough has come together.
func (s *Server) advance(n *session) error {
	if n.account.Approval.By == "approvers" {
		if _, err := protocol.Authorise(n.spec(), n.account.approvers, time.Now()); err != nil {
			n.WaitingFor = "approvals"
			n.Approved = nil
			for _, token := range n.approvals {
				if kid, _, err := protocol.PeekApproval(token); err == nil {
					n.Approved = append(n.Approved, kid)
				}
			}
			return nil
		}
	}
	n.WaitingFor, n.Attempt = "", 1
	for _, p := range n.account.Parties[:n.ThresholdT] {
		n.Parties = append(n.Parties, rest.SessionParty{PeerID: p.PeerID, Name: p.Name, Role: p.Role, State: "finished", Round: 9, Rounds: 9})
		s.event(n, rest.Event{Type: "party.progress", Attempt: 1, Party: &p, Phase: "rounds", Round: 9, Rounds: 9})
	}
	sig, err := n.account.secret.sign(n.digest)
	if err != nil {
		return err
	}
	n.Signature = &sig
	s.finish(n, "completed")
	return nil
}

func (s *Server) finish(n *session, status string) {
	at := now()
	n.Status, n.FinishedAt = status, &at
	s.event(n, rest.Event{Type: "session." + status})
}

func (s *Server) findSession(w http.ResponseWriter, r *http.Request) *session {
	for _, n := range s.sessions {
		if n.ID == r.PathValue("id") {
			return n
		}
	}
	Refuse(w, http.StatusNotFound, "session_not_found", fmt.Sprintf("there is no session %q", r.PathValue("id")))
	return nil
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request) any {
	n := s.findSession(w, r)
	if n == nil {
		return nil
	}
	return &n.Session
}

func (s *Server) listSessions(_ http.ResponseWriter, r *http.Request) any {
	q := r.URL.Query()
	var all []rest.Session
	for _, n := range slices.Backward(s.sessions) {
		fits := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
		if fits("kind", n.Kind) && fits("status", n.Status) && fits("account_id", n.AccountID) {
			all = append(all, n.Session)
		}
	}
	list := rest.SessionList{}
	list.Sessions, list.NextCursor = page(all, r)
	return &list
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) any {
	n := s.findSession(w, r)
	switch {
	case n == nil:
		return nil
	case ended(n.Status):
		Refuse(w, http.StatusConflict, "session_finished", "the session has ended: it is "+n.Status)
		return nil
	}
	n.Error = &rest.Problem{Status: http.StatusConflict, Code: "session_cancelled", Detail: "the session was cancelled", SessionID: n.ID}
	s.finish(n, "cancelled")
	return &n.Session
}

// events streams a session's events, or lists them.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := s.findSession(w, r)
	s.mu.Unlock()
	if n == nil {
		return
	}
	after, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	for {
		s.mu.Lock()
		list, status, changed, view := slices.Clone(n.events), n.Status, s.changed, n.Session
		s.mu.Unlock()
		for _, e := range list {
			if e.Seq > after {
				fmt.Fprintf(w, ": keep-alive\n\nid: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, text(e))
				after = e.Seq
			}
		}
		if ended(status) {
			fmt.Fprintf(w, "event: end\ndata: %s\n\n", text(view))
			return
		}
		if flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func text(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // cannot happen: the types of package rest always encode
	}
	return data
}
