package p2p

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/multiformats/go-varint"
)

// appendFrame appends payload with its length in front.
func appendFrame(dst, payload []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(payload)))
	return append(dst, payload...)
}

// readFrame reads one frame of at most limit bytes. begun is called, if not
// nil, when the length is known and the payload is awaited, so that a caller can
// wait long for a frame but not long within one. io.EOF says that the stream
// ended between frames; a larger frame is an ErrTooLarge.
func readFrame(r *bufio.Reader, limit int, begun func()) ([]byte, error) {
	// A first look, because an end in the middle of a length is not a clean end.
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	n, err := varint.ReadUvarint(r)
	if err != nil {
		return nil, fmt.Errorf("length of a frame: %w", noEOF(err))
	}
	if n > uint64(limit) {
		return nil, fmt.Errorf("%w: a frame of %d bytes, at most %d are allowed", ErrTooLarge, n, limit)
	}
	if begun != nil {
		begun()
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, fmt.Errorf("a frame of %d bytes: %w", n, noEOF(err))
	}
	return frame, nil
}

// noEOF makes the end of the stream within a frame an error of its own.
func noEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // readers return the bare value
		return io.ErrUnexpectedEOF
	}
	return err
}
