package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/meshmpc/mpcd/protocol"
)

// maxEvidenceText bounds a file of evidence: two envelopes, in base64.
const maxEvidenceText = 2 << 20

var errNoEvidence = errors.New("no evidence: neither CBOR nor base64 of it")

// readEvidence reads a file as a party keeps it, or as text: base64, in the standard
// or the URL alphabet, in quotes or not, on one line or several. "-" is stdin.
func readEvidence(file string, stdin io.Reader) (*protocol.Evidence, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, errors.Unwrap(err) // the caller names the file
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxEvidenceText+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxEvidenceText:
		return nil, fmt.Errorf("no evidence: it has more than %d bytes", maxEvidenceText)
	}
	return decodeEvidence(data)
}

func decodeEvidence(data []byte) (*protocol.Evidence, error) {
	var v protocol.Evidence
	if protocol.Unmarshal(data, &v) == nil {
		return &v, nil
	}
	raw, err := fromText(data)
	if err == nil {
		err = protocol.Unmarshal(raw, &v)
	}
	if err != nil {
		return nil, fmt.Errorf("%w", errNoEvidence)
	}
	return &v, nil
}

// fromText decodes base64, whatever its alphabet and padding.
func fromText(data []byte) ([]byte, error) {
	data = bytes.Trim(bytes.TrimSpace(data), `"`)
	text := strings.TrimRight(strings.Join(strings.Fields(string(data)), ""), "=")
	text = strings.NewReplacer("+", "-", "/", "_", `\n`, "").Replace(text)
	return base64.RawURLEncoding.DecodeString(text)
}
