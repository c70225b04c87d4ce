package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
)

// Schemes of accounts.
const (
	ECDSA = "ecdsa-secp256k1"
	EdDSA = "eddsa-ed25519"
)

// Threshold is t-of-n: T parties of N have to sign.
type Threshold struct {
	T int `json:"t"`
	N int `json:"n"`
}

// AccountRequest asks for a new key.
type AccountRequest struct {
	UserID    string     `json:"user_id"`
	Scheme    string     `json:"scheme,omitempty"`
	Threshold *Threshold `json:"threshold,omitempty"`
	Parties   []string   `json:"parties,omitempty"`
}

// Account is a key.
type Account struct {
	ID        string        `json:"id"`
	UserID    string        `json:"user_id"`
	Scheme    string        `json:"scheme"`
	T         int           `json:"threshold_t"`
	N         int           `json:"threshold_n"`
	PublicKey string        `json:"public_key"` // hex; ECDSA compressed
	Addresses Addresses     `json:"addresses"`
	Session   string        `json:"keygen_session_id"`
	Parties   []PartyStatus `json:"parties"`
	Status    string        `json:"status"`
}

// Addresses are what a key is called on chains that use its scheme.
type Addresses struct {
	Ethereum       string `json:"ethereum"`
	Bitcoin        string `json:"bitcoin"`
	BitcoinTestnet string `json:"bitcoin_testnet"`
	Solana         string `json:"solana"`
}

// PartyStatus is one party of an account, of a session or of a problem.
type PartyStatus struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	State  string `json:"state"` // in a session
	Phase  string `json:"phase"`
	Round  int    `json:"round"` // 0 outside of rounds
	Rounds int    `json:"rounds"`
	Code   string `json:"code"` // in a problem: what the matter is
}

// SignRequest asks for a signature.
type SignRequest struct {
	Message  string `json:"message"`
	Encoding string `json:"encoding,omitempty"`
	Hash     string `json:"hash,omitempty"`
}

// Signed is a signature with what was signed; bytes are in hex.
type Signed struct {
	Session   string    `json:"session_id"`
	PublicKey string    `json:"public_key"`
	Message   string    `json:"message"` // as it was given
	Hash      string    `json:"hash"`
	Digest    string    `json:"digest"` // what the key signed
	Signature Signature `json:"signature"`
}

// Signature is a signature in several forms; EdDSA has only Compact and Base64.
type Signature struct {
	DER      string `json:"der"`
	RSV      string `json:"rsv"`      // 65 bytes, v = 0 or 1
	Ethereum string `json:"ethereum"` // 65 bytes, v = 27 or 28
	Compact  string `json:"compact"`  // 64 bytes
	Base64   string `json:"base64"`   // the 64 bytes
}

// Session is one ceremony.
type Session struct {
	ID        string        `json:"id"`
	Kind      string        `json:"kind"`
	Status    string        `json:"status"`
	Account   string        `json:"account_id"`
	Attempt   int           `json:"attempt"`
	Parties   []PartyStatus `json:"parties"`
	Error     *Problem      `json:"error"`
	Presigned bool          `json:"presigned"` // the attempt used a presignature
	// Signature is that of a completed sign session.
	Signature *Signature `json:"signature"`
}

// PoolParty is one party of the live pool.
type PoolParty struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	State  string `json:"state"` // live, draining or missing
	Stock  int    `json:"stock"` // fresh pre-parameters
	Held   int    `json:"presignatures"`
}

// Ready returns nil when the coordinator can serve.
func (a *API) Ready(ctx context.Context) error {
	return a.Call(ctx, http.MethodGet, "/ready", nil, nil)
}

// CreateAccount makes a key and waits for it.
func (a *API) CreateAccount(ctx context.Context, req AccountRequest) (Account, error) {
	var account Account
	err := a.Call(ctx, http.MethodPost, "/api/v1/accounts", req, &account)
	return account, err
}

// BeginAccount starts making a key and returns the id of its session at once.
func (a *API) BeginAccount(ctx context.Context, req AccountRequest) (string, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return "", err
	}
	return a.begin(ctx, "/api/v1/accounts", body)
}

// BeginSign starts a signature and returns the id of its session at once.
func (a *API) BeginSign(ctx context.Context, account string, req SignRequest) (string, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return "", err
	}
	return a.begin(ctx, "/api/v1/accounts/"+url.PathEscape(account)+"/sign", body)
}

func (a *API) begin(ctx context.Context, to string, body []byte) (string, error) {
	resp, err := a.Do(ctx, http.MethodPost, to, string(body), "Prefer", "respond-async")
	if err != nil {
		return "", err
	}
	if resp.Status != http.StatusAccepted {
		return "", resp.Problem()
	}
	return path.Base(resp.Header.Get("Location")), nil
}

// Account returns one account.
func (a *API) Account(ctx context.Context, id string) (Account, error) {
	var account Account
	err := a.Call(ctx, http.MethodGet, "/api/v1/accounts/"+url.PathEscape(id), nil, &account)
	return account, err
}

// Sign signs with an account and waits for the signature.
func (a *API) Sign(ctx context.Context, account string, req SignRequest) (Signed, error) {
	var signed Signed
	err := a.Call(ctx, http.MethodPost, "/api/v1/accounts/"+url.PathEscape(account)+"/sign", req, &signed)
	return signed, err
}

// Session returns one session.
func (a *API) Session(ctx context.Context, id string) (Session, error) {
	var session Session
	err := a.Call(ctx, http.MethodGet, "/api/v1/sessions/"+url.PathEscape(id), nil, &session)
	return session, err
}

// Pool returns the parties that the coordinator knows.
func (a *API) Pool(ctx context.Context) ([]PoolParty, error) {
	var page struct {
		Parties []PoolParty `json:"parties"`
	}
	err := a.Call(ctx, http.MethodGet, "/api/v1/parties", nil, &page)
	return page.Parties, err
}

// Parties counts the live parties.
func (a *API) Parties(ctx context.Context) (live int, err error) {
	pool, err := a.Pool(ctx)
	for _, p := range pool {
		if p.State == "live" {
			live++
		}
	}
	return live, err
}

// Done says whether a session has ended.
func (s *Session) Done() bool { return s.Status != "created" && s.Status != "running" }

// Wait waits for a session to end, telling progress of every change.
func (a *API) Wait(ctx context.Context, id string, progress func(Session)) (Session, error) {
	var session Session
	err := Poll(ctx, func() (bool, error) {
		var err error
		if session, err = a.Session(ctx, id); err != nil {
			return false, err
		}
		progress(session)
		return session.Done(), nil
	})
	return session, err
}
