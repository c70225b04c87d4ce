package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator"
)

// shownKey is a key as these commands print it.
type shownKey struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	State   string    `json:"state"` // active, expired, revoked
	Scopes  []string  `json:"scopes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	Secret  string    `json:"secret,omitempty"`
}

func show(k coordinator.Key) shownKey {
	s := shownKey{ID: k.ID, Name: k.Name, State: "active", Scopes: k.Scopes, Created: k.Created, Expires: k.Expires, Revoked: k.Revoked}
	switch {
	case !k.Revoked.IsZero():
		s.State = "revoked"
	case !k.Expires.IsZero() && !time.Now().Before(k.Expires):
		s.State = "expired"
	}
	return s
}

func moment(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.RFC3339)
}

func printJSON(c *cli.Context, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print as JSON: %w", err)
	}
	printf(c, "%s\n", data)
	return nil
}
