package clienttest

import (
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func (s *Server) routes(mux *http.ServeMux) {
	for pattern, handler := range map[string]func(http.ResponseWriter, *http.Request) any{
		"GET /health":                                  s.health,
		"GET /ready":                                   s.ready,
		"GET /api/v1/parties":                          s.listParties,
		"GET /api/v1/accounts":                         s.listAccounts,
		"GET /api/v1/accounts/{id}":                    s.getAccount,
		"GET /api/v1/accounts/{id}/signing-parties":    s.signingParties,
		"PUT /api/v1/accounts/{id}/signing-parties":    s.signingParties,
		"DELETE /api/v1/accounts/{id}/signing-parties": s.signingParties,
		"GET /api/v1/accounts/{id}/presign":            s.presign,
		"PUT /api/v1/accounts/{id}/presign":            s.presign,
		"DELETE /api/v1/accounts/{id}/presign":         s.presign,
		signRoute:                                      s.sign,
		"GET /api/v1/sessions":                         s.listSessions,
		"GET /api/v1/sessions/{id}":                    s.getSession,
		"POST /api/v1/sessions/{id}/cancel":            s.cancel,
		"POST /api/v1/sessions/{id}/approvals":         s.approve,
		"GET /api/v1/approvals":                        s.listApprovals,
		"GET /api/v1/invites/{code}":                   s.getInvite,
		"POST /api/v1/shares/generate":                 s.generateShare,
		"POST /api/v1/shares/{id}/ack":                 s.ackShare,
		"GET /api/v1/webhooks":                         s.listWebhooks,
		"DELETE /api/v1/webhooks/{id}":                 s.deleteWebhook,
		"GET /api/v1/webhooks/{id}/deliveries":         s.listDeliveries,
		"GET /api/v1/audit":                            s.audit,
	} {
		s.handle(mux, pattern, http.StatusOK, handler)
	}
	for pattern, handler := range map[string]func(http.ResponseWriter, *http.Request) any{
		"POST /api/v1/accounts":              s.createAccount,
		"POST /api/v1/sessions":              s.createSession,
		"POST /api/v1/sessions/{id}/invites": s.createInvites,
		"POST /api/v1/webhooks":              s.createWebhook,
	} {
		s.handle(mux, pattern, http.StatusCreated, handler)
	}
	mux.HandleFunc("GET /api/v1/sessions/{id}/events", s.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		Refuse(w, http.StatusNotFound, "not_found", "there is no such route: GET /openapi.yaml lists them")
	})
}

// clone returns a pointer to a new value of what v points to.
func clone(v any) any { return reflect.New(reflect.TypeOf(v).Elem()).Interface() }

func (s *Server) health(http.ResponseWriter, *http.Request) any { return &rest.Health{Status: "ok"} }

func (s *Server) ready(http.ResponseWriter, *http.Request) any {
	return &rest.Ready{Status: "ready", Parties: len(s.parties), Stock: rest.Stock{Min: 1, Total: 6}}
}

func (s *Server) listParties(http.ResponseWriter, *http.Request) any {
	list := rest.PartyList{}
	for i, p := range s.parties {
		state := []string{"live", "live", "draining", "missing"}[i]
		list.Parties = append(list.Parties, rest.Party{
			PeerID: p.id, Name: p.name, State: state, Software: "mpcd test", Stock: i, Keys: len(s.accounts), LastSeen: now(),
		})
	}
	return &list
}

// createSession makes sign sessions, and co-managed ones that wait for their
// users for ever.
func (s *Server) createSession(w http.ResponseWriter, r *http.Request) any {
	req, ok := read[rest.CreateSession](w, r)
	if !ok {
		return nil
	}
	n := s.newSession(rest.Session{
		ID: newID(), Kind: req.Kind, Status: "created", Custody: rest.CustodyCoManaged, UserID: req.UserID, AccountID: newID(), Scheme: req.Scheme,
		WaitingFor: "external_parties", ThresholdT: 2, ThresholdN: req.ServerParties + req.ExternalParties,
	})
	answer := n.Session
	for range req.ExternalParties {
		invite := s.newInvite(n)
		answer.Invites = append(answer.Invites, *invite)
	}
	return &answer
}

func (s *Server) newInvite(n *session) *rest.Invite {
	invite := &rest.Invite{ID: newID(), SessionID: n.ID, Code: "code-" + newID(), Status: "open", ExpiresAt: n.ExpiresAt}
	s.invites[invite.Code] = invite
	shown := *invite
	shown.Code = ""
	n.Invites = append(n.Invites, shown)
	return invite
}

