package coordinator

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/api"
)

// ErrListen reports an HTTP address that cannot be listened on.
var ErrListen = errors.New("cannot listen")

// Bounds of HTTP connections. There is no read timeout for a whole request, which
// would end calls that wait: the API gives bodies a deadline of their own.
const (
	headerTimeout   = 5 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeader       = 32 << 10
	shutdownTimeout = 3 * time.Second // for answers on their way
)

// listen binds all addresses, or none.
func listen(addrs []string) (listeners []net.Listener, err error) {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("%w on %s for HTTP: %w; is another process using the port?", ErrListen, addr, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nothing was accepted on it
	}
}

// server is an HTTP server that does not wait, when it stops, for callers that
// have connected and said nothing: net/http would give each of them 5 s, though
// there is no answer to cut off.
type server struct {
	http.Server
	secure bool // TLS; net/http fills TLSConfig in any case
	mu     sync.Mutex
	silent map[net.Conn]bool
}

// newServer returns the HTTP server for a handler whose calls may wait for
// attempts of this length.
func newServer(h http.Handler, attempt time.Duration) *server {
	s := &server{silent: make(map[net.Conn]bool), Server: http.Server{
		ErrorLog: stdlog.New(serverLog{}, "", 0),
		Handler:  h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		WriteTimeout: api.WriteTimeout(attempt),
	}}
	s.ConnState = s.noteState
	return s
}

func (s *server) noteState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.silent[c] = true
		return
	}
	delete(s.silent, c)
}

func (s *server) closeSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.silent {
		_ = c.Close() // nobody is told anything on it
	}
}

// serverLog takes what net/http has to say about connections.
type serverLog struct{}

func (serverLog) Write(line []byte) (int, error) {
	log.Warnw("HTTP connection", "message", strings.TrimSpace(string(line)))
	return len(line), nil
}

// serve accepts on one listener until the server is shut down, with TLS if it is
// set up.
func serve(s *server, l net.Listener) error {
	accept := s.Serve
	if s.secure {
		accept = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	if err := accept(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

// shutdown closes the listeners and lets answers on their way finish.
func shutdown(s *server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	s.RegisterOnShutdown(s.closeSilent) // called once no new callers are accepted
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("HTTP: some calls were cut off: %w", err), s.Close())
	}
	return nil
}
