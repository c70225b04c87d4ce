package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// checkPprof refuses addresses that others could reach: a profile tells where a
// process keeps what, and taking one costs its CPU.
func checkPprof(addr string) error {
	if addr == "" {
		return nil
	}
	if err := checkAddress(setPprof, addr); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(addr) // checkAddress has split it
	if !loopback(host) {
		return refusef("--%s %q: profiles are for this machine alone; write a loopback address such as 127.0.0.1:6060, and reach it from elsewhere through ssh -L", setPprof, addr)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// serveProfiles answers the requests of go tool pprof until stop is called, if
// that is wanted. The address is one for run.json: its port may be the system's choice.
func (d *dataDir) serveProfiles(addr string) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, refusef("--%s: %w", setPprof, err)
	}
	d.pprof = l.Addr().String()
	server := &http.Server{Handler: onlyLocal(profiles()), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Warnw("profiles are not served any more", "error", err)
		}
	}()
	return func() {
		_ = server.Close() // nobody waits for the rest of a profile
		<-ended
	}, nil
}

func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and all the named profiles
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// onlyLocal refuses requests whose Host is a name: a web page that has its own name
// resolve to loopback (DNS rebinding) would otherwise read profiles through a browser
// on this machine.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host // it has no port
		}
		if host != "localhost" && !loopback(host) {
			http.Error(w, "call this by a loopback address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