func (s *Server) createInvites(w http.ResponseWriter, r *http.Request) any {
	n := s.findSession(w, r)
	if n == nil {
		return nil
	}
	return &rest.InviteList{Invites: []rest.Invite{*s.newInvite(n)}}
}

func (s *Server) getInvite(w http.ResponseWriter, r *http.Request) any {
	invite := s.invites[r.PathValue("code")]
	if invite == nil {
		Refuse(w, http.StatusNotFound, "invite_not_found", "there is no such invite")
		return nil
	}
	return &rest.InviteInfo{SessionID: invite.SessionID, Kind: rest.KindCoManagedKeygen, Network: Network, SessionStatus: "created", Status: invite.Status, ThresholdT: 2, ThresholdN: 3, ExpiresAt: invite.ExpiresAt}
}

func (s *Server) createWebhook(w http.ResponseWriter, r *http.Request) any {
	req, ok := read[rest.CreateWebhook](w, r)
	if !ok {
		return nil
	}
	hook := rest.Webhook{ID: newID(), URL: req.URL, Events: req.Events, CreatedAt: now()}
	s.webhooks = append(s.webhooks, hook)
	hook.Secret = "whsec_0123456789abcdef0123456789abcdef"
	return &hook
}

func (s *Server) listWebhooks(http.ResponseWriter, *http.Request) any {
	return &rest.WebhookList{Webhooks: append([]rest.Webhook{}, s.webhooks...)}
}

func (s *Server) deleteWebhook(w http.ResponseWriter, r *http.Request) any {
	for i, hook := range s.webhooks {
		if hook.ID == r.PathValue("id") {
			s.webhooks = slices.Delete(s.webhooks, i, i+1)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	Refuse(w, http.StatusNotFound, "webhook_not_found", "there is no such webhook")
	return nil
}

func (s *Server) listDeliveries(_ http.ResponseWriter, r *http.Request) any {
	at := now()
	list := rest.DeliveryList{}
	list.Deliveries, list.NextCursor = page([]rest.Delivery{
		{ID: "3", WebhookID: r.PathValue("id"), EventSeq: 9, EventType: "session.completed", Status: "pending", Tries: 1, LastTry: &at, NextTry: &at, HTTP: 500, Error: "status 500"},
		{ID: "2", WebhookID: r.PathValue("id"), EventSeq: 7, EventType: "account.activated", Status: "delivered", Tries: 1, LastTry: &at, HTTP: 200},
		{ID: "1", WebhookID: r.PathValue("id"), EventSeq: 3, EventType: "session.failed", Status: "failed", Tries: 20, LastTry: &at, Error: "connection refused"},
	}, r)
	return &list
}

func (s *Server) audit(_ http.ResponseWriter, r *http.Request) any {
	var all []rest.AuditEntry
	for _, n := range slices.Backward(s.sessions) {
		all = append(all, rest.AuditEntry{
			Seq: n.events[0].Seq, Time: n.CreatedAt, Type: "session.created", AccountID: n.AccountID, SessionID: n.ID,
			Actor: &rest.Actor{Key: "k_backend", KeyName: "backend", Client: "127.0.0.1"},
		})
	}
	list := rest.AuditList{}
	list.Entries, list.NextCursor = page(all, r)
	return &list
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request) any {
	n := s.findSession(w, r)
	if n == nil {
		return nil
	}
	req, ok := read[rest.Approvals](w, r)
	if !ok {
		return nil
	}
	n.approvals = append(n.approvals, req.Approvals...)
	if err := s.advance(n); err != nil {
		Refuse(w, http.StatusUnprocessableEntity, "invalid_approval", err.Error())
		return nil
	}
	return &n.Session
}

func (s *Server) listApprovals(_ http.ResponseWriter, r *http.Request) any {
	var all []rest.PendingApproval
	for _, n := range slices.Backward(s.sessions) {
		if n.WaitingFor != "approvals" {
			continue
		}
		c := protocol.ApprovalFor(n.spec(), time.Now(), time.Minute)
		all = append(all, rest.PendingApproval{
			SessionID: n.ID, AccountID: n.AccountID, UserID: n.UserID, Scheme: n.Scheme, Message: n.Message, Hash: n.Hash,
			Needed: n.account.approvers.M, Approved: append([]string{}, n.Approved...), Approvers: n.account.Approval.Keys, ExpiresAt: n.ExpiresAt,
			Claims: rest.ApprovalClaims{
				Audience: c.Network, Operation: string(c.Operation), Subject: c.Account, Key: c.Key, Epoch: c.Epoch, Path: c.Path, Digest: c.Digest, JTI: c.Request,
			},
		})
	}
	list := rest.ApprovalList{}
	list.Approvals, list.NextCursor = page(all, r)
	return &list
}
