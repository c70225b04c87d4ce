package clienttest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// account is an account with its key.
type account struct {
	rest.Account
	secret    *secret
	record    *protocol.KeyRecord
	approvers protocol.Approvers
	share     *rest.UserShare
}

// read decodes a body, or refuses it.
func read[T any](w http.ResponseWriter, r *http.Request) (*T, bool) {
	v := new(T)
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		Refuse(w, http.StatusUnprocessableEntity, "invalid_request", err.Error())
		return nil, false
	}
	return v, true
}

func (s *Server) createAccount(w http.ResponseWriter, r *http.Request) any {
	req, ok := read[rest.CreateAccount](w, r)
	if !ok {
		return nil
	}
	a, err := s.newAccount(req)
	if err != nil {
		Refuse(w, http.StatusUnprocessableEntity, "invalid_request", err.Error())
		return nil
	}
	s.accounts = append(s.accounts, a)
	keygen := s.newSession(rest.Session{ID: a.KeygenSessionID, Kind: rest.KindKeygen, AccountID: a.ID, UserID: a.UserID, Status: "completed"})
	if r.Header.Get("Prefer") == "respond-async" {
		w.Header().Set("Preference-Applied", "respond-async")
		return &keygen.Session
	}
	made := a.Account
	if req.UserShare {
		made.UserShare = a.share
	}
	return &made
}

func (s *Server) newAccount(req *rest.CreateAccount) (*account, error) {
	scheme, err := protocol.ParseScheme(req.Scheme)
	if err != nil {
		return nil, err
	}
	t := rest.Threshold{T: 2, N: 3}
	if req.Threshold != nil {
		t = *req.Threshold
	}
	if t.T < 2 || t.N < t.T || t.N > len(s.parties) {
		return nil, fmt.Errorf("threshold %d-of-%d is not possible", t.T, t.N)
	}
	members := slices.Clone(s.parties[:t.N])
	custody := rest.CustodyServer
	if req.UserShare {
		members[t.N-1], custody = s.delegate, rest.CustodyHybrid
	}
	a := &account{Account: rest.Account{
		ID: newID(), UserID: req.UserID, Scheme: string(scheme), Custody: custody, Status: "active", ThresholdT: t.T, ThresholdN: t.N,
		KeygenSessionID: newID(), Labels: req.Labels, DeviceInfo: req.DeviceInfo, CreatedAt: now(), Presign: presigning(scheme, req.Presign),
	}}
	if a.secret, err = newSecret(scheme); err != nil {
		return nil, err
	}
	if err := a.approve(s, req.Approvers); err != nil {
		return nil, err
	}
	return a, a.certify(s, members, req.RecipientKey)
}

// approve fixes the approvers: the server's own, or those of the request.
func (a *account) approve(s *Server, req *rest.Approvers) error {
	a.Approval.By, a.approvers.M = "coordinator", 1
	own, err := protocol.ApproverKey(s.parties[0].key.Public())
	if err != nil {
		return err
	}
	a.approvers.Keys = [][]byte{own}
	if req != nil {
		a.Approval.By, a.approvers = "approvers", protocol.Approvers{M: req.M}
		for _, text := range req.Keys {
			der, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return err
			}
			a.approvers.Keys = append(a.approvers.Keys, der)
		}
	}
	a.Approval.M = a.approvers.M
	for _, k := range a.approvers.Keys {
		a.Approval.Keys = append(a.Approval.Keys, protocol.ApproverID(k))
		a.Approval.PublicKeys = append(a.Approval.PublicKeys, base64.StdEncoding.EncodeToString(k))
	}
	return a.approvers.Validate()
}

