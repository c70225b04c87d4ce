package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds a line of a stream of events, in bytes.
const maxLine = 1 << 20

// message is one event of a stream (WHATWG HTML §9.2.6).
type message struct {
	id    string
	event string
	data  []byte
}

// eventReader reads a stream of events.
type eventReader struct {
	scan  *bufio.Scanner
	retry time.Duration // what the server wants a client to wait before it comes back; 0: it has not said
}

func newEventReader(r io.Reader) *eventReader {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	return &eventReader{scan: s}
}

// next returns the next event that has data. The error is io.EOF at the end of
// the stream; an event that is not complete by then is dropped.
func (e *eventReader) next() (*message, error) {
	var m message
	for e.scan.Scan() {
		line := e.scan.Bytes() // without \n or \r\n
		if len(line) == 0 {
			if len(m.data) > 0 {
				m.data = bytes.TrimSuffix(m.data, []byte("\n"))
				return &m, nil
			}
			m = message{}
			continue
		}
		name, value, _ := strings.Cut(string(line), ":") // a comment has no name
		e.field(&m, name, strings.TrimPrefix(value, " "))
	}
	if err := e.scan.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, ErrNotAPI
		}
		return nil, err
	}
	return nil, io.EOF
}

func (e *eventReader) field(m *message, name, value string) {
	switch name {
	case "id":
		m.id = value
	case "event":
		m.event = value
	case "data":
		m.data = append(append(m.data, value...), '\n')
	case "retry":
		if ms, err := strconv.ParseUint(value, 10, 20); err == nil {
			e.retry = time.Duration(ms) * time.Millisecond
		}
	}
}
