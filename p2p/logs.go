package p2p

import (
	"log/slog"

	"github.com/libp2p/go-libp2p/gologshim"
)

// LogTo makes libp2p log to h; without it, libp2p writes lines of its own form
// to stderr. It has to be called before the first [New].
func LogTo(h slog.Handler) { gologshim.SetDefaultHandler(h) }
