package api

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

const (
	maxLabels     = 32
	maxLabelBytes = 256
	maxDeviceInfo = 4 << 10 // bytes as JSON
)

// keygenRequest decodes and checks the body of a new account.
func keygenRequest(b *rest.CreateAccount) (engine.KeygenRequest, error) {
	req := engine.KeygenRequest{
		Owner: b.UserID, Threshold: protocol.Threshold{T: 2, N: 3}, Parties: b.Parties, Labels: b.Labels,
		Custody: registry.CustodyServer, Device: b.DeviceInfo, Presign: presignRequest(b.Presign),
	}
	var err error
	if req.Scheme, err = protocol.ParseScheme(b.Scheme); err != nil {
		return req, newProblem(codeInvalid, err.Error())
	}
	if b.Threshold != nil {
		req.Threshold = protocol.Threshold{T: b.Threshold.T, N: b.Threshold.N}
	}
	if b.UserShare {
		req.Custody = registry.CustodyHybrid
	}
	if req.Recipient, err = recipientKey(b.RecipientKey); err != nil {
		return req, err
	}
	if req.Approvers, err = approverKeys(b.Approvers); err != nil {
		return req, err
	}
	if err := checkDevice(b.DeviceInfo); err != nil {
		return req, err
	}
	return req, checkLabels(b.Labels)
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return newProblem(codeInvalid, fmt.Sprintf("an account has at most %d labels", maxLabels))
	}
	for k, v := range labels {
		if k == "" || len(k) > maxLabelBytes || len(v) > maxLabelBytes {
			return newProblem(codeInvalid, fmt.Sprintf("a label's name and value have at most %d bytes, and the name at least 1", maxLabelBytes))
		}
	}
	return nil
}

func checkDevice(info map[string]any) error {
	if info == nil {
		return nil
	}
	data, err := json.Marshal(info)
	if err != nil || len(data) > maxDeviceInfo {
		return fieldProblem(codeInvalid, "body.device_info", fmt.Sprintf("device_info has at most %d bytes as JSON", maxDeviceInfo))
	}
	return nil
}

// recipientKey decodes an X25519 key; nil if there is none.
func recipientKey(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(s)
	if err == nil {
		err = protocol.CheckRecipient(key)
	}
	if err != nil {
		return nil, fieldProblem(registry.CodeBadUserShare, "body.recipient_key", "recipient_key is an X25519 public key, 32 bytes in base64: "+err.Error())
	}
	return key, nil
}

// approverKeys decodes approvers; none means the network's.
func approverKeys(b *rest.Approvers) (protocol.Approvers, error) {
	var a protocol.Approvers
	if b == nil {
		return a, nil
	}
	a.M = b.M
	for i, text := range b.Keys {
		der, err := publicKeyDER(text)
		if err != nil {
			return a, fieldProblem(registry.CodeInvalidApprovers, fmt.Sprintf("body.approvers.keys[%d]", i), err.Error())
		}
		a.Keys = append(a.Keys, der)
	}
	if err := a.Validate(); err != nil {
		return a, fieldProblem(registry.CodeInvalidApprovers, "body.approvers", err.Error())
	}
	return a, nil
}

func publicKeyDER(text string) ([]byte, error) {
	if strings.Contains(text, "-----BEGIN") {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("a PEM block PUBLIC KEY is expected (openssl pkey -pubout)")
		}
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("an approver's key is a SubjectPublicKeyInfo in base64 DER, or PEM")
	}
	return der, nil
}
