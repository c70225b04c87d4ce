package registry

import (
	"slices"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Status is how far a session is.
type Status string

// Statuses. Cancelled is for sessions that a user ends.
const (
	StatusCreated   Status = "created"
	StatusRunning   Status = "running"
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
	StatusExpired   Status = "expired"
)

// Finished reports whether nothing more will happen.
func (s Status) Finished() bool { return s != StatusCreated && s != StatusRunning }

// States of a party in a session's last attempt.
const (
	StateInvited  = "invited"
	StateAccepted = "accepted"
	StateRefused  = "refused"
	StateRunning  = "running"
	StateFinished = "finished"
	StateFailed   = "failed"
	StateLost     = "lost"
)

// Session is the state of one session.
type Session struct {
	NewSession
	ID      string
	Seq     uint64 // of its first event
	LastSeq uint64 // of its last event
	Status  Status
	Attempt uint32 // the last one; 0 before the first
	SID     string // of the last attempt
	// Presigned tells that the last attempt uses a presignature; Fallbacks counts the
	// earlier ones that did.
	Presigned bool
	Fallbacks int
	Spared    int    // other attempts that do not count: a party had no room, or was gone; and numbers not used
	Spec      []byte // of the last attempt, until the session has ended
	// Fingerprint is the roster's (protocol.Fingerprint), once the session has ended.
	Fingerprint string
	// Trimmed tells that Payload or Message is on disk alone; see Registry.Complete.
	Trimmed   bool
	Members   []Member
	Created   time.Time
	Finished  time.Time // zero while it runs
	Updated   time.Time // its last event
	Problem   *Problem
	Signature *Signature
	Invites   []InviteState
	Gathered  bool     // it has waited for people, and they have come
	Joined    []Party  // external parties that have used an invite
	Approved  []string // approvals (JWS) that have come, those of the request included
	Blames    []Blamed // of all attempts, in the order in which they came
}

// InviteState is an invite and what became of it.
type InviteState struct {
	Invite
	Revoked bool
	Peer    protocol.PeerID // who used it; empty: nobody
}

// Waiting returns what a session that has not begun waits for.
func (s *Session) Waiting() Wait {
	switch {
	case s.Status != StatusCreated || s.Wait == "":
		return ""
	case len(s.Joined) < s.Externals:
		return WaitExternal
	}
	return s.Wait
}

// Member is a party in the last attempt of a session.
type Member struct {
	Party
	State   string
	Phase   protocol.Phase
	Round   int
	Rounds  int
	Outcome *Outcome // keygen: what it delivered, without the record
}

// clone copies what fold changes.
func (s *Session) clone() *Session {
	c := *s
	c.Members = slices.Clone(s.Members)
	c.Invites = slices.Clone(s.Invites)
	c.Joined, c.Approved = slices.Clone(s.Joined), slices.Clone(s.Approved)
	c.Blames = slices.Clone(s.Blames)
	return &c
}

// fold applies one event of the session's stream. A session begins once, and has
// no attempt after its end: such events are in the log and change nothing.
func (s *Session) fold(e *Event) {
	again := e.Type == SessionCreated && s.Seq != 0 || e.Type == AttemptStarted && s.Status.Finished()
	s.LastSeq, s.Updated = e.Seq, e.Time
	if again {
		return
	}
	switch e.Type {
	case SessionCreated:
		s.Seq, s.Created, s.Status, s.NewSession = e.Seq, e.Time, StatusCreated, *e.Session
		s.Approved = slices.Clone(e.Session.Approvals)
	case AttemptStarted:
		if s.Presigned {
			s.Fallbacks++
		}
		if e.Attempt > s.Attempt {
			s.Spared += int(e.Attempt - s.Attempt - 1)
		}
		s.Presigned = e.Start.Presign
		s.Status, s.Attempt, s.SID, s.Spec = StatusRunning, e.Attempt, e.SID, e.Start.Spec
		s.Members = make([]Member, len(e.Start.Parties))
		for i, p := range e.Start.Parties {
			s.Members[i] = Member{Party: p, State: StateInvited}
		}
	case AttemptFailed:
		if e.Again {
			s.Spared++
		}
	case SessionCompleted:
		s.finish(e, StatusCompleted)
		s.Signature = e.Signature
		if s.Kind == protocol.KindSign { // a signature has the part of each of its signers in it
			s.finishMembers()
		}
	case SessionFailed:
		s.finish(e, StatusFailed)
	case SessionExpired:
		s.finish(e, StatusExpired)
	case SessionCancelled:
		s.finish(e, StatusCancelled)
	case SessionReady:
		s.Wait, s.Expires, s.Gathered = "", e.Expires, true
		if len(e.Recipient) > 0 {
			s.Recipient = e.Recipient
		}
	case InviteCreated, InviteRevoked, PartyJoined:
		s.foldInvite(e)
	case ApprovalAdded:
		s.Approved = append(s.Approved, e.Approval)
	case PartyAccepted, PartyRefused, PartyProgress, PartyFinished, PartyFailed, PartyLost, OutcomeRejected, OutcomeLate:
		s.foldMember(e)
	default: // tells something, changes nothing
	}
}

// foldInvite applies an event about an invite.
func (s *Session) foldInvite(e *Event) {
	if e.Type == InviteCreated {
		s.Invites = append(s.Invites, InviteState{Invite: *e.Invite})
		return
	}
	i := slices.IndexFunc(s.Invites, func(v InviteState) bool { return v.ID == e.Invite.ID })
	if i < 0 {
		return
	}
	if e.Type == InviteRevoked {
		s.Invites[i].Revoked = true
		return
	}
	s.Invites[i].Peer = e.Joined.Peer
	s.Joined = append(s.Joined, *e.Joined)
}

// finishMembers ends the work of all members but those that have said or shown that
// they failed.
func (s *Session) finishMembers() {
	for i := range s.Members {
		if m := &s.Members[i]; m.State != StateFailed {
			m.State, m.Phase = StateFinished, protocol.PhaseDone
		}
	}
}

func (s *Session) finish(e *Event, status Status) {
	s.Status, s.Finished, s.Problem = status, e.Time, e.Problem
	s.trim()
}

// foldMember applies an event about a party; what is about an earlier attempt
// changes no member.
func (s *Session) foldMember(e *Event) {
	s.foldBlames(e)
	i := slices.IndexFunc(s.Members, func(m Member) bool { return m.Peer == e.Party })
	if i < 0 || e.SID != s.SID {
		return
	}
	m := &s.Members[i]
	if m.State == StateFinished && e.Code != "" {
		return // its record is here, whatever else it says
	}
	switch e.Type { // the caller has chosen
	case PartyAccepted:
		if m.State == StateInvited { // its first report may have overtaken that
			m.State = StateAccepted
		}
	case PartyRefused:
		m.State = StateRefused
	case PartyProgress:
		m.Phase, m.Round, m.Rounds = e.Phase, e.Round, e.Rounds
		if m.State == StateInvited || m.State == StateAccepted {
			m.State = StateRunning
		}
	case PartyFinished:
		m.State, m.Phase = StateFinished, protocol.PhaseDone
		if s.Kind == protocol.KindKeygen {
			m.Outcome = &Outcome{Digest: e.Outcome.Digest} // the record is large, and in the log
		}
	case PartyFailed, OutcomeRejected:
		m.State = StateFailed
	case PartyLost:
		m.State = StateLost
	case OutcomeLate:
		m.State = StateFinished
		if e.Code != "" {
			m.State = StateFailed
		}
	}
}
