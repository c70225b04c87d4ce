package coordinator

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// BenchmarkSign is what the coordinator adds to a signature: HTTP, choice of
// parties, registry and verification, with parties that take no time.
func BenchmarkSign(b *testing.B) {
	for _, scheme := range []string{"eddsa-ed25519", "ecdsa-secp256k1"} {
		b.Run(scheme, func(b *testing.B) {
			cl := newCluster(b, "p1", "p2", "p3")
			a := cl.account(`{"user_id":"u","scheme":"` + scheme + `"}`)
			i := 0
			for b.Loop() {
				i++
				as[rest.SignResult](b, cl.post("/api/v1/accounts/"+a.ID+"/sign", fmt.Sprintf(`{"message":"%064x"}`, i)), http.StatusOK)
			}
		})
	}
}

func BenchmarkListAccounts(b *testing.B) {
	cl := newCluster(b, "p1", "p2", "p3")
	for i := range 60 {
		cl.account(fmt.Sprintf(`{"user_id":"u%d","scheme":"eddsa-ed25519"}`, i))
	}
	for b.Loop() {
		as[rest.AccountList](b, cl.get("/api/v1/accounts"), http.StatusOK)
	}
}

// BenchmarkRead is what a read costs client and coordinator together, over
// loopback.
func BenchmarkRead(b *testing.B) {
	cl := newCluster(b, "p1", "p2", "p3")
	var a rest.Account
	for range 50 {
		a = cl.account(`{"user_id":"u"}`)
	}
	for name, path := range map[string]string{
		"session": "/api/v1/sessions/" + a.KeygenSessionID, "account": "/api/v1/accounts/" + a.ID, "accounts=50": "/api/v1/accounts?limit=50",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if got := cl.get(path); got.status != http.StatusOK {
					b.Fatalf("status %d", got.status)
				}
			}
		})
	}
}
