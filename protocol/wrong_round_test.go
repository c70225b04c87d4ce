package protocol

import "testing"

// A message that claims a later round than its own must not be held for that: its
// author would hold up the ceremony without being blamed.
func TestMessageUnderALaterRound(t *testing.T) {
	for _, kind := range kinds {
		for _, name := range []string{"Nonce", "Number", "Echo"} {
			net := newNetwork(t, specOf(kind, 3))
			for len(net.queue) > 0 {
				p := net.pick()
				if p.data != nil {
					if h := headerOf(t, p.data); h.From == parties[1].id && h.Name == name {
						p.data = reseal(t, p.data, func(h *Header, _ *[]byte) { h.Round = toyRounds })
					}
				}
				net.deliver(p)
			}
			for _, i := range []int{0, 2} {
				wantBlame(t, net.players[i].err, parties[1])
			}
		}
	}
}
