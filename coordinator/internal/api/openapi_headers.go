package api

import (
	"github.com/danielgtaylor/huma/v2"
)

// headerIdempotency names a request that is safe to repeat.
const headerIdempotency = "Idempotency-Key"

// headers are the headers of answers.
var headers = map[string]*huma.Header{
	"X-Request-Id": {
		Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Example: sampleRequest,
		Description: "The id of the request: the caller's own X-Request-Id if it has 1 to 64 letters, digits, dots, dashes and underscores, otherwise a new one. It is in the coordinator's log and audit log.",
	},
	"Location": {
		Required: true, Schema: &huma.Schema{Type: huma.TypeString, Format: "uri-reference"}, Example: prefix + "/sessions/" + sampleKeygen,
		Description: "The path of what was made, or of the session to ask for.",
	},
	"Preference-Applied": {
		Schema: &huma.Schema{Type: huma.TypeString}, Example: "respond-async",
		Description: "respond-async, if that was preferred (RFC 7240). Without it the session waits for people.",
	},
	"Retry-After": {
		Required: true, Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64(1))}, Example: 2,
		Description: "Seconds after which to call again.",
	},
	"WWW-Authenticate": {
		Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Example: `ApiKey realm="mpc"`,
		Description: "What to show: an API key, or a join token.",
	},
	"RateLimit": {
		Schema: &huma.Schema{Type: huma.TypeString}, Example: `"writes";r=499;t=1`,
		Description: "What is left to the caller, when calls are limited (draft-ietf-httpapi-ratelimit-headers).",
	},
	"RateLimit-Policy": {
		Schema: &huma.Schema{Type: huma.TypeString}, Example: `"writes";q=500;w=1`,
		Description: "How calls are limited, when they are.",
	},
}

// headersOf refers to the headers of answers with a status.
func headersOf(status string) map[string]*huma.Header {
	names := []string{"X-Request-Id", "RateLimit", "RateLimit-Policy"}
	switch status {
	case "201":
		names = append(names, "Location")
	case "202":
		names = append(names, "Location", "Preference-Applied")
	case "401":
		names = append(names, "WWW-Authenticate")
	case "429", "503":
		names = append(names, "Retry-After")
	}
	out := make(map[string]*huma.Header, len(names))
	for _, name := range names {
		out[name] = &huma.Header{Ref: "#/components/headers/" + name}
	}
	return out
}
