package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
	"github.com/meshmpc/mpcd/cmd/mpcctl/internal/device"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// joinUser is the person at the device, or the flags that stand for them. With
// --json each event is one line of JSON on stdout; otherwise progress goes to
// stderr and the result to stdout.
type joinUser struct {
	*terminal
	result io.Writer
	yes    bool
	expect string // fingerprint; empty: any, after asking

	printing sync.Mutex
	json     *json.Encoder // nil: for people
	self     string        // this device's peer id
	last     string        // what was said last
}

func newJoinUser(c *cli.Context) *joinUser {
	u := &joinUser{terminal: newTerminal(c), result: c.App.Writer, yes: c.Bool(flagYes), expect: c.String(flagFingerprint)}
	if wantsJSON(c) {
		u.json = json.NewEncoder(c.App.Writer)
		u.json.SetEscapeHTML(false)
	}
	return u
}

// Tell is device.User.
func (u *joinUser) Tell(e device.Event) {
	u.printing.Lock()
	defer u.printing.Unlock()
	if e.Type == device.EventDevice {
		u.self = e.PeerID
	}
	if u.json != nil {
		_ = u.json.Encode(e) // nobody reads any more: the session goes on
		return
	}
	if text := u.describe(e); text != "" && text != u.last {
		u.say("%s", text)
		u.last = text
	}
	if e.Type == device.EventResult {
		u.showResult(e.Result)
	}
}

// Ask is device.User.
func (u *joinUser) Ask(ctx context.Context, q device.Question) error {
	switch {
	case u.expect != "":
		return device.Expect(u.expect)(q)
	case u.yes:
		return nil
	}
	word, _, _ := strings.Cut(q.Fingerprint, " ")
	ok, err := u.confirm(ctx, "To take part, type the first group of the fingerprint; to decline, no: ", word)
	switch {
	case ctx.Err() != nil:
		u.say("\nThis question is void: the session went on without an answer, or ended.")
		return err
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: there was nobody to ask; --%s or --%s answer for you", device.ErrDeclined, flagFingerprint, flagYes)
	case err != nil:
		return err
	case !ok:
		return device.ErrDeclined
	}
	return nil
}

// describe says an event in words; "" if it is of no interest.
func (u *joinUser) describe(e device.Event) string {
	switch e.Type {
	case device.EventInvited:
		return describeInvite(e.Invite)
	case device.EventDevice:
		return lines("This device is %s", e.PeerID)
	case device.EventPreparing:
		return "Looking for safe primes, which takes seconds, and now and then a minute …"
	case device.EventPrepared:
		return "… found in " + e.Detail
	case device.EventJoined:
		return "Joined. Waiting for the others; this device has to stay here."
	case device.EventQuestion:
		return describeQuestion(e.Question)
	case device.EventAnswer:
		return lines("Answer: %s", e.Detail)
	case device.EventUnreachable:
		return "The coordinator does not answer, trying again: " + safetext.Printable(e.Detail)
	case device.EventSession:
		return u.describeSession(e.Session)
	}
	return ""
}

// lines formats lines of text. What others have written cannot begin another one.
func lines(format string, args ...any) string {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = safetext.Printable(text)
		}
	}
	return fmt.Sprintf(format, args...)
}

func write(b *strings.Builder, format string, args ...any) { b.WriteString(lines(format, args...)) }

func describeInvite(v *rest.InviteInfo) string {
	var b strings.Builder
	key := lines("%d-of-%d key (%s)", v.ThresholdT, v.ThresholdN, v.Scheme)
	if v.Kind == rest.KindSign {
		write(&b, "You are invited to sign with the %s of account %s\n", key, v.AccountID)
		write(&b, "  public key  %s\n", v.PublicKey)
		b.WriteString(describeMessage(v.Message, v.Hash, v.Digest))
	} else {
		write(&b, "You are invited to make a %s together with others\n", key)
		write(&b, "  account     %s\n", v.AccountID)
	}
	write(&b, "  user        %s\n  network     %s\n  session     %s\n  invite      %s, until %s", v.UserID, v.Network, v.SessionID, v.Status, cellText(v.ExpiresAt))
	return b.String()
}

