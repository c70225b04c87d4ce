package protocol

import "testing"

// What one member may have waiting in a session is bounded, whatever it is for; that it
// gives up is always heard. How many round messages there are, their machine says.
func TestAnInboxKeepsNoMoreThanACeremonyHas(t *testing.T) {
	const size = MaxEnvelope - 1000
	echoes := []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	b := newInbox(&toy{rounds: 9}, echoes)
	kept := 0
	for _, round := range echoes {
		h := Header{From: "mallory", Type: TypeDigest, Round: round, Name: digestName(round)}
		e := &Envelope{Header: h, Payload: make([]byte, size)}
		useless := b.useless(e)
		dropped, err := b.put(e)
		if noError(t, err); dropped != useless {
			t.Errorf("it was of no use for %q, and is dropped for %q", useless, dropped)
		}
		if dropped == "" {
			kept += size
		}
	}
	if kept > perMember || kept < perMember-MaxEnvelope {
		t.Errorf("%d bytes are kept, want almost %d", kept, perMember)
	}
	for from, h := range map[string]Header{
		"that it gives up":         {From: "mallory", Type: TypeAbort},
		"another member's message": {From: "alice", Type: TypeRound, Round: 1, Name: "Nonce"},
	} {
		dropped, err := b.put(&Envelope{Header: h, Payload: make([]byte, size)})
		if noError(t, err); dropped != "" {
			t.Errorf("%s is dropped: %s", from, dropped)
		}
	}
}
