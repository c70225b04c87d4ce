package keystore

import (
	"encoding/binary"
	"fmt"
)

const (
	recordMagic   = "MPCR"
	recordVersion = 1

	prefixSize = 7      // magic, version and L
	fixedSize  = 95 - 7 // header up to its first string

	nonceSize     = 12
	tagSize       = 16
	sealedDEKSize = nonceSize + keySize + tagSize
	minSealed     = nonceSize + tagSize
)

// sealedRecord is a stored value taken apart; nothing in it is authenticated. The
// slices alias the value.
type sealedRecord struct {
	header  Header
	party   string
	kek     kekID
	aad     []byte // prefix and header as stored
	dek     []byte // nonce, sealed DEK
	payload []byte // nonce, sealed payload
}

// appendHeader appends prefix and header: the part of a record that is in clear and
// the additional data of both seals. h is valid.
func appendHeader(b []byte, h *Header, party string, kek kekID) []byte {
	start := len(b)
	b = append(b, recordMagic...)
	b = append(b, recordVersion, 0, 0)
	b = append(b, kek[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Epoch)
	b = append(b, h.Committee[:]...)
	b = append(b, h.Approvers[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(h.Threshold))
	b = binary.BigEndian.AppendUint16(b, uint16(h.Parties))
	for _, s := range []string{string(h.Kind), h.ID, h.Account, h.Key, h.Scheme, party, string(h.State)} {
		b = appendString(b, s)
	}
	binary.BigEndian.PutUint16(b[start+5:], uint16(len(b)-start-prefixSize))
	return b
}

// decodeRecord is the inverse of appendHeader and the seals behind it. It accepts
// exactly what the format says, so that decoding and encoding again gives the same
// bytes; any other input is errAuth.
func decodeRecord(raw []byte) (*sealedRecord, error) {
	if len(raw) < prefixSize || string(raw[:4]) != recordMagic {
		return nil, fmt.Errorf("%w: it does not begin like a record", errAuth)
	}
	if raw[4] != recordVersion {
		return nil, fmt.Errorf("%w: format version %d", errAuth, raw[4])
	}
	end := prefixSize + int(binary.BigEndian.Uint16(raw[5:]))
	if len(raw) < end+sealedDEKSize+minSealed || end < prefixSize+fixedSize {
		return nil, fmt.Errorf("%w: it is cut short", errAuth)
	}
	r := &sealedRecord{aad: raw[:end:end], dek: raw[end : end+sealedDEKSize], payload: raw[end+sealedDEKSize:]}
	if err := r.decodeHeader(raw[prefixSize:end]); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *sealedRecord) decodeHeader(b []byte) error {
	h := &r.header
	b = b[copy(r.kek[:], b):]
	h.Epoch = binary.BigEndian.Uint32(b)
	b = b[4:]
	b = b[copy(h.Committee[:], b):]
	b = b[copy(h.Approvers[:], b):]
	h.Threshold = int(binary.BigEndian.Uint16(b))
	h.Parties = int(binary.BigEndian.Uint16(b[2:]))
	b = b[4:]
	var kind, state string
	for _, s := range []*string{&kind, &h.ID, &h.Account, &h.Key, &h.Scheme, &r.party, &state} {
		var ok bool
		if *s, b, ok = cutString(b); !ok {
			return fmt.Errorf("%w: its header is cut short", errAuth)
		}
	}
	h.Kind, h.State = Kind(kind), State(state)
	if len(b) != 0 {
		return fmt.Errorf("%w: its header is too long", errAuth)
	}
	if err := h.Validate(); err != nil {
		return fmt.Errorf("%w: %v", errAuth, err)
	}
	if validID(r.party) != nil {
		return fmt.Errorf("%w: its party is not printable", errAuth)
	}
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return "", nil, false
	}
	return string(b[2 : 2+n]), b[2+n:], true
}
