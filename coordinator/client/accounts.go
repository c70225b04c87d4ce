package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// CreateAccount makes an account and waits for its key. The answer's key
// certificate, public key and addresses were verified, that the account is of the
// user, and that the members have made the key as the request asks for it: scheme,
// threshold, custody, and the parties (by peer id) and approvers that it names.
// Otherwise there is no account, and the error is ErrVerification.
//
// Members prove that they hold the keys of their peer ids, not whose nodes they
// are. Without Config.Trust a coordinator can pass members of its own off as
// parties, all n of them, and hold the whole key; parties that the request names
// by peer id must be among them, those that it names otherwise are not checked.
func (c *Client) CreateAccount(ctx context.Context, req rest.CreateAccount) (*rest.Account, error) {
	a, err := post[rest.Account](ctx, c, prefix+"/accounts", req)
	if err != nil {
		return nil, err
	}
	if err := c.check(a, &req); err != nil {
		return nil, err
	}
	return a, nil
}

// check verifies that a new account is what was asked for, and remembers its key
// only then.
func (c *Client) check(a *rest.Account, req *rest.CreateAccount) error {
	if a.UserID != req.UserID {
		return refuted("asked for an account of %q, the answer is about one of %q", req.UserID, a.UserID)
	}
	key, err := VerifyAccount(a)
	if err != nil {
		return err
	}
	if err := wantedBy(req).Check(key); err != nil {
		return err
	}
	return c.trust(key)
}

// StartAccount begins to make an account and returns the session, without
// waiting for it; see AwaitAccount.
func (c *Client) StartAccount(ctx context.Context, req rest.CreateAccount) (*rest.Session, error) {
	return fetch[rest.Session](ctx, c, &call{method: http.MethodPost, path: prefix + "/accounts", in: req, async: true})
}

// AwaitAccount waits until a keygen session has ended and returns the account,
// verified as CreateAccount does: req is what was asked for. A session that ended
// otherwise is a *rest.Problem.
func (c *Client) AwaitAccount(ctx context.Context, session string, req rest.CreateAccount) (*rest.Account, error) {
	s, err := c.Wait(ctx, session)
	if err != nil {
		return nil, err
	}
	if s.Kind == rest.KindSign {
		return nil, refuted("session %s is a %s, no keygen", s.ID, s.Kind)
	}
	if s.Status != "completed" {
		return nil, ended(s)
	}
	a, err := c.account(ctx, s.AccountID)
	if err != nil {
		return nil, err
	}
	if a.KeygenSessionID != session { // check finds whether the certificate says so, too
		return nil, refuted("session %s made another key than account %s has", session, a.ID)
	}
	if err := c.check(a, &req); err != nil {
		return nil, err
	}
	return a, nil
}

// Account shows an account. When it is active, what CreateAccount verifies was
// verified.
func (c *Client) Account(ctx context.Context, id string) (*rest.Account, error) {
	a, err := c.account(ctx, id)
	if err != nil {
		return nil, err
	}
	if a.Status == "active" || a.Certificate != nil {
		_, err = c.trusted(a)
	}
	return a, err
}

// account asks for an account. Nothing of it is verified but that it is this one.
func (c *Client) account(ctx context.Context, id string) (*rest.Account, error) {
	path, err := route("accounts", id)
	if err != nil {
		return nil, err
	}
	a, err := get[rest.Account](ctx, c, path, nil)
	if err != nil {
		return nil, err
	}
	if a.ID != id {
		return nil, refuted("asked for account %s, the answer is about %s", id, a.ID)
	}
	return a, nil
}

// AccountPage returns a page of accounts; userID limits it to one owner's, when
// it is not empty. Lists are not verified: see Account.
func (c *Client) AccountPage(ctx context.Context, userID string, page Page) (*rest.AccountList, error) {
	return get[rest.AccountList](ctx, c, prefix+"/accounts", with(page.query(url.Values{}), "user_id", userID))
}

// Accounts ranges over all accounts, or one owner's.
func (c *Client) Accounts(ctx context.Context, userID string) iter.Seq2[rest.Account, error] {
	return everything(ctx, func(ctx context.Context, page Page) ([]rest.Account, string, error) {
		list, err := c.AccountPage(ctx, userID, page)
		if err != nil {
			return nil, "", err
		}
		return list.Accounts, list.NextCursor, nil
	})
}

// SigningParties shows which parties sign for an account.
func (c *Client) SigningParties(ctx context.Context, account string) (*rest.SigningPartyList, error) {
	return c.signingParties(ctx, http.MethodGet, account, nil)
}

// SetSigningParties fixes which parties sign for an account, by name or peer id.
func (c *Client) SetSigningParties(ctx context.Context, account string, parties ...string) (*rest.SigningPartyList, error) {
	return c.signingParties(ctx, http.MethodPut, account, rest.SigningParties{Parties: parties})
}

// ClearSigningParties lets the parties be chosen for each session again.
func (c *Client) ClearSigningParties(ctx context.Context, account string) (*rest.SigningPartyList, error) {
	return c.signingParties(ctx, http.MethodDelete, account, nil)
}

// Presigning shows an account's presignatures: how many it keeps, and how many wait for
// requests now.
func (c *Client) Presigning(ctx context.Context, account string) (*rest.Presigning, error) {
	return c.presign(ctx, http.MethodGet, account, nil)
}

// SetPresign says how many presignatures an account keeps. With one that waits, signing
// takes milliseconds.
func (c *Client) SetPresign(ctx context.Context, account string, p rest.Presign) (*rest.Presigning, error) {
	return c.presign(ctx, http.MethodPut, account, p)
}

// ClearPresign lets the coordinator's default hold again: a few while the account is in
// use.
func (c *Client) ClearPresign(ctx context.Context, account string) (*rest.Presigning, error) {
	return c.presign(ctx, http.MethodDelete, account, nil)
}

func (c *Client) presign(ctx context.Context, method, account string, in any) (*rest.Presigning, error) {
	path, err := route("accounts", account, "presign")
	if err != nil {
		return nil, err
	}
	return fetch[rest.Presigning](ctx, c, &call{method: method, path: path, in: in})
}

func (c *Client) signingParties(ctx context.Context, method, account string, in any) (*rest.SigningPartyList, error) {
	path, err := route("accounts", account, "signing-parties")
	if err != nil {
		return nil, err
	}
	return fetch[rest.SigningPartyList](ctx, c, &call{method: method, path: path, in: in})
}
