package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// CreateWebhook registers a webhook. Its secret, for VerifyWebhook, is in the
// answer this once.
func (c *Client) CreateWebhook(ctx context.Context, req rest.CreateWebhook) (*rest.Webhook, error) {
	return post[rest.Webhook](ctx, c, prefix+"/webhooks", req)
}

// Webhooks lists the webhooks.
func (c *Client) Webhooks(ctx context.Context) ([]rest.Webhook, error) {
	list, err := get[rest.WebhookList](ctx, c, prefix+"/webhooks", nil)
	if err != nil {
		return nil, err
	}
	return list.Webhooks, nil
}

// Webhook shows a webhook.
func (c *Client) Webhook(ctx context.Context, id string) (*rest.Webhook, error) {
	path, err := route("webhooks", id)
	if err != nil {
		return nil, err
	}
	return get[rest.Webhook](ctx, c, path, nil)
}

// DeleteWebhook removes a webhook.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	path, err := route("webhooks", id)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, &call{method: http.MethodDelete, path: path})
	return err
}

// DeliveryPage returns a page of a webhook's deliveries.
func (c *Client) DeliveryPage(ctx context.Context, webhook string, page Page) (*rest.DeliveryList, error) {
	path, err := route("webhooks", webhook, "deliveries")
	if err != nil {
		return nil, err
	}
	return get[rest.DeliveryList](ctx, c, path, page.query(url.Values{}))
}

// Deliveries ranges over a webhook's deliveries, newest first.
func (c *Client) Deliveries(ctx context.Context, webhook string) iter.Seq2[rest.Delivery, error] {
	return everything(ctx, func(ctx context.Context, page Page) ([]rest.Delivery, string, error) {
		list, err := c.DeliveryPage(ctx, webhook, page)
		if err != nil {
			return nil, "", err
		}
		return list.Deliveries, list.NextCursor, nil
	})
}
