package client_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func newRecipient(t *testing.T) *client.Recipient {
	t.Helper()
	r, err := client.NewRecipient()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hybrid makes an account with a user's share, and opens the share.
func hybrid(t *testing.T, c *client.Client, scheme string) (*rest.Account, *client.Key, *client.UserShare) {
	t.Helper()
	r := newRecipient(t)
	a := newAccount(t, c, rest.CreateAccount{Scheme: scheme, UserShare: true, RecipientKey: r.PublicKey()})
	key, err := c.Key(waiting(t), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	share, err := client.OpenShare(key, r, a.UserShare.Share)
	if err != nil {
		t.Fatal(err)
	}
	return a, key, share
}

func TestUserShareSigns(t *testing.T) {
	_, c := start(t)
	for _, scheme := range schemes {
		a, _, share := hybrid(t, c, scheme)
		again, err := client.ParseUserShare(share.Text())
		if err != nil || again.Account() != a.ID {
			t.Fatalf("parsed again: %v", err)
		}
		req := client.SignRequest{Account: a.ID, Message: []byte("pay"), Hash: "sha256", UserShare: again}
		if _, err := c.Sign(waiting(t), req); err != nil {
			t.Error(err)
		}
	}
}

func TestShareIsFetchedUntilAcknowledged(t *testing.T) {
	_, c := start(t)
	a, key, _ := hybrid(t, c, "")
	for range 2 {
		fetched, err := c.GenerateShare(waiting(t), rest.GenerateShare{SessionID: a.KeygenSessionID})
		if err != nil || fetched.Share != a.UserShare.Share {
			t.Fatalf("fetched: %v", err)
		}
	}
	if ack, err := c.AckShare(waiting(t), a.UserShare.ID); err != nil || !ack.Erased {
		t.Errorf("acknowledged: %+v, %v", ack, err)
	}
	if _, err := c.GenerateShare(waiting(t), rest.GenerateShare{SessionID: a.KeygenSessionID}); client.Code(err) != "no_user_share" {
		t.Errorf("fetched after that: %v", err)
	}
	_, err := client.OpenShare(key, nil, a.UserShare.Share)
	wantError(t, err, client.ErrShare, "private key of its recipient")
}

func TestSharesAreChecked(t *testing.T) {
	_, c := start(t)
	r := newRecipient(t)
	a := newAccount(t, c, rest.CreateAccount{UserShare: true, RecipientKey: r.PublicKey()})
	key, err := c.Key(waiting(t), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, other, foreign := hybrid(t, c, "")
	text := a.UserShare.Share
	for name, tt := range map[string]struct {
		key  *client.Key
		r    *client.Recipient
		text string
		is   error
	}{
		"another recipient": {key, newRecipient(t), text, protocol.ErrSealedToOther},
		"another account":   {other, r, text, client.ErrShare},
		"another's share":   {key, nil, foreign.Text(), client.ErrShare},
		"altered":           {key, r, flip(text), client.ErrShare},
		"cut":               {key, r, text[:len(text)-8], client.ErrShare},
		"not one":           {key, r, "hello", client.ErrShare},
		"nothing":           {key, r, "", client.ErrShare},
	} {
		if _, err := client.OpenShare(tt.key, tt.r, tt.text); !errors.Is(err, tt.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.ParseUserShare(text); !errors.Is(err, client.ErrShare) {
		t.Errorf("a sealed share was taken for a plain one: %v", err)
	}
	req := client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256", UserShare: foreign}
	_, err = c.Sign(waiting(t), req)
	wantError(t, err, client.ErrShare, "it is of account")
}

// TestShareMadeForAnother is a coordinator that has named a recipient of its own,
// read the share, and sealed it again for the user.
func TestShareMadeForAnother(t *testing.T) {
	_, c := start(t)
	theirs, r := newRecipient(t), newRecipient(t)
	a := newAccount(t, c, rest.CreateAccount{UserShare: true, RecipientKey: theirs.PublicKey()})
	key, err := c.Key(waiting(t), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := client.OpenShare(key, theirs, a.UserShare.Share)
	if err != nil {
		t.Fatal(err)
	}
	_, data, err := protocol.ParseShare(stolen.Text())
	if err != nil {
		t.Fatal(err)
	}
	public, err := base64.StdEncoding.DecodeString(r.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := protocol.SealShare(public, protocol.ShareBinding{
		Network: key.Network, Account: key.Account, Key: key.Session, Epoch: key.Epoch, Purpose: protocol.PurposeDeliver,
	}, data)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.OpenShare(key, r, protocol.FormatShare(true, sealed))
	wantError(t, err, client.ErrShare, "another recipient")
	_, err = client.OpenShare(key, nil, stolen.Text())
	wantError(t, err, client.ErrShare, "another recipient")
}

// TestSealKeyIsChecked replaces the key that the user's share is sealed to: the
// share must not leave.
func TestSealKeyIsChecked(t *testing.T) {
	s, c := start(t)
	a, _, share := hybrid(t, c, "")
	another := clienttest.New(t)
	forged, _, _ := hybrid(t, newClient(t, another, nil), "")
	for name, change := range map[string]func(*rest.Account){
		"another key":              func(a *rest.Account) { a.SealKey.Key = forged.SealKey.Key },
		"another's statement":      func(a *rest.Account) { a.SealKey = forged.SealKey },
		"altered statement":        func(a *rest.Account) { a.SealKey.Statement = flip(a.SealKey.Statement) },
		"statement that is no hex": func(a *rest.Account) { a.SealKey.Statement = "?" },
		"none":                     func(a *rest.Account) { a.SealKey = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s.Alter(func(v any) {
				if a, ok := v.(*rest.Account); ok {
					change(a)
				}
			})
			defer s.Alter(nil)
			_, err := c.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256", UserShare: share})
			if !errors.Is(err, client.ErrVerification) && !errors.Is(err, client.ErrShare) {
				t.Errorf("error %v", err)
			}
		})
	}
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/sign") {
			t.Errorf("%s %s was sent", r.Method, r.Path)
		}
	}
}

// TestStaleSealKey starts the delegate anew between reading its key and signing; its new
// key is there only later.
func TestStaleSealKey(t *testing.T) {
	s, c := start(t)
	a, _, share := hybrid(t, c, "")
	const refusals = 3
	refused := 0
	s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/sign") || refused == refusals {
			return false
		}
		if refused++; refused == refusals {
			s.RenewSealKey()
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprintf(w, `{"code": "party_refused", "session_id": "s", "parties": [{"code": %q}]}`, protocol.CodeSealKey)
		return true
	})
	if _, err := c.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256", UserShare: share}); err != nil || refused != refusals {
		t.Errorf("%v after %d refusals", err, refused)
	}
}

func TestSecretsStayOutOfLogs(t *testing.T) {
	_, c := start(t)
	_, _, share := hybrid(t, c, "")
	r := newRecipient(t)
	for _, format := range []string{"%v", "%+v", "%s", "%#v"} {
		if text := fmt.Sprintf(format, share); strings.Contains(text, "mpcshare") || len(text) > 200 {
			t.Errorf("%s prints %s", format, text)
		}
		if text := fmt.Sprintf(format, r); text != "recipient "+r.PublicKey() {
			t.Errorf("%s prints %s", format, text)
		}
	}
	again, err := client.ParseRecipient(r.Private())
	if err != nil || again.PublicKey() != r.PublicKey() {
		t.Errorf("parsed: %v, %v", again, err)
	}
	if _, err := client.ParseRecipient([]byte("short")); !errors.Is(err, client.ErrShare) {
		t.Errorf("a short key: %v", err)
	}
}
