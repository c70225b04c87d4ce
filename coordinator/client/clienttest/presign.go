package clienttest

import (
	"net/http"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// presignDefault is what holds for accounts without a setting.
var presignDefault = rest.Presigning{Target: 2, TTL: 3600}

// presigning is an account's setting; what it asks for is there at once.
func presigning(scheme protocol.Scheme, p *rest.Presign) *rest.Presigning {
	if scheme != protocol.ECDSA {
		return nil
	}
	v := presignDefault
	if p != nil {
		v.Set, v.Target = true, p.Target
		if p.TTL != 0 {
			v.TTL = p.TTL
		}
	}
	v.Stock = v.Target
	return &v
}

func (s *Server) presign(w http.ResponseWriter, r *http.Request) any {
	a := s.find(w, r)
	if a == nil {
		return nil
	}
	scheme := protocol.Scheme(a.Scheme)
	switch r.Method {
	case http.MethodPut:
		req, ok := read[rest.Presign](w, r)
		if !ok {
			return nil
		}
		if scheme != protocol.ECDSA && req.Target > 0 {
			Refuse(w, http.StatusUnprocessableEntity, "invalid_presign", "only ECDSA accounts have presignatures")
			return nil
		}
		a.Presign = presigning(scheme, req)
	case http.MethodDelete:
		a.Presign = presigning(scheme, nil)
	}
	if a.Presign == nil {
		return &rest.Presigning{}
	}
	return a.Presign
}
