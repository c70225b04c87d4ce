package client

import (
	"context"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// CreateInvites makes an invite to a session in place of an unused one. Its code
// is shown this once.
func (c *Client) CreateInvites(ctx context.Context, session string, req rest.CreateInvites) ([]rest.Invite, error) {
	path, err := route("sessions", session, "invites")
	if err != nil {
		return nil, err
	}
	list, err := post[rest.InviteList](ctx, c, path, req)
	if err != nil {
		return nil, err
	}
	return list.Invites, nil
}

// Invite shows what a code invites to. It needs no API key.
func (c *Client) Invite(ctx context.Context, code string) (*rest.InviteInfo, error) {
	path, err := route("invites", code)
	if err != nil {
		return nil, err
	}
	return get[rest.InviteInfo](ctx, c, path, nil)
}

// Join uses an invite for a device. It needs no API key.
func (c *Client) Join(ctx context.Context, code string, req rest.Join) (*rest.Joined, error) {
	path, err := route("invites", code, "join")
	if err != nil {
		return nil, err
	}
	return post[rest.Joined](ctx, c, path, req)
}
