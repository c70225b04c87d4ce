package protocol

import (
	"fmt"
	"testing"
)

// What one member may have waiting in a session is bounded, in messages and in
// bytes, whatever rounds it is for; that it gives up is always heard.
func TestAnInboxKeepsNoMoreThanACeremonyHas(t *testing.T) {
	fill := func(over, size int) (kept, bytes int) {
		b := newInbox(&toy{round: over, rounds: over + 9}, nil)
		for i := range 1000 {
			h := Header{From: "mallory", Type: TypeRound, Round: over + 9, Name: fmt.Sprint("name ", i)}
			dropped, err := b.put(&Envelope{Header: h, Payload: make([]byte, size)})
			if err != nil {
				t.Fatal(err)
			}
			if dropped == "" {
				kept, bytes = kept+1, bytes+size
			}
		}
		if dropped, err := b.put(&Envelope{Header: Header{From: "mallory", Type: TypeAbort}, Payload: make([]byte, size)}); dropped != "" || err != nil {
			t.Errorf("an abort is dropped: %s, %v", dropped, err)
		}
		if dropped, _ := b.put(&Envelope{Header: Header{From: "alice", Type: TypeRound, Round: over + 1, Name: "first"}, Payload: make([]byte, size)}); dropped != "" {
			t.Errorf("another member's message is dropped: %s", dropped)
		}
		return kept, bytes
	}
	for _, over := range []int{0, toyPresigned} {
		if kept, _ := fill(over, 1); kept != perRound*9 {
			t.Errorf("%d small messages are kept, want %d", kept, perRound*9)
		}
	}
	if _, bytes := fill(0, MaxEnvelope-1000); bytes > perMember || bytes < perMember-MaxEnvelope {
		t.Errorf("%d bytes are kept, want almost %d", bytes, perMember)
	}
}
