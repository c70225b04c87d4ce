package api

import (
	"mime"
	"strconv"
	"strings"
)

// mediaEvents is the media type of server-sent events.
const mediaEvents = "text/event-stream"

// prefersEvents reports whether an Accept header (RFC 9110 §12.5.1) wants
// server-sent events rather than JSON. A caller has to name them: JSON is what
// everybody else gets.
func prefersEvents(accept []string) bool {
	events, asked := quality(accept, mediaEvents)
	if asked < 2 || events == 0 {
		return false
	}
	json, named := quality(accept, "application/json")
	return events > json || events == json && named < 2
}

// quality returns the weight that a header gives to a media type, 0 to 1, and how
// it names it: 2 itself, 1 by its first half, 0 by a wildcard, -1 not at all.
func quality(accept []string, media string) (q float64, named int) {
	named = -1
	half, _, _ := strings.Cut(media, "/")
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		rank := -1
		switch name {
		case media:
			rank = 2
		case half + "/*":
			rank = 1
		case "*/*":
			rank = 0
		}
		if rank > named {
			named, q = rank, weight(params["q"])
		}
	}
	return q, named
}

func weight(text string) float64 {
	if text == "" {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return q
}
