package registry

import (
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Codes of problems. They are part of the API and stable.
const (
	CodeAccountNotFound  = "account_not_found"
	CodeSessionNotFound  = "session_not_found"
	CodeAccountNotActive = "account_not_active"
	CodeInvalidThreshold = "invalid_threshold"
	CodeInvalidPayload   = "invalid_payload"
	CodeUnknownParty     = "unknown_party"
	CodePoolTooSmall     = "pool_too_small"
	CodeTooFewParties    = "too_few_parties"
	CodePartyRefused     = "party_refused"
	CodePartyLost        = "party_lost"
	CodeCeremonyFailed   = "ceremony_failed"
	CodeDisagreement     = "results_do_not_match"
	CodeBadSignature     = "invalid_signature"
	CodeSessionTimeout   = "session_timeout"
	CodeShuttingDown     = "shutting_down"
	CodeStorage          = "storage_failure"
	CodeTooManySessions  = "too_many_sessions"
	CodeCancelled        = "session_cancelled"
	CodeFinished         = "session_finished"
	CodeNotWaiting       = "session_not_waiting"
	CodeInvalidParties   = "invalid_parties"
	CodeInvalidPresign   = "invalid_presign"
	CodePartiesConflict  = "signing_parties_conflict"
	CodeInvalidApprovers = "invalid_approvers"
	CodeInvalidApproval  = "invalid_approval"
	CodeRequestIDUsed    = "request_id_used"
	CodeNoUserShare      = "no_user_share"
	CodeBadUserShare     = "bad_user_share"
	CodeUserShareNeeded  = "user_share_needed"
	CodeExternalsNeeded  = "external_parties_needed"
	CodeInviteNotFound   = "invite_not_found"
	CodeInviteSpent      = "invite_spent"
	CodeInvalidJoin      = "invalid_join"
	CodeNotConfigured    = "not_configured"
	CodeWebhookNotFound  = "webhook_not_found"
	CodeInvalidWebhook   = "invalid_webhook"
	CodeTooManyWebhooks  = "too_many_webhooks"
	CodeInternal         = "internal_error"
)

// Problem says why something cannot be done, or why a session ended badly. It
// is an error.
type Problem struct {
	Code    string         `json:"code"`
	Detail  string         `json:"detail"`
	Parties []PartyProblem `json:"parties,omitempty"`
	Session string         `json:"session,omitempty"` // id of the session concerned
	Retry   time.Duration  `json:"-"`                 // until another try may help; 0: nobody knows
}

// PartyProblem is one party's part in a problem.
type PartyProblem struct {
	Party
	Code   protocol.Code   `json:"code"`
	Reason protocol.Reason `json:"reason,omitempty"` // of a party that is blamed
	Detail string          `json:"detail,omitempty"`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }
