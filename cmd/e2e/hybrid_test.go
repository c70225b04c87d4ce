package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestHybrid makes a key of which the user has a share, sealed from the delegate
// to the user, and signs with it while a party is dead.
func TestHybrid(t *testing.T) {
	c := shared(t, cluster.QUIC)
	sdk, ctx := newClient(t, c), waiting(t)
	user, err := client.NewRecipient()
	if err != nil {
		t.Fatal(err)
	}
	account, err := sdk.CreateAccount(ctx, rest.CreateAccount{
		UserID: t.Name(), Scheme: cluster.EdDSA, UserShare: true, RecipientKey: user.PublicKey(),
	})
	if err != nil {
		t.Fatalf("make an account: %v", err)
	}
	delegate := delegateOf(t, c, account)
	share := hybridShare{t, c, sdk, account, user}
	text := share.fetch()
	share.signWithout(text, persistentOf(t, c, account))
	share.plainIsRefused(text)
	share.acknowledge(delegate)
	share.signWithout(text, "")
}

// hybridShare is the user's share of an account.
type hybridShare struct {
	*testing.T
	c       *cluster.Cluster
	sdk     *client.Client
	account *rest.Account
	user    *client.Recipient
}

// fetch gets the share with the account and again, as after a lost answer.
func (h hybridShare) fetch() string {
	h.Helper()
	key, err := h.sdk.Key(waiting(h), h.account.ID)
	if err != nil {
		h.Fatal(err)
	}
	again, err := h.sdk.GenerateShare(waiting(h), rest.GenerateShare{SessionID: h.account.KeygenSessionID, RecipientKey: h.user.PublicKey()})
	if err != nil {
		h.Fatalf("fetch the share again: %v", err)
	}
	var texts []string
	for _, s := range []*rest.UserShare{h.account.UserShare, again} {
		if s == nil || !s.Sealed {
			h.Fatalf("the share is %+v, want one that is sealed", s)
		}
		opened, err := client.OpenShare(key, h.user, s.Share)
		if err != nil {
			h.Fatal(err)
		}
		texts = append(texts, opened.Text())
	}
	if texts[0] != texts[1] {
		h.Fatal("fetching the share again gave another share")
	}
	stranger, err := client.NewRecipient()
	if err != nil {
		h.Fatal(err)
	}
	_, err = h.sdk.GenerateShare(waiting(h), rest.GenerateShare{SessionID: h.account.KeygenSessionID, RecipientKey: stranger.PublicKey()})
	if problem := (*rest.Problem)(nil); !errors.As(err, &problem) {
		h.Fatalf("another recipient asked for the share: %v", err)
	}
	return texts[0]
}

// signWithout signs with the user's share while a party is dead.
func (h hybridShare) signWithout(text, dead string) {
	h.Helper()
	if dead != "" {
		kill(h, h.c, dead)
		defer start(h, h.c, dead)
	}
	share, err := client.ParseUserShare(text)
	if err != nil {
		h.Fatal(err)
	}
	message := randomMessage()
	signed, err := h.sdk.Sign(waiting(h), client.SignRequest{Account: h.account.ID, Message: message, UserShare: share})
	if err != nil {
		h.Fatalf("sign with the user's share (%q is dead): %v", dead, err)
	}
	if err := judge.EdDSA(h.account.PublicKey, message, signed.Signature.Compact); err != nil {
		h.Error(err)
	}
}

// plainIsRefused sends the share as it is, which this network does not allow.
func (h hybridShare) plainIsRefused(text string) {
	h.Helper()
	err := h.c.API.Call(waiting(h), http.MethodPost, "/api/v1/accounts/"+h.account.ID+"/sign",
		map[string]string{"message": hexOf(randomMessage()), "user_share": text}, nil)
	problem := (*cluster.Problem)(nil)
	if !errors.As(err, &problem) || !strings.Contains(problem.Code+problem.Detail, "plain") && !strings.Contains(problem.Detail, "sealed") {
		h.Errorf("a share that is not sealed: %v, want a refusal", err)
	}
}

// acknowledge says that the user has the share: the delegate erases its own.
func (h hybridShare) acknowledge(delegate *cluster.Process) {
	h.Helper()
	ack, err := h.sdk.AckShare(waiting(h), h.account.UserShare.ID)
	if err != nil || !ack.Erased {
		h.Fatalf("acknowledge: %+v, %v", ack, err)
	}
	if again, err := h.sdk.AckShare(waiting(h), h.account.UserShare.ID); err != nil || !again.Erased {
		h.Errorf("acknowledge again: %+v, %v", again, err)
	}
	_, err = h.sdk.GenerateShare(waiting(h), rest.GenerateShare{SessionID: h.account.KeygenSessionID, RecipientKey: h.user.PublicKey()})
	problem := (*rest.Problem)(nil)
	if !errors.As(err, &problem) || problem.Status != http.StatusGone {
		h.Errorf("fetch the share after it was erased: %v, want 410", err)
	}
	// Without its salt nobody derives the key that the share is sealed under,
	// wherever the disk still has it; see the formats of the keystore.
	erased, err := filepath.Glob(filepath.Join(delegate.DataDir, "store", "salts", "*.erased"))
	if err != nil || len(erased) == 0 {
		h.Errorf("the delegate's data folder names no erased key (%v)", err)
	}
	for _, mark := range erased {
		if _, err := os.Stat(strings.TrimSuffix(mark, ".erased") + ".salt"); err == nil {
			h.Errorf("%s: the salt is still there", mark)
		}
	}
}

// TestOpenUserSlot makes a keygen session that waits until its user asks for the
// share.
func TestOpenUserSlot(t *testing.T) {
	c := shared(t, cluster.QUIC)
	sdk := newClient(t, c)
	s, err := sdk.CreateSession(waiting(t), rest.CreateSession{Kind: rest.KindKeygen, UserID: t.Name(), Scheme: cluster.EdDSA, OpenUserSlot: true})
	if err != nil || s.WaitingFor != "user" {
		t.Fatalf("the session is %+v (%v), want one that waits for its user", s, err)
	}
	user, err := client.NewRecipient()
	if err != nil {
		t.Fatal(err)
	}
	share, err := sdk.GenerateShare(waiting(t), rest.GenerateShare{SessionID: s.ID, RecipientKey: user.PublicKey()})
	if err != nil {
		t.Fatalf("generate the share: %v", err)
	}
	account, err := sdk.Account(waiting(t), share.AccountID)
	if err != nil || account.Custody != rest.CustodyHybrid || account.Status != "active" {
		t.Fatalf("the account is %+v (%v)", account, err)
	}
	key, err := sdk.Key(waiting(t), account.ID)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := client.OpenShare(key, user, share.Share)
	if err != nil {
		t.Fatal(err)
	}
	hybridShare{t, c, sdk, account, user}.signWithout(opened.Text(), "")
}

// delegateOf returns the process that took part for the user.
func delegateOf(t testing.TB, c *cluster.Cluster, account *rest.Account) *cluster.Process {
	t.Helper()
	return c.ByPeer(memberOf(t, account, "delegate"))
}

// persistentOf returns the name of a process that holds a share of its own.
func persistentOf(t testing.TB, c *cluster.Cluster, account *rest.Account) string {
	t.Helper()
	return c.ByPeer(memberOf(t, account, "persistent")).Name
}

func memberOf(t testing.TB, account *rest.Account, role string) string {
	t.Helper()
	for _, p := range account.Parties {
		if p.Role == role {
			return p.PeerID
		}
	}
	t.Fatalf("account %s has no %s member: %+v", account.ID, role, account.Parties)
	return ""
}
