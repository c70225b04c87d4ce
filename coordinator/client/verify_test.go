package client_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

var schemes = []string{"ecdsa-secp256k1", "eddsa-ed25519"}

func TestSign(t *testing.T) {
	_, c := start(t)
	for _, scheme := range schemes {
		a := newAccount(t, c, rest.CreateAccount{Scheme: scheme})
		for _, hash := range []string{"", "none", "sha256", "keccak256", "eip191"} {
			message := []byte("0123456789abcdef0123456789abcdef")
			r, err := c.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: message, Hash: hash})
			if err != nil {
				t.Fatalf("%s %q: %v", scheme, hash, err)
			}
			key, err := c.Key(waiting(t), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			sig, _ := hex.DecodeString(r.Signature.Compact)
			if err := key.Verify(message, hash, sig); err != nil {
				t.Errorf("%s %q: %v", scheme, hash, err)
			}
			wantError(t, key.Verify(message[1:], "sha256", sig), client.ErrVerification, "")
		}
	}
	a := newAccount(t, c, rest.CreateAccount{})
	if _, err := c.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("short")}); client.Code(err) != "malformed_message" {
		t.Errorf("a digest of five bytes: %v", err)
	}
	if _, err := c.Sign(waiting(t), client.SignRequest{Account: "nobody", Message: []byte("m"), Hash: "sha256"}); client.Code(err) != "account_not_found" {
		t.Errorf("nobody's account: %v", err)
	}
}

func TestAccountWithoutAKey(t *testing.T) {
	s, c := start(t)
	a := newAccount(t, c, rest.CreateAccount{})
	s.Alter(func(v any) {
		if a, ok := v.(*rest.Account); ok {
			a.Status, a.Certificate = "creating", nil
		}
	})
	fresh := newClient(t, s, nil)
	if shown, err := fresh.Account(waiting(t), a.ID); err != nil || shown.Status != "creating" {
		t.Errorf("account %+v, %v", shown, err)
	}
	if _, err := fresh.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("m"), Hash: "sha256"}); client.Code(err) != "account_not_active" {
		t.Errorf("signed without a key: %v", err)
	}
}

// flip changes a hexadecimal digit in the middle.
func flip(text string) string {
	digit := "0"
	if text[len(text)/2] == '0' {
		digit = "1"
	}
	return text[:len(text)/2] + digit + text[len(text)/2+1:]
}

// TestAlteredResults changes every field of an answer: none comes through.
func TestAlteredResults(t *testing.T) {
	one := 1
	both := map[string]func(*rest.SignResult){
		"account":        func(r *rest.SignResult) { r.AccountID += "x" },
		"scheme":         func(r *rest.SignResult) { r.Scheme = "x" },
		"public key":     func(r *rest.SignResult) { r.PublicKey = flip(r.PublicKey) },
		"message":        func(r *rest.SignResult) { r.Message = flip(r.Message) },
		"hash":           func(r *rest.SignResult) { r.Hash = "none" },
		"digest":         func(r *rest.SignResult) { r.Digest = flip(r.Digest) },
		"signature":      func(r *rest.SignResult) { r.Signature.Compact = flip(r.Signature.Compact) },
		"no signature":   func(r *rest.SignResult) { r.Signature.Compact = "" },
		"capitals":       func(r *rest.SignResult) { r.Signature.Compact = strings.ToUpper("a" + r.Signature.Compact[1:]) },
		"base64":         func(r *rest.SignResult) { r.Signature.Base64 = "AA==" },
		"r":              func(r *rest.SignResult) { r.Signature.R += "00" },
		"s":              func(r *rest.SignResult) { r.Signature.S += "00" },
		"DER":            func(r *rest.SignResult) { r.Signature.DER += "00" },
		"rsv":            func(r *rest.SignResult) { r.Signature.RSV += "00" },
		"recovery id":    func(r *rest.SignResult) { v := 3; r.Signature.V = &v },
		"Ethereum's v":   func(r *rest.SignResult) { r.Signature.VEthereum = &one },
		"another answer": func(r *rest.SignResult) { *r = rest.SignResult{} },
	}
	s, c := start(t)
	for _, scheme := range schemes {
		a := newAccount(t, c, rest.CreateAccount{Scheme: scheme})
		req := client.SignRequest{Account: a.ID, Message: []byte("pay"), Hash: "sha256"}
		for name, change := range both {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				s.Alter(func(v any) {
					if r, ok := v.(*rest.SignResult); ok {
						change(r)
					}
				})
				defer s.Alter(nil)
				r, err := c.Sign(waiting(t), req)
				if r != nil {
					t.Errorf("an altered answer was returned: %+v", r)
				}
				wantError(t, err, client.ErrVerification, "")
			})
		}
		if _, err := c.Sign(waiting(t), req); err != nil {
			t.Errorf("control: the unaltered answer: %v", err)
		}
	}
}

