package clienttest

import (
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// makeShare makes the user's share as the delegate gives it out, sealed when there
// is a recipient.
func (a *account) makeShare(delegate *party, recipient string) error {
	record, err := protocol.SignDelivery(delegate, *a.record)
	if err != nil {
		return err
	}
	data, err := protocol.Marshal(record)
	if err != nil {
		return err
	}
	if recipient != "" {
		key, err := base64.StdEncoding.DecodeString(recipient)
		if err != nil {
			return err
		}
		spec := a.record.Spec
		if data, err = protocol.SealShare(key, protocol.BindingFor(&spec), data); err != nil {
			return err
		}
	}
	a.share = &rest.UserShare{
		ID: a.KeygenSessionID, SessionID: a.KeygenSessionID, AccountID: a.ID, PublicKey: a.PublicKey, Sealed: recipient != "",
		RecipientKey: recipient, Share: protocol.FormatShare(recipient != "", data), ExpiresAt: now().Add(24 * time.Hour), SealKey: a.SealKey,
	}
	return nil
}

// openShare checks a user's share that came with a signing, as a delegate does.
func (s *Server) openShare(a *account, digest []byte, text string) error {
	sealed, data, err := protocol.ParseShare(text)
	if err != nil {
		return err
	}
	if !sealed {
		return errors.New("a share in plain is refused")
	}
	spec := &protocol.Spec{Network: Network, Kind: protocol.KindSign, Account: a.ID, Key: a.KeygenSessionID, Scheme: protocol.Scheme(a.Scheme), Payload: digest}
	if data, err = protocol.OpenShare(s.delegate.seal, protocol.BindingFor(spec), data); err != nil {
		return err
	}
	_, err = protocol.OpenUserShare(data, protocol.VerifyPeer)
	return err
}

// RenewSealKey is what a new start of the delegate does.
func (s *Server) RenewSealKey() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delegate.seal = newParty("").seal
	for _, a := range s.accounts {
		if a.SealKey != nil {
			key, err := s.delegate.sealKey()
			if err != nil {
				s.tb.Error(err)
			}
			a.SealKey = key
		}
	}
}

func (s *Server) generateShare(w http.ResponseWriter, r *http.Request) any {
	req, ok := read[rest.GenerateShare](w, r)
	if !ok {
		return nil
	}
	for _, a := range s.accounts {
		if a.KeygenSessionID == req.SessionID && a.share != nil {
			return a.share
		}
	}
	Refuse(w, http.StatusNotFound, "no_user_share", "the session has made no user's share")
	return nil
}

func (s *Server) ackShare(w http.ResponseWriter, r *http.Request) any {
	for _, a := range s.accounts {
		if a.KeygenSessionID == r.PathValue("id") {
			a.share = nil
			return &rest.ShareAck{ID: a.KeygenSessionID, Erased: true}
		}
	}
	Refuse(w, http.StatusNotFound, "no_user_share", "there is no such share")
	return nil
}
