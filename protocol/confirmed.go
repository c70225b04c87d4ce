package protocol

// Confirmed returns the certificate of a keygen with the signatures of the members
// that this party has heard confirm it, nil before it has the result itself.
func (s *Session) Confirmed() *Certificate {
	if s.cert == nil {
		return nil
	}
	data := s.cert.Body.Signed()
	c := &Certificate{Body: s.cert.Body, Signatures: make([][]byte, len(s.cert.Body.Roster))}
	for i, m := range c.Body.Roster {
		if e := s.in.get(m.Peer, TypeConfirm); e != nil && s.cfg.Verify(m.Peer, data, e.Payload) {
			c.Signatures[i] = e.Payload
		}
	}
	return c
}
