package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// signRequest decodes and checks the body.
func signRequest(b *rest.SignBody, account string) (engine.SignRequest, error) {
	req := engine.SignRequest{Account: account}
	if b.DerivationPath != "" {
		return req, newProblem(codeDerivation, "this version signs with the account's key itself: leave derivation_path out")
	}
	if b.Hash != "" && b.Hash != "none" {
		return req, newProblem(codeHash, fmt.Sprintf("hash %q is not supported: hash the message yourself and leave hash out", b.Hash))
	}
	var err error
	if req.Payload, err = decodeMessage(b.Message, b.Encoding); err != nil {
		p := newProblem(codeMalformedMessage, err.Error())
		p.Errors = []rest.FieldError{{Location: "body.message", Message: err.Error()}}
		return req, p
	}
	return req, nil
}

func decodeMessage(message, encoding string) ([]byte, error) {
	switch encoding {
	case "utf8":
		return []byte(message), nil
	case "base64":
		raw, err := base64.StdEncoding.DecodeString(message)
		if err != nil {
			return nil, fmt.Errorf("message is not base64 (RFC 4648 §4, with padding): %w", err)
		}
		return raw, nil
	}
	digits := strings.TrimPrefix(message, "0x")
	if len(digits)%2 != 0 {
		return nil, fmt.Errorf("message has %d hexadecimal digits: an even number is needed", len(digits))
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("message is not hexadecimal: %w; set encoding if it is base64 or utf8", err)
	}
	return raw, nil
}

func (s *server) signRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "sign", method: http.MethodPost, path: prefix + "/accounts/{id}/sign", tag: "accounts", scope: access.Sign,
		summary: "Sign with an account. The signature was verified under the account's public key.",
		answers: map[int]any{http.StatusOK: rest.SignResult{}, http.StatusAccepted: rest.Session{}},
		errors: append([]string{
			registry.CodeAccountNotFound, registry.CodeAccountNotActive, registry.CodeInvalidPayload,
			codeMalformedMessage, codeDerivation, codeHash,
		}, sessionErrors...),
	}), s.sign)
}

func (s *server) sign(ctx context.Context, in *struct {
	ByID
	Preference
	Body rest.SignBody
}) (*outcome, error) {
	if s.cfg.Registry.Account(in.ID) == nil {
		return nil, newProblem(registry.CodeAccountNotFound, fmt.Sprintf("there is no account %q", in.ID))
	}
	req, err := signRequest(&in.Body, in.ID)
	if err != nil {
		return nil, err
	}
	id, err := s.cfg.Engine.Sign(req)
	if err != nil {
		return nil, problemOf(err)
	}
	return s.follow(ctx, in.Preference, id, func(session *registry.Session) (*outcome, error) {
		return &outcome{Status: http.StatusOK, Body: signResult(session, s.cfg.Registry.Account(in.ID))}, nil
	})
}
