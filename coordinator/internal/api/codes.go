package api

import (
	"net/http"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Codes of problems that arise in HTTP itself; the engine's are in registry.
const (
	codeUnauthorized     = "unauthorized"
	codeForbidden        = "address_not_allowed"
	codeScope            = "scope_missing"
	codeRateLimited      = "rate_limited"
	codeBlocked          = "too_many_failures"
	codeNotFound         = "not_found"
	codeMethod           = "method_not_allowed"
	codeTimeout          = "request_timeout"
	codeTooLarge         = "body_too_large"
	codeMediaType        = "unsupported_media_type"
	codeMalformed        = "malformed_json"
	codeInvalid          = "invalid_request"
	codeMalformedMessage = "malformed_message"
	codeDerivation       = "derivation_not_supported"
	codeCursor           = "invalid_cursor"
	codeNotReady         = "not_ready"
	codeStreams          = "too_many_streams"
	codeIdempotency      = "idempotency_key_reused"
)

// meaning is what is fixed about a code: its HTTP status, and what it says to
// whoever writes a program against the API.
type meaning struct {
	status int
	text   string
}

// meanings has every problem code. GET /openapi.yaml and PROBLEMS.md are made
// from it.
var meanings = map[string]meaning{
	codeMalformed:    {http.StatusBadRequest, "The body is missing, is no JSON, repeats a name within an object, or nests too deeply."},
	codeUnauthorized: {http.StatusUnauthorized, "The API key or join token is missing, wrong, expired or revoked."},
	codeForbidden:    {http.StatusForbidden, "The client's address is not in the operator's list."},
	codeScope:        {http.StatusForbidden, "The API key is right, and is not for this: it lacks the scope that the route names."},

	codeNotFound:                 {http.StatusNotFound, "No route has this path."},
	registry.CodeAccountNotFound: {http.StatusNotFound, "There is no such account."},
	registry.CodeSessionNotFound: {http.StatusNotFound, "There is no such session."},
	registry.CodeWebhookNotFound: {http.StatusNotFound, "There is no such webhook."},
	registry.CodeInviteNotFound:  {http.StatusNotFound, "No invite has this code, or the session has no unused invite of this id."},
	codeMethod:                   {http.StatusMethodNotAllowed, "The path does not have this method; Allow lists those it has."},
	codeTimeout:                  {http.StatusRequestTimeout, "The body did not arrive within 10 seconds."},

	registry.CodeAccountNotActive: {http.StatusConflict, "The account has no key: its keygen runs still, or has failed."},
	registry.CodePoolTooSmall:     {http.StatusConflict, "The threshold needs more parties than are live."},
	registry.CodeFinished:         {http.StatusConflict, "The session has ended."},
	registry.CodeCancelled:        {http.StatusConflict, "The session was cancelled on request while this call waited for it."},
	registry.CodeNotWaiting:       {http.StatusConflict, "The session does not wait for what the call brings."},
	registry.CodePartiesConflict:  {http.StatusConflict, "The parties that may sign for the account cannot make this signature: see its signing-parties and its custody."},
	registry.CodeRequestIDUsed:    {http.StatusConflict, "request_id names a session already: make a fresh UUID."},
	registry.CodeUserShareNeeded:  {http.StatusConflict, "The signature needs the user's share: send it as user_share. After a restart of the coordinator it has to be sent again."},
	registry.CodeExternalsNeeded:  {http.StatusConflict, "Users' devices have to sign with it: create the session with POST /api/v1/sessions, which invites them."},
	registry.CodeNotConfigured:    {http.StatusConflict, "The coordinator is not set up for this: its operator has to set JWT_SECRET_KEY."},
	registry.CodeTooManyWebhooks:  {http.StatusConflict, "There are as many webhooks as there may be: delete one first."},
	registry.CodeInviteSpent:      {http.StatusGone, "The invite was used by another device, was revoked or has expired, or its session has begun or ended."},
	registry.CodeNoUserShare:      {http.StatusGone, "The account has no user's share to give out: it has none, or the user has it and it was erased."},
	codeTooLarge:                  {http.StatusRequestEntityTooLarge, "The body is larger than 192 KiB."},
	codeMediaType:                 {http.StatusUnsupportedMediaType, "The body is not application/json."},

	codeInvalid:                   {http.StatusUnprocessableEntity, "The request breaks its schema; errors names the fields."},
	codeMalformedMessage:          {http.StatusUnprocessableEntity, "The message is not written as encoding says."},
	codeDerivation:                {http.StatusUnprocessableEntity, "Derivation of keys is not supported yet: leave derivation_path out."},
	codeCursor:                    {http.StatusUnprocessableEntity, "The cursor is not one that this API gave."},
	codeIdempotency:               {http.StatusUnprocessableEntity, "The Idempotency-Key was used for another request in the last 24 hours."},
	registry.CodeInvalidThreshold: {http.StatusUnprocessableEntity, "The threshold is none, or does not go with the parties that are named."},
	registry.CodeInvalidPayload:   {http.StatusUnprocessableEntity, "The account's scheme cannot sign this: an ECDSA digest has 32 bytes, a message 1 to 32768."},
	registry.CodeUnknownParty:     {http.StatusUnprocessableEntity, "A party that the request names is not in the pool, or is named twice."},
	registry.CodeInvalidParties:   {http.StatusUnprocessableEntity, "The signing parties are too few, named twice, or hold no share of the account."},
	registry.CodeInvalidPresign:   {http.StatusUnprocessableEntity, "The account cannot keep presignatures: only ECDSA accounts do, whose parties keep t shares."},
	registry.CodeInvalidApprovers: {http.StatusUnprocessableEntity, "The approvers are no public keys of the kinds supported, or m does not go with them."},
	registry.CodeInvalidApproval:  {http.StatusUnprocessableEntity, "An approval is malformed, expired, of somebody else, or for another request."},
	registry.CodeBadUserShare:     {http.StatusUnprocessableEntity, "The user's share or recipient_key cannot be used with this account."},
	registry.CodeInvalidJoin:      {http.StatusUnprocessableEntity, "The device has not proved its peer id, or may not take part in the session."},
	registry.CodeInvalidWebhook:   {http.StatusUnprocessableEntity, "The webhook's URL or events are none that are supported."},

	codeRateLimited:              {http.StatusTooManyRequests, "The key makes more calls than it may; Retry-After says when to call again."},
	codeBlocked:                  {http.StatusTooManyRequests, "Too many calls from this address had no right key; Retry-After says when to call again."},
	codeStreams:                  {http.StatusTooManyRequests, "Too many event streams are open."},
	registry.CodeTooManySessions: {http.StatusTooManyRequests, "Too many sessions wait for their turn, or for people, or its turn would come later than in four minutes, by the pace of the last ones. Retry-After says when there may be room."},

	registry.CodeStorage:        {http.StatusInternalServerError, "The coordinator could not write to its disk. What is not recorded is given up, and no result of it is given out."},
	registry.CodeInternal:       {http.StatusInternalServerError, "The coordinator failed; its log tells why, under the request's id."},
	registry.CodePartyRefused:   {http.StatusBadGateway, "Parties refused to take part; parties says which, and why."},
	registry.CodePartyLost:      {http.StatusBadGateway, "A party stopped answering while the session ran, and there was none to take its place."},
	registry.CodeCeremonyFailed: {http.StatusBadGateway, "A party gave the ceremony up; parties names those that broke the protocol, or are said to have, with the reason; the session's blame has the evidence."},
	registry.CodeDisagreement:   {http.StatusBadGateway, "The parties delivered different key certificates: the key is not used."},
	registry.CodeBadSignature:   {http.StatusBadGateway, "The parties delivered results that do not verify; nothing of them is returned."},
	codeNotReady:                {http.StatusServiceUnavailable, "Sessions cannot run now; errors has the reasons."},
	registry.CodeTooFewParties:  {http.StatusServiceUnavailable, "Too few of the parties that are needed answer; parties names the missing."},
	registry.CodeShuttingDown:   {http.StatusServiceUnavailable, "The coordinator is stopping: call again in a few seconds. Sessions that run go on after its start."},
	registry.CodeSessionTimeout: {http.StatusGatewayTimeout, "The session did not end, or did not begin, within its time."},
}
