package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// FuzzEventStream: whatever a server streams, reading ends, and an event that is
// read has data.
func FuzzEventStream(f *testing.F) {
	f.Add([]byte("retry: 1000\n\n: keep-alive\n\nid: 7\nevent: x\ndata: {\ndata: }\n\n"))
	f.Add([]byte("data\n\ndata:\r\n\r\nid\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := newEventReader(bytes.NewReader(stream))
		for n := 0; ; n++ {
			m, err := r.next()
			if errors.Is(err, io.EOF) || errors.Is(err, ErrNotAPI) {
				return
			}
			if err != nil || n > len(stream) {
				t.Fatalf("event %d: %v, %v", n, m, err)
			}
		}
	})
}

// FuzzAnswers: no answer makes verification fail in another way than it says.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"id":"a","certificate":{"encoded":"oA=="},"seal_key":{"statement":"AA=="},"parties":[{}],"addresses":{}}`))
	f.Add([]byte(`{"account_id":"a","message":"00","signature":{"compact":"00","v":1}}`))
	key := &Key{Account: "a", Scheme: "ecdsa-secp256k1", PublicKey: make([]byte, 33)}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a rest.Account
		if json.Unmarshal(body, &a) == nil {
			if _, err := VerifyAccount(&a); !errors.Is(err, ErrVerification) {
				t.Errorf("account: %v", err)
			}
			if _, err := verifySealKey(key, a.SealKey, time.Now()); err == nil {
				t.Error("a seal key of nobody was accepted")
			}
		}
		var r rest.SignResult
		if json.Unmarshal(body, &r) == nil {
			if err := key.VerifyResult(&r, []byte{0}, ""); !errors.Is(err, ErrVerification) {
				t.Errorf("result: %v", err)
			}
		}
	})
}

// FuzzWebhook: nothing but the right HMAC is accepted.
func FuzzWebhook(f *testing.F) {
	f.Add("t=1700000000,v1=00", []byte("{}"))
	f.Add("v1=,t=,,=", []byte(""))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if _, err := VerifyWebhook("a secret that the fuzzer does not know", header, body, time.Unix(1_700_000_000, 0)); !errors.Is(err, ErrWebhook) {
			t.Errorf("%q: %v", header, err)
		}
	})
}
