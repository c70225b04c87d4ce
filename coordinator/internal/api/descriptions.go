package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// about is the introduction of the OpenAPI document.
const about = `Accounts whose keys exist only as shares, and signatures made with them.

**Bytes** are lower-case hexadecimal without 0x unless a field says base64 (RFC 4648 §4). **Times** are RFC 3339 in UTC. A **threshold** is t-of-n: t of n parties sign.
Fields that the schema does not name are errors in requests. Answers may get new fields in later versions: pass over the ones you do not know.

**Calls that start a session** wait for its result. ` + "`Prefer: respond-async`" + ` answers 202 at once, with the session's Location. A session goes on when its caller goes away.

**Idempotency-Key** makes a POST safe to repeat: the same key with the same request has the same result for 24 hours, also while the first still runs and after a restart of the coordinator.
A request that fails before anything is recorded leaves the key unused.

**Lists** are newest first, in pages: give next_cursor as cursor to get the next one.

**Errors** are problem documents (RFC 9457) with a stable ` + "`code`" + `; x-codes lists those of each answer. Before a route is looked for, address, key and rate are checked;
a path that there is not answers 404 ` + "`not_found`" + `, a method that a path has not 405 ` + "`method_not_allowed`" + `.`

// descriptions are the descriptions of operations whose summary does not say
// enough.
var descriptions = map[string]string{
	"create-account": "The parties generate a key; nobody ever has it whole. The call waits for that: a few seconds for ECDSA. An account that could not be made is kept with status failed, so that its session can be looked at.",
	"sign":           "The message is signed by t of the account's parties. The coordinator verifies the signature before it answers. An account whose approvers have not all approved answers 202, and the session waits for POST /api/v1/sessions/{id}/approvals. Signing an account with users' devices needs POST /api/v1/sessions.",
	"put-presign":    "A presignature is the part of an ECDSA signature that needs no message; with one, signing takes milliseconds. They are made while nothing else is to do, and are of no use without a request that is approved as any other. A signing that finds none runs all rounds.",
	"create-session": "Answers at once. Codes of invites are in this answer only: give each to its user over a safe way.",
	"cancel-session": "The parties are told to stop. Cancelling a session that was cancelled succeeds; one that has ended otherwise answers 409.",
	"generate-share": "Asks the delegate for the user's share. Whoever asks first decides for whom it is: with recipient_key it is sealed to that key, and to no other later. Acknowledge it once it is stored safely.",
	"ack-share":      "The share cannot be had from anybody but the user afterwards. Repeating the call succeeds.",
	"create-invite":  "Codes are single use. If every place of the session has a device or an open invite, the oldest open invite is revoked for the new one.",
	"join":           "The proof is an Ed25519 signature by the peer id's key over the SHA-256 of \"mpc/join/v1\" and the canonical CBOR of network, session, peer id and the code's SHA-256; mpcctl join makes it. The answer has what the device needs to reach the session: a pass for the network, and a token to read the session here.",
	"approve":        "Each approval is a compact JWS, typ mpc-approval+jwt, by one of the account's approvers over the claims that GET /api/v1/approvals shows. All of them count, or none does.",
	"ready":          "For load balancers. Liveness is GET /health.",
	"openapi":        "OpenAPI 3.1, as YAML.",
}

// tags are the groups of operations.
func tags() (list []*huma.Tag) {
	for _, t := range [][2]string{
		{"accounts", "Keys with an owner: make, list, sign with them."},
		{"sessions", "Ceremonies: follow them, make those that wait for people, end them."},
		{"approvals", "Signatures that people have to approve."},
		{"invites", "Users' own devices in a session."},
		{"shares", "The user's share of a key: custody hybrid."},
		{"webhooks", "Have a URL called when something happens."},
		{"operation", "For who runs the network."},
	} {
		list = append(list, &huma.Tag{Name: t[0], Description: t[1]})
	}
	return list
}

// ProblemsPage is a page for people about all problem codes, as Markdown.
func ProblemsPage() string {
	codes := slices.SortedFunc(maps.Keys(meanings), func(a, b string) int {
		if x, y := meanings[a].status, meanings[b].status; x != y {
			return x - y
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	b.WriteString("# Problems\n\nEvery error of the HTTP API is a problem document (RFC 9457, `application/problem+json`) with one of these codes. " +
		"Codes are stable: programs may rely on them, and not on the sentences in `detail`. " +
		"Which call answers with which is in [openapi.yaml](openapi.yaml).\n\n| status | code | meaning |\n| --- | --- | --- |\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", meanings[code].status, code, meanings[code].text)
	}
	b.WriteString("\nThis page is generated: `go generate ./coordinator`.\n")
	return b.String()
}