// TestSignatureOfAnother swaps whole answers that are right by themselves.
func TestSignatureOfAnother(t *testing.T) {
	s, c := start(t)
	a, b := newAccount(t, c, rest.CreateAccount{}), newAccount(t, c, rest.CreateAccount{})
	other := make(map[string]*rest.SignResult)
	for name, req := range map[string]client.SignRequest{
		"another account's": {Account: b.ID, Message: []byte("pay"), Hash: "sha256"},
		"another message's": {Account: a.ID, Message: []byte("pay more"), Hash: "sha256"},
		"another hash's":    {Account: a.ID, Message: []byte("pay"), Hash: "keccak256"},
	} {
		r, err := c.Sign(waiting(t), req)
		if err != nil {
			t.Fatal(err)
		}
		other[name] = r
	}
	for name, r := range other {
		s.Alter(func(v any) {
			if answer, ok := v.(*rest.SignResult); ok {
				*answer = *r
			}
		})
		_, err := c.Sign(waiting(t), client.SignRequest{Account: a.ID, Message: []byte("pay"), Hash: "sha256"})
		if !errors.Is(err, client.ErrVerification) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAlteredAccounts(t *testing.T) {
	s, c := start(t)
	victim, other := newAccount(t, c, rest.CreateAccount{UserID: "u"}), newAccount(t, c, rest.CreateAccount{})
	_, stranger := approverKeys(t)
	for name, change := range map[string]func(*rest.Account){
		"id":                 func(a *rest.Account) { a.ID += "x" },
		"keygen session":     func(a *rest.Account) { a.KeygenSessionID += "x" },
		"scheme":             func(a *rest.Account) { a.Scheme = "eddsa-ed25519" },
		"custody":            func(a *rest.Account) { a.Custody = rest.CustodyCoManaged },
		"status":             func(a *rest.Account) { a.Status = "failed" },
		"threshold":          func(a *rest.Account) { a.ThresholdT = 3 },
		"size":               func(a *rest.Account) { a.ThresholdN = 4 },
		"public key":         func(a *rest.Account) { a.PublicKey = other.PublicKey },
		"address":            func(a *rest.Account) { a.Addresses.Ethereum = other.Addresses.Ethereum },
		"address on a chain": func(a *rest.Account) { a.Addresses.Bitcoin = a.Addresses.BitcoinTestnet },
		"members":            func(a *rest.Account) { a.Parties[0].PeerID = a.Parties[1].PeerID },
		"a member less":      func(a *rest.Account) { a.Parties = a.Parties[1:] },
		"a member's role":    func(a *rest.Account) { a.Parties[0].Role = "external" },
		"approvers' keys":    func(a *rest.Account) { a.Approval.PublicKeys = []string{stranger} },
		"no approvers' keys": func(a *rest.Account) { a.Approval.PublicKeys = nil },
		"approvals needed": func(a *rest.Account) {
			a.Approval.M, a.Approval.PublicKeys = 2, append(a.Approval.PublicKeys, stranger)
		},
		"an approver's id":      func(a *rest.Account) { a.Approval.Keys[0] = flip(a.Approval.Keys[0]) },
		"one approver's id":     func(a *rest.Account) { a.Approval.Keys = append(a.Approval.Keys, a.Approval.Keys[0]) },
		"no certificate":        func(a *rest.Account) { a.Certificate = nil },
		"no certificate's text": func(a *rest.Account) { a.Certificate.Encoded = "" },
		"network":               func(a *rest.Account) { a.Certificate.Network = "x" },
		"shown threshold":       func(a *rest.Account) { a.Certificate.ThresholdT = 1 },
		"shown approvers":       func(a *rest.Account) { a.Certificate.Approvers = flip(a.Certificate.Approvers) },
		"shown member":          func(a *rest.Account) { a.Certificate.Roster[1].PeerID = a.Certificate.Roster[0].PeerID },
		"shown signature":       func(a *rest.Account) { a.Certificate.Roster[1].Signature = a.Certificate.Roster[0].Signature },
		"a certificate's bit": func(a *rest.Account) {
			raw, _ := base64.StdEncoding.DecodeString(a.Certificate.Encoded)
			raw[len(raw)/2] ^= 1
			a.Certificate.Encoded = base64.StdEncoding.EncodeToString(raw)
		},
		"a signature's bit": func(a *rest.Account) {
			raw, _ := base64.StdEncoding.DecodeString(a.Certificate.Encoded)
			raw[len(raw)-1] ^= 1
			a.Certificate.Encoded = base64.StdEncoding.EncodeToString(raw)
		},
		"another certificate": func(a *rest.Account) { a.Certificate = other.Certificate },
		"another account": func(a *rest.Account) {
			id := a.ID
			*a = *other
			a.ID = id
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.Alter(func(v any) {
				if a, ok := v.(*rest.Account); ok {
					change(a)
				}
			})
			defer s.Alter(nil)
			fresh := newClient(t, s, nil)
			_, err := fresh.Account(waiting(t), victim.ID)
			wantError(t, err, client.ErrVerification, "")
			_, err = fresh.Sign(waiting(t), client.SignRequest{Account: victim.ID, Message: []byte("m"), Hash: "sha256"})
			wantError(t, err, client.ErrVerification, "")
		})
	}
	if _, err := newClient(t, s, nil).Account(waiting(t), victim.ID); err != nil {
		t.Errorf("control: the unaltered account: %v", err)
	}
}

// TestPinnedKey replaces the whole network behind an account: everything is well
// signed, by others.
func TestPinnedKey(t *testing.T) {
	s, c := start(t)
	victim, forged := newAccount(t, c, rest.CreateAccount{}), newAccount(t, c, rest.CreateAccount{})
	k, err := client.VerifyAccount(victim)
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/keys.json"
	for name, pins := range map[string]client.Pins{"memory": client.NewPins(), "file": client.FilePins(file)} {
		if err := pins.Pin(k); err != nil {
			t.Fatal(err)
		}
		if name == "file" {
			pins = client.FilePins(file) // of another process
		}
		if err := pins.Pin(k); err != nil {
			t.Errorf("%s: the same key again: %v", name, err)
		}
		other, err := client.VerifyAccount(forged)
		if err != nil {
			t.Fatal(err)
		}
		other.Account = victim.ID
		wantError(t, pins.Pin(other), client.ErrVerification, victim.PublicKey)
		resharing := *k
		resharing.Epoch, resharing.Roster = 1, nil
		if err := pins.Pin(&resharing); err != nil {
			t.Errorf("%s: another epoch of the same key: %v", name, err)
		}
	}
	trusting := newClient(t, s, func(c *client.Config) { c.Pins = client.FilePins(file) })
	if _, err := trusting.Account(waiting(t), victim.ID); err != nil {
		t.Error(err)
	}
}

func TestTrust(t *testing.T) {
	s, c := start(t)
	a := newAccount(t, c, rest.CreateAccount{})
	var ids []string
	for _, p := range a.Parties {
		ids = append(ids, p.PeerID)
	}
	for name, tt := range map[string]struct {
		trust client.Trust
		says  string
	}{
		"another network": {client.Trust{Network: "mainnet"}, `network "test"`},
		"a stranger":      {client.Trust{Parties: ids[1:]}, "none of the trusted parties"},
		"all is well":     {client.Trust{Network: clienttest.Network, Parties: ids}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, s, func(c *client.Config) { c.Trust = tt.trust }).Account(waiting(t), a.ID)
			if tt.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, client.ErrVerification, tt.says)
		})
	}
}

