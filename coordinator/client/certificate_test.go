package client_test

import (
	"encoding/base64"
	"reflect"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/internal/api"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestDescribeCertificate: client and API, which do not know each other, show a
// certificate alike; otherwise the client would refuse every account.
func TestDescribeCertificate(t *testing.T) {
	_, c := start(t)
	for _, req := range []rest.CreateAccount{{}, {Scheme: "eddsa-ed25519"}, {UserShare: true}} {
		encoded, err := base64.StdEncoding.DecodeString(newAccount(t, c, req).Certificate.Encoded)
		if err != nil {
			t.Fatal(err)
		}
		mine, err := client.DescribeCertificate(encoded)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := api.CertificateView(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(mine, shown) {
			t.Errorf("the client describes %+v, the API shows %+v", mine, shown)
		}
		if _, err := client.VerifyCertificateView(shown); err != nil {
			t.Error(err)
		}
	}
}
