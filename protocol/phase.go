package protocol

// Phase is how far a session is at one party.
type Phase string

// Phases, in order.
const (
	PhaseAccepted Phase = "accepted" // the spec is fine; joining the topic
	PhaseReady    Phase = "ready"    // waiting until everyone is ready
	PhaseRounds   Phase = "rounds"   // the ceremony runs
	PhaseConfirm  Phase = "confirm"  // keygen: shares are on disk, signing the certificate
	PhaseHeld     Phase = "held"     // presigning: it is over, and what it made waits for a message
	PhaseDone     Phase = "done"
	PhaseFailed   Phase = "failed"
)
