package cluster

import (
	"context"
	"net/http"
	"net/url"
)

// Presigning is what an account has of presignatures.
type Presigning struct {
	Target int `json:"target"`
	TTL    int `json:"ttl"` // seconds
	Stock  int `json:"stock"`
}

// SetPresign says how many presignatures an account keeps; 0: none.
func (a *API) SetPresign(ctx context.Context, account string, target int) error {
	body := struct {
		Target int `json:"target"`
	}{target}
	return a.Call(ctx, http.MethodPut, presignPath(account), body, nil)
}

// Presigning returns what an account has of presignatures now.
func (a *API) Presigning(ctx context.Context, account string) (Presigning, error) {
	var p Presigning
	err := a.Call(ctx, http.MethodGet, presignPath(account), nil, &p)
	return p, err
}

func presignPath(account string) string {
	return "/api/v1/accounts/" + url.PathEscape(account) + "/presign"
}
