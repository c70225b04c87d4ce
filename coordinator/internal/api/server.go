package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/invite"
	"github.com/meshmpc/mpcd/coordinator/internal/metrics"
	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

var log = logging.Logger("coordinator/api")

// Paths that need no key, or no check at all.
const (
	pathHealth  = "/health"
	pathReady   = "/ready"
	pathOpenAPI = "/openapi.yaml"
	prefix      = "/api/v1"
)

// Engine starts sessions. *engine.Engine is one.
type Engine interface {
	Keygen(engine.KeygenRequest) (session string, err error)
	Sign(engine.SignRequest) (session string, err error)
	Wait(ctx context.Context, session string) (*registry.Session, error)
	Cancel(ctx context.Context, session string, meta registry.Meta) error
	Complete(session string, recipient []byte, meta registry.Meta) error
	FetchShare(ctx context.Context, account string, recipient []byte, meta registry.Meta) (engine.UserShare, error)
	EraseShare(ctx context.Context, account string, meta registry.Meta) error
	FixSigners(account string, names []string, meta registry.Meta) (*registry.Account, error)
	SetPresign(account string, p *registry.Presign, meta registry.Meta) (*registry.Account, error)
	Invites
	Views
	Approve(session string, tokens []string, meta registry.Meta) error
	IsDraining() bool
}

// Invites are the engine's dealings with users' devices.
type Invites interface {
	AddInvite(session, replace string, invite func() (registry.Invite, error), meta registry.Meta) (registry.Invite, error)
	Invited(code string) (*registry.Session, registry.InviteState, error)
	Join(engine.JoinRequest) (*registry.Session, error)
}

// Views are what the engine knows beyond the registry.
type Views interface {
	SealKey(*registry.Account) []byte
	Presigning(*registry.Account) (engine.Presigning, bool)
	Fingerprint(*registry.Session) string
	Claims(session string, s *registry.NewSession) protocol.Approval
	ApprovedBy(*registry.Session) []string
	ApprovesAlone(*registry.Account) bool
}

// Config describes the API.
type Config struct {
	Engine   Engine
	Registry *registry.Registry
	Pool     *pool.View
	Access   Access
	Metrics  *metrics.Metrics // nil: nothing is counted
	Network  string
	Verify   protocol.Verifier
	Mesh     Mesh
	// Invites makes invite codes and join tokens; nil: devices cannot be invited.
	Invites  *invite.Issuer
	Webhooks Webhooks
	// Stopping ends the waiting of requests; their sessions go on.
	Stopping context.Context
}

type server struct {
	cfg     Config
	clients *clients
	flights flights
	keys    *lru.Cache[string, keyView]
	streams streams
	mux     *http.ServeMux
	table   map[string]route // by pattern of mux
	openapi func() ([]byte, error)
}

// New returns the API's handler.
func New(cfg Config) (http.Handler, error) {
	if cfg.Engine == nil || cfg.Registry == nil || cfg.Pool == nil || cfg.Webhooks == nil || cfg.Stopping == nil {
		return nil, errors.New("api: engine, registry, pool, webhooks and stopping context are required")
	}
	if err := cfg.Access.validate(); err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, clients: newClients(&cfg.Access), keys: newKeyViews(), mux: http.NewServeMux(), table: make(map[string]route), streams: newStreams()}
	if s.cfg.Access.JoinToken == nil {
		s.cfg.Access.JoinToken = s.joinToken
	}
	cfg.Webhooks.Render(s.webhookBody)
	s.openapi = sync.OnceValues(s.describe().OpenAPI().YAML)
	s.mux.HandleFunc("/", unrouted(s.mux, "/"))
	for _, rt := range s.table {
		if err := rt.check(); err != nil {
			return nil, err
		}
	}
	return bound(bodyTimeout, s.identify(contain(s.guard(readBody(s.mux))))), nil
}

// handle registers a route that is no part of the OpenAPI document.
func (s *server) handle(rt route, h http.HandlerFunc) {
	pattern := rt.method + " " + rt.path
	s.table[pattern] = rt
	s.mux.HandleFunc(pattern, h)
}

// humaConfig sets the framework up without what it adds by default: links to
// schemas in every answer, and a documentation page that loads code from
// elsewhere.
func humaConfig() huma.Config {
	c := huma.DefaultConfig("MPC coordinator", apiVersion)
	c.Info.Description = about
	c.CreateHooks = nil
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.Formats = map[string]huma.Format{mediaJSON: strictJSON, "json": strictJSON}
	c.Transformers = append(c.Transformers, fromHuma)
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key":       {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "An API key of the coordinator, with the scope that the route names."},
		"joinToken": {Type: "http", Scheme: "bearer", Description: "What joining a session gave."},
	}
	return c
}

func (s *server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	doc, err := s.openapi()
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	w.Header().Set("Content-Type", mediaOpenAPI)
	if _, err := w.Write(doc); err != nil {
		log.Debugw("the OpenAPI document could not be written", "error", err)
	}
}

// wait returns a session when it has ended. A caller that goes away, or a
// coordinator that stops, does not end the session.
func (s *server) wait(ctx context.Context, id string) (*registry.Session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.cfg.Stopping, cancel)()
	session, err := s.cfg.Engine.Wait(ctx, id)
	if err != nil {
		return nil, problemOf(err)
	}
	if session.Problem != nil {
		return session, problemOf(session.Problem)
	}
	return session, nil
}

// WriteTimeout is how long a server must let an answer take: a call may wait for
// its session's turn, and for all attempts that take attempt each.
func WriteTimeout(attempt time.Duration) time.Duration {
	return engine.TurnTimeout + 2*attempt + 30*time.Second
}
