package coordinator

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestNothingSecretIsStored makes everything that is secret pass through a
// coordinator, and looks for it in all that is on its disk.
func TestNothingSecretIsStored(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	plain := as[rest.Account](t, cl.once("a", accountsPath, `{"user_id":"u","user_share":true}`), http.StatusCreated)
	secret := opened(t, plain.UserShare, nil, plain)
	user := newX25519(t)
	sealed := cl.account(`{"user_id":"u","user_share":true,"recipient_key":"` + base64.StdEncoding.EncodeToString(user.PublicKey().Bytes()) + `"}`)
	sealedSecret := opened(t, sealed.UserShare, user, sealed)
	signShare := sealFor(t, plain, secret, digest)
	as[rest.SignResult](t, cl.once("s", signPath(plain.ID), encode(rest.SignBody{Message: digest, UserShare: signShare})), http.StatusOK)
	phone := cl.net.device("phone")
	s, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":2,"external_parties":1}`)
	joined := cl.joined(phone, s.ID, codes[0])
	cl.ended(s.ID)
	more, moreCodes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	invites := as[rest.InviteList](t, cl.once("i", sessionsPath+"/"+more.ID+"/invites", ""), http.StatusCreated)
	as[rest.ShareAck](t, cl.post("/api/v1/shares/"+plain.KeygenSessionID+"/ack", ""), http.StatusOK)
	cl.stop()

	texts := append([]string{
		plain.UserShare.Share, sealed.UserShare.Share, signShare, joined.JoinToken, joined.Pass, testKey, testJoinSecret, invites.Invites[0].Code,
	}, append(codes, moreCodes...)...)
	var needles [][]byte
	for _, text := range texts {
		needles = append(needles, forms([]byte(text))...)
	}
	for _, raw := range [][]byte{secret, sealedSecret} {
		needles = append(needles, forms(raw)...)
	}
	entries := 0
	walk(t, cl.cfg.Dir, func(key, value []byte) {
		entries++
		for _, needle := range needles {
			if bytes.Contains(key, needle) || bytes.Contains(value, needle) {
				t.Errorf("%q holds the secret %.30q", key, needle)
			}
		}
	})
	if entries < 50 {
		t.Errorf("only %d entries were looked at", entries)
	}
	found := false // the search itself works
	walk(t, cl.cfg.Dir, func(_, value []byte) { found = found || bytes.Contains(value, []byte(plain.ID)) })
	if !found {
		t.Error("the account's id is nowhere: the search looks into the wrong place")
	}
}

// forms are the ways in which bytes may be written down.
func forms(raw []byte) [][]byte {
	return [][]byte{
		raw, []byte(hex.EncodeToString(raw)), []byte(base64.StdEncoding.EncodeToString(raw)), []byte(base64.RawURLEncoding.EncodeToString(raw)),
	}
}

// walk shows every entry of a registry.
func walk(t *testing.T, dir string, show func(key, value []byte)) {
	t.Helper()
	db, err := openTestDB(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // read only
	err = db.View(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.AllVersions = true
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			show(it.Item().Key(), value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