// describeMessage shows what is to be signed: as text if it is one.
func describeMessage(message, hash, digest string) string {
	out := lines("  message     %s (hex)\n", message)
	if data, err := hex.DecodeString(message); err == nil && isText(data) {
		out = lines("  message     %q\n", data)
	}
	return out + lines("  hash        %s\n  signs       %s (hex)\n", hash, digest)
}

func isText(data []byte) bool {
	return utf8.Valid(data) && !strings.ContainsFunc(string(data), func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' })
}

func describeQuestion(q *device.Question) string {
	var b strings.Builder
	b.WriteString("\n")
	if q.Kind == "sign" {
		write(&b, "Everybody is here to sign with the key of account %s:\n", q.AccountID)
		b.WriteString(describeMessage(q.Message, q.Hash, q.Digest))
		b.WriteString("  with\n")
	} else {
		write(&b, "Everybody is here to make a key of which %d of these %d sign together (approvals of %s):\n", q.Threshold, len(q.Members), describeApprovers(q))
	}
	for _, m := range q.Members {
		you := ""
		if m.Self {
			you = "  (this device)"
		}
		write(&b, "    %-10s %s  %s%s\n", m.Role, m.PeerID, m.Name, you)
	}
	write(&b, "\n  fingerprint  %s\n\n", q.Fingerprint)
	write(&b, "Compare the fingerprint with the other participants over another way, such as the telephone.\n"+
		"If it differs, decline: somebody between you has put others in their place. Answer by %s.", cellText(q.Expires))
	return b.String()
}

// describeApprovers says whose approval each signature will need.
func describeApprovers(q *device.Question) string {
	var keys []string
	for _, id := range q.ApproverKeys {
		keys = append(keys, id[:min(len(id), 16)]+"…")
	}
	return fmt.Sprintf("%s approvers: %s", q.Approvers, strings.Join(keys, ", "))
}

// sessionWords say what has happened to the session or to a party.
var sessionWords = map[string]string{
	"party.joined": "joined", "party.accepted": "takes part", "party.refused": "does not take part",
	"party.lost": "stopped answering", "party.finished": "is done",
	"session.ready": "Everybody has come.", "attempt.started": "The parties are being asked.", "attempt.failed": "This attempt failed.",
}

// describeSession says an event of the session: of others what matters, of this
// device every round.
func (u *joinUser) describeSession(e *rest.Event) string {
	who := ""
	if e.Party != nil {
		who = nameOr(e.Party.Name, e.Party.PeerID) + " "
	}
	why := ""
	if e.Detail != "" || e.Code != "" {
		why = ": " + nameOr(e.Detail, e.Code)
	}
	switch {
	case e.Type == "party.progress" && e.Party != nil && e.Party.PeerID == u.self && e.Round > 0:
		return lines("Round %d of %d", e.Round, e.Rounds)
	case sessionWords[e.Type] != "":
		return safetext.Printable(who + sessionWords[e.Type] + why)
	}
	return ""
}

func (u *joinUser) showResult(r *device.Result) {
	t := newTable(u.result)
	t.field("account", r.AccountID)
	t.field("scheme", r.Scheme)
	t.field("threshold", r.Threshold)
	t.field("public key", r.PublicKey)
	t.field("ethereum", r.Addresses.Ethereum)
	t.field("bitcoin", r.Addresses.Bitcoin)
	t.field("bitcoin testnet", r.Addresses.BitcoinTestnet)
	t.field("solana", r.Addresses.Solana)
	t.field("fingerprint", r.Fingerprint)
	if r.Signature != nil {
		t.field("digest", r.Digest)
		t.field("signature", r.Signature.Compact)
		t.field("der", r.Signature.DER)
	}
	_ = t.flush() // nobody reads any more
	if r.Kind == "keygen" {
		u.say("\nThis share is on this device alone. Make a backup now: mpcctl share export FILE")
	}
}
