package api

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// The examples of the OpenAPI document tell one story: alice's key among three
// parties, and a payment to Bob. Keys, certificate, signatures, approvals and
// proofs are real; samples_test.go checks them.
const (
	sampleAccount     = "0198c2a4-7d10-7b21-8f6e-41c0a6d2e9b7"
	sampleKeygen      = "0198c2a4-7d10-7c3e-9a55-2f1d5be0c401"
	sampleCoManaged   = "0198c2a5-3b7a-7d94-8a30-6c5e19f0b2d8"
	sampleSignSession = "0198c2a6-11f4-7e02-b1c7-90d3a2f4e815"
	sampleInviteID    = "0198c2a5-3b7b-7102-9d0e-b83c4f7a2e61"
	sampleWebhookID   = "0198c2a3-52c8-7a4f-8b19-d7e30c6f1a95"
	sampleDeliveryID  = "0198c2a6-14b0-7f3d-a2c8-5e9107b46d3f"
	sampleRequest     = "4c7f1c0e-58f3-4d4e-9b3a-0f6a2f8f1d11"

	samplePublicKey   = "032197c70763930862f5ef24b0bf486645242a1b5853d2c80ee97e532b4c4d374c"
	sampleMessage     = "Pay 5 to Bob"
	sampleCompact     = "6ab048dc5c2712fad1e6ca94e59afc2d3bc9002462791d266a2bc8e4b3d1c63a6362f9a6931a8ad858103a72b202bfa79c619715ec455bbd5430d91b24161284"
	sampleSID         = "25d4954684059571fe0402bee229df051641c4eb15b779ce199b639a73cbc0c8"
	sampleFingerprint = "PPMN WJAJ JLNF 5IWY 3MKT QZ3T"

	sampleNetworkApprover = "47450c4c9b8634638f1a47243b60594d2edf613588aebe50b7d7378c84008ed2"
	sampleApproverID      = "a482ee07ee21abde7c91c1632300770f04ceadf9b7df4a6b99694f66103c2939"
	sampleOtherApproverID = "723f07eebd39b847a8dfca9ff580fc41ed93dbc0bcea5f5bf1e05b8eed611e47"
	sampleApproverKey     = "MCowBQYDK2VwAyEADkisklNbI01bv28Bh14zy4a/Lv9zcxzTWvjv/TGDrj8="
	sampleOtherKey        = "MCowBQYDK2VwAyEAyylSo+z+DLL1Zp89jvwIfDUt/WIkNiT3R5CLfRYVi0c="
	sampleApproval        = "eyJhbGciOiJFZERTQSIsImtpZCI6ImE0ODJlZTA3ZWUyMWFiZGU3YzkxYzE2MzIzMDA3NzBmMDRjZWFkZjliN2RmNGE2Yjk5Njk0ZjY2MTAzYzI5MzkiLCJ0eXAiOiJtcGMtYXBwcm92YWwrand0In0.eyJhdWQiOiJleGFtcGxlIiwib3AiOiJzaWduIiwic3ViIjoiMDE5OGMyYTQtN2QxMC03YjIxLThmNmUtNDFjMGE2ZDJlOWI3Iiwia2V5IjoiMDE5OGMyYTQtN2QxMC03YzNlLTlhNTUtMmYxZDViZTBjNDAxIiwiZXBvY2giOjAsInBhdGgiOltdLCJkaWdlc3QiOiIyZDIwMGYzMjQ2NzE3NDc0MmVmZDRjMDQxMjVlYTliOWY0MmJkYmMxYjEyOTM4NGJlMWM1OGFiNjQ2MjY2OTljIiwianRpIjoiMDE5OGMyYTYtMTFmNC03ZTAyLWIxYzctOTBkM2EyZjRlODE1IiwibmJmIjoxNzczNDgwNjAwLCJleHAiOjE3NzM0ODQyMDB9.TRiGWSjgyurYcHRJe-ybNZ5z1Nf-__TMtqGvyrxBPrFawm8hFfS8DyGMr0qqwshoEsEMrWTd37OYOQeHJ8rICQ"

	sampleRecipient = "/SKEkZolbvLWX3t11K1XvDNU9VxcyLHsNP8uaNKXNxE="
	sampleShare     = "mpcshare-sealed-1._SKEkZolbvLWX3t11K1XvDNU9VxcyLHsNP8uaNKXNxEd_OhLh_33t85EbflCDtEnPv-89Dcs8443Q9nEbVwYD5jqd3yeyHItjyiXOxlRkgvc_6wpVh5QsREI"
	sampleSignShare = "mpcshare-sealed-1.eUO42p044Iko_EOfj2u6CALDa_03OrOlnZMQwNCTclmp4GIQqGgcqQSmImZ4-S0jL3YQ7yk2PtOqAGyhDSOsQDA2hEAm7uq7bXrYbKYP-1ekPHKfT2pDKNsy"
	sampleSealKey   = "eUO42p044Iko/EOfj2u6CALDa/03OrOlnZMQwNCTclk="
	sampleStatement = "ogGlAQECZ2V4YW1wbGUDeDQxMkQzS29vV0Y1dXNXTlh4blFkaDJ3WFZYY2FrQ3FwVXJyaHA1Z0o0QmpyYWQydEw3OTRtBFggeUO42p044Iko/EOfj2u6CALDa/03OrOlnZMQwNCTclkFGmm2dRACWECPtJeuko1F0+/dtRMysVMr6KQrK/N/fu0tW0rgyri3oiGCo56xr+PiKq/QerG7wDtSv7SJRV6A58JcZ71L410D"

	sampleInviteCode = "mpci_jMkuyxobDZ5JWFOPofmDf4V5ebB6L74GiJrIIuFEGIM"
	sampleProof      = "v/efTn4Q8EuaeVlNUWcejB7QtPs/stiWRLjdZ0zaihQUlvkjbHyq+Md9bFXEF8ehbIOZW4OqgsELT3QPBmjmBw=="
	sampleJoinToken  = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaWQiOiIwMTk4YzJhNS0zYjdhLTdkOTQtOGEzMC02YzVlMTlmMGIyZDgifQ.eKxU4yJ0yVqk2N3m1bq0o0yQ3l8l9w6c5r7t2v4x6z8"
	samplePass       = "eyJhbGciOiJFZERTQSIsInR5cCI6Im1wYy1wYXNzK2p3dCJ9.eyJuZXR3b3JrIjoiZXhhbXBsZSJ9.b3J0aGUtc2lnbmF0dXJlLW9mLXRoZS1jb29yZGluYXRvcg"
	sampleAuthority  = "Fbv3hks/xSNffgcxO4UyQzpJWrcQI7ak2S1bIDHK0mc="

	sampleCertificate = "ogGtAQECZ2V4YW1wbGUDeCQwMTk4YzJhNC03ZDEwLTdiMjEtOGY2ZS00MWMwYTZkMmU5YjcEeCQwMTk4YzJhNC03ZDEwLTdjM2UtOWE1NS0yZjFkNWJlMGM0MDEFAAZvZWNkc2Etc2VjcDI1NmsxBwIIg6IBeDQxMkQzS29vV0hDVmlZbTJib1YzaEdObUxDdXNldmZXd2o2VjdINmNraVZuMm02dHJ5cTVOAmpwZXJzaXN0ZW50ogF4NDEyRDNLb29XR2sxU1JzWkNpMVBwd3ZoU2JmbWZhMU1kYjd0R2pCeVFCdkpZWUFHM3czbmgCanBlcnNpc3RlbnSiAXg0MTJEM0tvb1dGNXVzV05YeG5RZGgyd1hWWGNha0NxcFVycmhwNWdKNEJqcmFkMnRMNzk0bQJqcGVyc2lzdGVudAlYIQMhl8cHY5MIYvXvJLC/SGZFJCobWFPSyA7pflMrTE03TApYIJUWE1eVUh+udmWmBGH6mt+QjFF01wWPgx4vRXdxcvA7C1ggvEbZwAGDc8rDzfJrjKEUDZBX/X1mGnrOY2nfHpv0afsMWCD663bcel7xoKIrMvrQhHOJ79FKkEJkSQ45GTZ5QPTLzQ1YICXUlUaEBZVx/gQCvuIp3wUWQcTrFbd5zhmbY5pzy8DIAoNYQPR/BZ5mVeTJggSXWfiPSOk64p014/kgGYlPAfvmxmH20C2R5Z4l2vt2sdDXlcGlWGvq4alO3+N58EpxwaaSQwBYQD6Q/hc4GTJD2x8AHXcQYBsFlAZyWXyolBo3DKw6wIW26Hwj6cHAsTK5U2jmGSLutqCC1U91kqH9mRUM65LtYAFYQAsvSEkGn20UEiVv43FLiMCONvz13bCbjHy2KewWEkmsXo0wOWGt2AcmAKxfeQc9IpDN6XF8Twdp3ywPjyyhPww="
)

