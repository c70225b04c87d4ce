package device

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// fakeAPI is the part of a coordinator's API that a device sees, beside a real
// network.
type fakeAPI struct {
	tb  testing.TB
	url string

	mu      sync.Mutex
	invite  rest.InviteInfo
	session rest.Session
	ended   chan struct{}
	joins   int
	refuse  *rest.Problem // of a join

	net   *p2ptest.Network
	coord *p2ptest.Node
	// passLife says how long the pass of a join is good; joins are counted from 1.
	passLife func(join int) time.Duration
}

// newAPI serves an invite. network says whether there is one to join.
func newAPI(tb testing.TB, invite rest.InviteInfo, network bool) *fakeAPI {
	tb.Helper()
	a := &fakeAPI{tb: tb, invite: invite, ended: make(chan struct{}), passLife: func(int) time.Duration { return time.Hour }}
	a.session = rest.Session{ID: invite.SessionID, Kind: invite.Kind, Status: "created", AccountID: invite.AccountID}
	if network {
		a.net = p2ptest.New(tb, p2ptest.Config{Transport: p2ptest.TCP})
		a.net.Pool(0)
		a.coord = a.net.Add(p2p.RoleCoordinator)
		a.coord.Start()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/invites/{code}", a.getInvite)
	mux.HandleFunc("POST /api/v1/invites/{code}/join", a.join)
	mux.HandleFunc("GET /api/v1/sessions/{id}", a.getSession)
	mux.HandleFunc("GET /api/v1/sessions/{id}/events", a.events)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *fakeAPI) connect(token string) (*client.Client, error) {
	return client.New(client.Config{URL: a.url, JoinToken: token, Tries: 1})
}

func (a *fakeAPI) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.tb.Error(err)
	}
}

func problem(w http.ResponseWriter, p *rest.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the test sees what is missing
}

func (a *fakeAPI) getInvite(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer(w, a.invite)
}

func (a *fakeAPI) join(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joins++
	var req rest.Join
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		a.tb.Error(err)
	}
	if a.refuse != nil {
		problem(w, a.refuse)
		return
	}
	expires := time.Now().Add(a.passLife(a.joins))
	pass, err := a.coord.IssuePass(req.PeerID, expires)
	if err != nil {
		a.tb.Error(err)
	}
	a.answer(w, rest.Joined{
		SessionID: a.invite.SessionID, JoinToken: "token", Pass: pass, ExpiresAt: expires,
		Network: rest.NetworkInfo{
			Name: a.net.Name, AuthorityKey: base64.StdEncoding.EncodeToString(a.net.Authority), Bootstrap: a.net.Nodes[0].Addrs(),
		},
		Coordinator: rest.NetworkMember{PeerID: a.coord.ID(), Addrs: a.coord.Addrs()},
	})
}

func (a *fakeAPI) getSession(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer token" {
		problem(w, &rest.Problem{Status: http.StatusUnauthorized, Code: "unauthorized"})
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer(w, a.session)
}

// events ends when the session does.
func (a *fakeAPI) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, ": hello\n\n")
	_ = http.NewResponseController(w).Flush() // fails if the device has left meanwhile
	select {
	case <-r.Context().Done():
	case <-a.ended:
		fmt.Fprint(w, "event: end\ndata: {}\n\n")
	}
}

// end ends the session.
func (a *fakeAPI) end(status string, p *rest.Problem) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.session.Status, a.session.Error = status, p
	close(a.ended)
}

func (a *fakeAPI) joined() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.joins
}
