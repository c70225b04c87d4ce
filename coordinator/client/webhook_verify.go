package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// WebhookHeader is the header that carries a webhook's signature.
const WebhookHeader = "Mpc-Signature"

// WebhookTolerance is how old a webhook's signature may be, and how far ahead
// its clock: an older one may be a replay.
const WebhookTolerance = 5 * time.Minute

// ErrWebhook reports a request that is not from the coordinator, or an old one.
var ErrWebhook = errors.New("webhook")

// VerifyWebhook checks a request that a webhook has received: header is the value
// of its Mpc-Signature, body all of its body as it came. Errors are ErrWebhook:
// answer them with 400 and do nothing. The same delivery can come more than
// once: its ID tells.
func VerifyWebhook(secret, header string, body []byte, now time.Time) (*rest.WebhookEvent, error) {
	if secret == "" {
		return nil, fmt.Errorf("%w: no secret to verify with", ErrWebhook)
	}
	stamp, signatures, err := parseSignature(header)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.", stamp)
	mac.Write(body)
	want, good := mac.Sum(nil), false
	for _, s := range signatures {
		good = hmac.Equal(want, s) || good
	}
	if !good {
		return nil, fmt.Errorf("%w: the signature does not match: the secret is another one, or the body was altered", ErrWebhook)
	}
	if age := now.Sub(time.Unix(stamp, 0)); age.Abs() > WebhookTolerance {
		return nil, fmt.Errorf("%w: it was signed %v ago; compare the clocks", ErrWebhook, age.Round(time.Second))
	}
	var e rest.WebhookEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWebhook, err)
	}
	return &e, nil
}

// parseSignature reads "t=<Unix seconds>,v1=<hex>", with v1 as often as there are
// secrets during a change, and skips what later versions may add.
func parseSignature(header string) (stamp int64, signatures [][]byte, err error) {
	malformed := fmt.Errorf("%w: the header %s is missing or malformed", ErrWebhook, WebhookHeader)
	times := 0
	for _, part := range strings.Split(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			times++
			if stamp, err = strconv.ParseInt(value, 10, 64); err != nil {
				return 0, nil, malformed
			}
		case "v1":
			sum, err := hex.DecodeString(value)
			if err != nil {
				return 0, nil, malformed
			}
			signatures = append(signatures, sum)
		}
	}
	if times != 1 || len(signatures) == 0 {
		return 0, nil, malformed
	}
	return stamp, signatures, nil
}
