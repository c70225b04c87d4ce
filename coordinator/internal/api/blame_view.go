package api

import (
	"encoding/base64"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// blameView shows whom the parties of a session have blamed.
func (s *server) blameView(r *registry.Session) (list []rest.Blame) {
	for _, b := range r.Blames {
		v := s.blamed(&b.Blame, r, nil)
		v.By, v.Attempt, v.SID, v.Detail = s.partyName(b.By, r, nil), b.Attempt, b.SID, b.Detail
		list = append(list, v)
	}
	return list
}

// eventBlame shows whom the party of an event blames.
func (s *server) eventBlame(e *registry.Event, r *registry.Session, names map[string]string) (list []rest.Blame) {
	for i := range e.Blames {
		v := s.blamed(&e.Blames[i], r, names)
		v.By, v.Attempt, v.SID, v.Detail = s.partyName(e.Party, r, names), e.Attempt, e.SID, e.Detail
		list = append(list, v)
	}
	return list
}

func (s *server) blamed(b *registry.Blame, r *registry.Session, names map[string]string) rest.Blame {
	return rest.Blame{
		Party: s.partyName(b.Party, r, names), Reason: string(b.Reason), Proven: b.Proven,
		Evidence: base64.StdEncoding.EncodeToString(b.Evidence),
	}
}

func (s *server) partyName(peer string, r *registry.Session, names map[string]string) rest.PartyName {
	return rest.PartyName{PeerID: peer, Name: s.nameOf(peer, r, names)}
}