// samplePeers are the parties oslo, paris and tokyo, and a user's phone.
var samplePeers = []string{
	"12D3KooWHCViYm2boV3hGNmLCusevfWwj6V7H6ckiVn2m6tryq5N", "12D3KooWGk1SRsZCi1PpwvhSbfmfa1Mdb7tGjByQBvJYYAG3w3nh",
	"12D3KooWF5usWNXxnQdh2wXVXcakCqpUrrhp5gJ4Bjrad2tL794m", "12D3KooWMAut1VioEaZQ9AUs5TpDqPwjj1fGWSsmYvwo26CtqwUC",
}

const sampleCoordinator = "12D3KooWCxQsdCYyk6pAsLmVyfwh7C14zMDwNxSHXiqTLXXEdT2Y"

// sampleID is an example of what a path has in braces.
func sampleID(p *huma.Param, path string) string {
	things := map[string]string{"accounts": sampleAccount, "sessions": sampleSignSession, "shares": sampleKeygen, "webhooks": sampleWebhookID}
	switch thing, _, _ := strings.Cut(strings.TrimPrefix(path, prefix+"/"), "/"); {
	case p.In != "path":
		return ""
	case p.Name == "code":
		return sampleInviteCode
	default:
		return things[thing]
	}
}

// sampleTime is so many seconds after the story begins.
func sampleTime(seconds int) time.Time {
	return time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func sampleParties(roles ...protocol.Role) (parties []rest.PartyName) {
	names := []string{"oslo", "paris", "tokyo", "alice's phone"}
	for i, role := range roles {
		peer := i
		if role == protocol.External {
			peer = len(samplePeers) - 1
		}
		parties = append(parties, rest.PartyName{PeerID: samplePeers[peer], Name: names[peer], Role: string(role)})
	}
	return parties
}

// must is for bytes that a test has decoded.
func must(b []byte, err error) []byte {
	if err != nil {
		return nil
	}
	return b
}

func sampleSignature() rest.Signature {
	return signatureView(protocol.ECDSA, &registry.Signature{Bytes: must(hex.DecodeString(sampleCompact))})
}

func sampleDigest() string {
	return hex.EncodeToString(must(chain.Hash(chain.SHA256, []byte(sampleMessage))))
}

func sampleEncodedCertificate() []byte {
	return must(base64.StdEncoding.DecodeString(sampleCertificate))
}
