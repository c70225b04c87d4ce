package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// receiver is a backend that webhooks call. It refuses the first try.
type receiver struct {
	secret string
	got    chan rest.WebhookEvent

	mu      sync.Mutex
	refused bool
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.refused {
		r.refused = true
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(req.Body)
	var event *rest.WebhookEvent
	if err == nil {
		event, err = client.VerifyWebhook(r.secret, req.Header.Get(client.WebhookHeader), body, time.Now())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.got <- *event
}

// TestWebhook tells a backend of a signature, though the backend refuses the
// first call and the coordinator is killed before it makes the second.
func TestWebhook(t *testing.T) {
	c := shared(t, cluster.QUIC)
	sdk, ctx := newClient(t, c), waiting(t)
	account := newAccount(t, c, cluster.EdDSA)
	backend := &receiver{got: make(chan rest.WebhookEvent, 16)}
	server := httptest.NewServer(backend)
	defer server.Close()
	hook, err := sdk.CreateWebhook(ctx, rest.CreateWebhook{URL: server.URL, Events: []string{"session.completed"}})
	if err != nil {
		t.Fatal(err)
	}
	backend.secret = hook.Secret
	signed, err := sign(ctx, c, account)
	if err != nil {
		t.Fatal(err)
	}
	err = cluster.Poll(ctx, func() (bool, error) {
		backend.mu.Lock()
		defer backend.mu.Unlock()
		return backend.refused, nil
	})
	if err != nil {
		t.Fatalf("the backend was not called: %v", err)
	}
	kill(t, c, "coordinator")
	start(t, c, "coordinator")
	select {
	case e := <-backend.got:
		if e.Event.Type != "session.completed" || e.Session == nil || e.Session.ID != signed.Session || e.Session.Signature == nil {
			t.Errorf("event %+v", e)
		}
	case <-ctx.Done():
		t.Fatal("no event came")
	}
	checkDeliveries(t, sdk, hook.ID)
	if err := sdk.DeleteWebhook(ctx, hook.ID); err != nil {
		t.Error(err)
	}
}

// checkDeliveries waits until the log says that the delivery took more than one
// try.
func checkDeliveries(t *testing.T, sdk *client.Client, hook string) {
	t.Helper()
	ctx := waiting(t)
	var last rest.Delivery
	err := cluster.Poll(ctx, func() (bool, error) {
		for d, err := range sdk.Deliveries(ctx, hook) {
			if err != nil {
				return false, err
			}
			last = d
		}
		return last.Status == "delivered" && last.Tries >= 2, nil
	})
	if err != nil {
		t.Errorf("delivery %+v: %v", last, err)
	}
}
