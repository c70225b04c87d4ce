package client

import (
	"slices"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// Wanted is what a key should be. What is empty may be anything.
type Wanted struct {
	Scheme    string
	Threshold protocol.Threshold
	// Parties are peer ids that hold shares.
	Parties []string
	// Approvers must be the key's, in the order in which they were named when the
	// key was made.
	Approvers *rest.Approvers
	// Custody is one of package rest's.
	Custody string
}

// wantedBy is what a request for an account asks for, with the API's defaults.
// Parties that it names otherwise than by peer id are the coordinator's to find.
func wantedBy(req *rest.CreateAccount) Wanted {
	w := Wanted{Scheme: req.Scheme, Threshold: protocol.Threshold{T: 2, N: 3}, Approvers: req.Approvers, Custody: rest.CustodyServer}
	if w.Scheme == "" {
		w.Scheme = string(protocol.ECDSA)
	}
	if t := req.Threshold; t != nil {
		w.Threshold = protocol.Threshold{T: t.T, N: t.N}
	}
	if req.UserShare {
		w.Custody = rest.CustodyHybrid
	}
	for _, p := range req.Parties {
		if _, err := protocol.PeerKey(p); err == nil {
			w.Parties = append(w.Parties, p)
		}
	}
	return w
}

// Check compares a certified key with what it should be. A coordinator that
// has the parties make it otherwise, for approvers of its own for instance, cannot
// hide that: the certificate says what the members have agreed on. Who the members
// are it says by peer id alone: unless Parties has all of them, see Trust. Errors
// are ErrVerification, or about Approvers.
func (w Wanted) Check(k *Key) error {
	switch {
	case w.Scheme != "" && w.Scheme != string(k.Scheme):
		return refuted("the key should be of scheme %q, and its members have made one of %q", w.Scheme, k.Scheme)
	case w.Threshold != (protocol.Threshold{}) && w.Threshold != k.Threshold:
		return refuted("the key should take %v to sign, and its members have made one of %v", w.Threshold, k.Threshold)
	case w.Custody != "" && w.Custody != k.custody():
		return refuted("the custody of the key should be %q, and by the roles of its members it is %q", w.Custody, k.custody())
	}
	for _, p := range w.Parties {
		if !slices.ContainsFunc(k.Roster, func(m protocol.Member) bool { return m.Peer == p }) {
			return refuted("%s should hold a share of the key, and does not", p)
		}
	}
	if w.Approvers == nil {
		return nil
	}
	approvers, err := parseApprovers(w.Approvers)
	if err != nil {
		return err
	}
	if hash := approvers.Hash(); hash != k.Approvers {
		return refuted("the key was made with other approvers than it should have: those wanted have the hash %x, and its members have agreed on %x. Whoever holds these could sign with it", hash, k.Approvers)
	}
	return nil
}

// custody tells by the members' roles who holds the shares.
func (k *Key) custody() string {
	for _, m := range k.Roster {
		switch m.Role {
		case protocol.External:
			return rest.CustodyCoManaged
		case protocol.Delegate:
			return rest.CustodyHybrid
		}
	}
	return rest.CustodyServer
}
