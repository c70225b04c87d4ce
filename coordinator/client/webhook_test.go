package client_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
)

func mac(secret string, stamp int64, body string) string {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%d.%s", stamp, body)
	return hex.EncodeToString(h.Sum(nil))
}

func TestVerifyWebhook(t *testing.T) {
	const secret, body = "0123456789abcdef0123456789abcdef", `{"id":"d-1","event":{"seq":7,"type":"session.completed"}}`
	now := time.Unix(1_700_000_000, 0)
	at := func(stamp int64) string { return fmt.Sprintf("t=%d,v1=%s", stamp, mac(secret, stamp, body)) }
	good := at(now.Unix())
	e, err := client.VerifyWebhook(secret, good, []byte(body), now)
	if err != nil || e.ID != "d-1" || e.Event.Seq != 7 {
		t.Fatalf("event %+v, %v", e, err)
	}
	for _, header := range []string{
		"t=1700000000, v1=00, v1=" + mac(secret, now.Unix(), body), // while the secret changes
		good + ",v2=later", at(now.Unix() - 299), at(now.Unix() + 299),
	} {
		if _, err := client.VerifyWebhook(secret, header, []byte(body), now); err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
	for name, tt := range map[string]struct{ secret, header, body, says string }{
		"altered body":     {secret, good, body + " ", "does not match"},
		"another secret":   {secret + "x", good, body, "does not match"},
		"no secret":        {"", good, body, "no secret"},
		"altered time":     {secret, strings.Replace(good, "t=17", "t=18", 1), body, "does not match"},
		"two times":        {secret, good + ",t=1700000000", body, "malformed"},
		"old":              {secret, at(now.Unix() - 301), body, "ago"},
		"from the future":  {secret, at(now.Unix() + 301), body, "ago"},
		"no header":        {secret, "", body, "missing"},
		"no signature":     {secret, "t=1700000000", body, "missing"},
		"signature no hex": {secret, "t=1700000000,v1=x", body, "malformed"},
		"no number":        {secret, "t=x,v1=00", body, "malformed"},
		"signed nonsense":  {secret, "t=1700000000,v1=" + mac(secret, 1_700_000_000, "x"), "x", "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.VerifyWebhook(tt.secret, tt.header, []byte(tt.body), now)
			wantError(t, err, client.ErrWebhook, tt.says)
		})
	}
}