// certify makes the certificate and what is shown of it.
func (a *account) certify(s *Server, members []*party, recipient string) error {
	spec := &protocol.Spec{
		Version: protocol.SpecVersion, Network: Network, Kind: protocol.KindKeygen, Session: a.KeygenSessionID, Attempt: 1, Account: a.ID,
		Key: a.KeygenSessionID, Scheme: protocol.Scheme(a.Scheme), Threshold: a.ThresholdT, Expires: time.Now().Add(time.Minute).Unix(),
		Approvers: a.approvers, Coordinator: s.parties[0].id, Owner: a.UserID,
	}
	if recipient != "" {
		key, err := base64.StdEncoding.DecodeString(recipient)
		if err != nil {
			return err
		}
		spec.Recipient = key
	}
	for _, m := range members {
		role := protocol.Persistent
		if m == s.delegate {
			role = protocol.Delegate
		}
		spec.Roster = append(spec.Roster, protocol.Member{Peer: m.id, Role: role})
		a.Parties = append(a.Parties, rest.PartyName{PeerID: m.id, Name: m.name, Role: string(role)})
	}
	a.record = certify(spec, members, a.secret.public())
	encoded, err := protocol.Marshal(a.record.Certificate)
	if err != nil {
		return err
	}
	a.PublicKey = hex.EncodeToString(a.record.PublicKey)
	if a.Certificate, err = client.DescribeCertificate(encoded); err != nil {
		return err
	}
	addresses, err := chain.AddressesOf(spec.Scheme, a.record.PublicKey)
	if err != nil {
		return err
	}
	a.Addresses = &rest.Addresses{Ethereum: addresses.Ethereum, Bitcoin: addresses.Bitcoin, BitcoinTestnet: addresses.BitcoinTestnet, Solana: addresses.Solana}
	if a.Custody != rest.CustodyHybrid {
		return nil
	}
	if a.SealKey, err = s.delegate.sealKey(); err != nil {
		return err
	}
	return a.makeShare(s.delegate, recipient)
}

// find returns what a path's id names, or refuses.
func (s *Server) find(w http.ResponseWriter, r *http.Request) *account {
	for _, a := range s.accounts {
		if a.ID == r.PathValue("id") {
			return a
		}
	}
	Refuse(w, http.StatusNotFound, "account_not_found", fmt.Sprintf("there is no account %q", r.PathValue("id")))
	return nil
}

func (s *Server) getAccount(w http.ResponseWriter, r *http.Request) any {
	a := s.find(w, r)
	if a == nil {
		return nil
	}
	return &a.Account
}

// listAccounts pages by position.
func (s *Server) listAccounts(_ http.ResponseWriter, r *http.Request) any {
	list := rest.AccountList{Accounts: []rest.Account{}}
	user := r.URL.Query().Get("user_id")
	var all []rest.Account
	for _, a := range slices.Backward(s.accounts) {
		if user == "" || a.UserID == user {
			all = append(all, a.Account)
		}
	}
	list.Accounts, list.NextCursor = page(all, r)
	return &list
}

// page cuts a page of at most two entries, so that few entries are many pages.
func page[T any](all []T, r *http.Request) ([]T, string) {
	const size = 2
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	from = min(max(0, from), len(all))
	to := min(from+size, len(all))
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return append([]T{}, all[from:to]...), next
}

func (s *Server) signingParties(w http.ResponseWriter, r *http.Request) any {
	a := s.find(w, r)
	if a == nil {
		return nil
	}
	switch r.Method {
	case http.MethodPut:
		req, ok := read[rest.SigningParties](w, r)
		if !ok {
			return nil
		}
		a.SigningParties = nil
		for _, p := range a.Parties {
			if slices.Contains(req.Parties, p.Name) || slices.Contains(req.Parties, p.PeerID) {
				a.SigningParties = append(a.SigningParties, p)
			}
		}
	case http.MethodDelete:
		a.SigningParties = nil
	}
	if len(a.SigningParties) > 0 {
		return &rest.SigningPartyList{Fixed: true, Parties: a.SigningParties}
	}
	return &rest.SigningPartyList{Parties: a.Parties}
}
