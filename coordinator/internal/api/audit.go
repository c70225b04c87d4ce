package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func (s *server) auditRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "audit", method: http.MethodGet, path: prefix + "/audit", tag: "operation", scope: access.Admin,
		summary: "List who did what, newest first. With filters a page may be short, or empty, and have a next one.",
		errors:  []string{codeInvalid, codeCursor},
	}), s.audit)
}

func (s *server) audit(_ context.Context, in *struct {
	Paging
	Actor   string `query:"actor" maxLength:"128" doc:"Only what this API key, by id or name, or this address has done."`
	Account string `query:"account_id" maxLength:"64" doc:"Only what concerns this account, its sessions included."`
	Session string `query:"session_id" maxLength:"64" doc:"Only what concerns this session."`
	Type    string `query:"type" maxLength:"64" doc:"Only events of this type."`
}) (*body[rest.AuditList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	entries, next, err := s.cfg.Registry.Audit(registry.AuditFilter{
		Type: registry.Type(in.Type), Account: in.Account, Session: in.Session, Actor: in.Actor,
	}, page)
	if err != nil {
		return nil, problemOf(err)
	}
	list := rest.AuditList{Entries: make([]rest.AuditEntry, 0, len(entries)), NextCursor: cursor(next)}
	for i := range entries {
		list.Entries = append(list.Entries, auditView(&entries[i]))
	}
	return &body[rest.AuditList]{list}, nil
}

func auditView(e *registry.AuditEntry) rest.AuditEntry {
	v := rest.AuditEntry{
		Seq: e.Seq, Time: e.Time, Type: string(e.Type), Actor: actorView(e.Actor), AccountID: e.AccountID, SessionID: e.SessionID,
		Code: e.Code, Detail: e.Detail, Count: e.Count,
	}
	if e.Problem != nil && v.Detail == "" {
		v.Detail = e.Problem.Detail
	}
	if e.Invite != nil {
		v.Resource = e.Invite.ID
	}
	if id, ok := strings.CutPrefix(e.Stream, registry.WebhookStream("")); ok {
		v.Resource = id
	}
	return v
}
