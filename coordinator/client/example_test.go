package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// examples lends the examples a coordinator, which a test gets from its t.
type examples struct {
	testing.TB
	ends []func()
}

func (e *examples) Cleanup(f func()) { e.ends = append(e.ends, f) }

func (e *examples) end() {
	for _, f := range e.ends {
		f()
	}
}

func Example() {
	e := &examples{}
	defer e.end()
	coordinator := clienttest.New(e) // in earnest: https://mpc.example.com:4000

	c, err := client.New(client.Config{URL: coordinator.URL, Key: clienttest.Key})
	if err != nil {
		log.Println(err)
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	account, err := c.CreateAccount(ctx, rest.CreateAccount{UserID: "alice"})
	if err != nil {
		log.Println(err)
		return
	}
	result, err := c.Sign(ctx, client.SignRequest{Account: account.ID, Message: []byte("hello"), Hash: "eip191"})
	if err != nil {
		log.Println(err)
		return
	}
	fmt.Println(account.ThresholdT, "of", account.ThresholdN)
	fmt.Println(result.Hash, result.Digest)
	// Output:
	// 2 of 3
	// eip191 50b2c43fd39106bafbba0da34fc430e1f91e3c96ea2acee2bc34119f92b37750
}

// An account whose share the user holds: it reaches the delegate sealed, once for
// each signature.
func Example_userShare() {
	e := &examples{}
	defer e.end()
	c, err := client.New(client.Config{URL: clienttest.New(e).URL, Key: clienttest.Key})
	if err != nil {
		log.Println(err)
		return
	}
	defer c.Close()
	ctx := context.Background()

	recipient, err := client.NewRecipient() // keep recipient.Private() until the share is stored
	if err != nil {
		log.Println(err)
		return
	}
	account, err := c.CreateAccount(ctx, rest.CreateAccount{UserID: "alice", UserShare: true, RecipientKey: recipient.PublicKey()})
	if err != nil {
		log.Println(err)
		return
	}
	key, err := c.Key(ctx, account.ID)
	if err != nil {
		log.Println(err)
		return
	}
	share, err := client.OpenShare(key, recipient, account.UserShare.Share)
	if err != nil {
		log.Println(err)
		return
	}
	// Store share.Text() as the secret that it is, and then:
	ack, err := c.AckShare(ctx, account.UserShare.ID)
	if err != nil {
		log.Println(err)
		return
	}
	_, err = c.Sign(ctx, client.SignRequest{Account: account.ID, Message: []byte("hello"), Hash: "keccak256", UserShare: share})
	fmt.Println("the delegate has erased the share:", ack.Erased)
	fmt.Println("signed with it:", err == nil)
	// Output:
	// the delegate has erased the share: true
	// signed with it: true
}

// Errors of the API have codes; those of the network say what the matter is.
func ExampleCode() {
	e := &examples{}
	defer e.end()
	c, err := client.New(client.Config{URL: clienttest.New(e).URL, Key: clienttest.Key})
	if err != nil {
		log.Println(err)
		return
	}
	defer c.Close()

	_, err = c.Session(context.Background(), "nowhere")
	switch {
	case client.Code(err) == "session_not_found":
		fmt.Println("there is none")
	case errors.Is(err, client.ErrUnreachable):
		fmt.Println("try later")
	}
	// Output: there is none
}

func ExampleVerifyWebhook() {
	const secret = "whsec_0123456789abcdef0123456789abcdef" // of the answer of CreateWebhook
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mpc-events", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		event, err := client.VerifyWebhook(secret, r.Header.Get(client.WebhookHeader), body, time.Now())
		if err != nil {
			http.Error(w, "not from the coordinator", http.StatusBadRequest)
			return
		}
		fmt.Println(event.ID, event.Event.Type) // the same ID can come twice
	})
}