// TestCreatedAccountIsWhatWasAskedFor: an account that is right by itself, and
// another one than the request asked for, is not returned and not remembered,
// whether the call waits for it or AwaitAccount does.
func TestCreatedAccountIsWhatWasAskedFor(t *testing.T) {
	s, c := start(t)
	_, mine := approverKeys(t)
	_, theirs := approverKeys(t)
	approvers := &rest.Approvers{M: 1, Keys: []string{mine}}
	ask := rest.CreateAccount{UserID: "u", Approvers: approvers}
	stranger := newAccount(t, newClient(t, clienttest.New(t), nil), rest.CreateAccount{}).Parties[0].PeerID
	for name, tt := range map[string]struct {
		made, asked rest.CreateAccount
		says        string
	}{
		"scheme":            {rest.CreateAccount{UserID: "u"}, rest.CreateAccount{UserID: "u", Scheme: "eddsa-ed25519"}, "scheme"},
		"default scheme":    {rest.CreateAccount{UserID: "u", Scheme: "eddsa-ed25519"}, rest.CreateAccount{UserID: "u"}, "scheme"},
		"threshold":         {ask, rest.CreateAccount{UserID: "u", Threshold: &rest.Threshold{T: 3, N: 3}, Approvers: approvers}, "3-of-3"},
		"default threshold": {rest.CreateAccount{UserID: "u", Threshold: &rest.Threshold{T: 2, N: 4}}, rest.CreateAccount{UserID: "u"}, "2-of-3"},
		"custody":           {rest.CreateAccount{UserID: "u", UserShare: true}, rest.CreateAccount{UserID: "u"}, "custody"},
		"user":              {rest.CreateAccount{UserID: "v"}, rest.CreateAccount{UserID: "u"}, `one of "v"`},
		"parties":           {rest.CreateAccount{UserID: "u"}, rest.CreateAccount{UserID: "u", Parties: []string{stranger}}, "should hold a share"},
		"approvers":         {rest.CreateAccount{UserID: "u", Approvers: &rest.Approvers{M: 1, Keys: []string{theirs}}}, ask, "other approvers than it should have"},
		"no approvers":      {rest.CreateAccount{UserID: "u"}, ask, "other approvers than it should have"},
		"more approvers":    {rest.CreateAccount{UserID: "u", Approvers: &rest.Approvers{M: 1, Keys: []string{mine, theirs}}}, ask, "other approvers than it should have"},
	} {
		made := newAccount(t, c, tt.made)
		for way, ask := range map[string]func(*client.Client) (*rest.Account, error){
			"create": func(c *client.Client) (*rest.Account, error) { return c.CreateAccount(waiting(t), tt.asked) },
			"await": func(c *client.Client) (*rest.Account, error) {
				return c.AwaitAccount(waiting(t), made.KeygenSessionID, tt.asked)
			},
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				s.Alter(func(v any) {
					if a, ok := v.(*rest.Account); ok {
						*a = *made
					}
				})
				defer s.Alter(nil)
				wantNotAccepted(t, s, made, tt.says, ask)
			})
		}
	}
	a, err := c.CreateAccount(waiting(t), ask)
	if err != nil || a.Approval.By != "approvers" {
		t.Errorf("control: what was asked for: %+v, %v", a, err)
	}
}

// wantNotAccepted wants an error that says something, no account, and that its key
// is not remembered.
func wantNotAccepted(t *testing.T, s *clienttest.Server, made *rest.Account, says string, ask func(*client.Client) (*rest.Account, error)) {
	t.Helper()
	pins := client.NewPins()
	a, err := ask(newClient(t, s, func(c *client.Config) { c.Pins = pins }))
	wantError(t, err, client.ErrVerification, says)
	if a != nil {
		t.Errorf("an account was returned: %+v", a)
	}
	key, err := client.VerifyAccount(made)
	if err != nil {
		t.Fatal(err)
	}
	key.PublicKey = []byte("another")
	if err := pins.Pin(key); err != nil {
		t.Errorf("the refused key was remembered: %v", err)
	}
}
