package hooks

import (
	"slices"
	"strings"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// deliverable are the events that webhooks may ask for: those of sessions and
// accounts.
var deliverable = []registry.Type{
	registry.SessionCreated, registry.SessionReady, registry.SessionCompleted, registry.SessionFailed, registry.SessionExpired, registry.SessionCancelled,
	registry.AttemptStarted, registry.AttemptFailed,
	registry.PartyAccepted, registry.PartyRefused, registry.PartyProgress, registry.PartyFinished, registry.PartyFailed, registry.PartyLost, registry.PartyJoined,
	registry.OutcomeRejected, registry.OutcomeLate,
	registry.InviteCreated, registry.InviteRevoked, registry.ApprovalAdded,
	registry.AccountCreated, registry.AccountActivated, registry.AccountFailed, registry.SigningParties, registry.AccountPresign, registry.ShareErased,
}

// defaults are the events of a webhook that asks for none in particular.
var defaults = []string{
	string(registry.SessionCompleted), string(registry.SessionFailed), string(registry.SessionCancelled), string(registry.SessionExpired),
	string(registry.AccountActivated), string(registry.AccountFailed),
}

// matches reports whether a pattern, a type or "<prefix>.*", means a type.
func matches(pattern string, t registry.Type) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasSuffix(prefix, ".") && strings.HasPrefix(string(t), prefix)
	}
	return pattern == string(t)
}

// known reports whether a pattern means anything.
func known(pattern string) bool {
	return slices.ContainsFunc(deliverable, func(t registry.Type) bool { return matches(pattern, t) })
}

// wants reports whether a webhook is to hear of an event.
func wants(w *registry.WebhookState, e *registry.Event) bool {
	return e.Seq > w.Seq && slices.Contains(deliverable, e.Type) &&
		slices.ContainsFunc(w.Events, func(p string) bool { return matches(p, e.Type) })
}
