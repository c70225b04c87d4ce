package coordinator

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
)

// handle makes a call without a connection.
func (cl *cluster) handle(c call) answer {
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	r.RemoteAddr = "127.0.0.1:9"
	r.Header.Set("Content-Type", "application/json")
	if !c.noKey {
		r.Header.Set("X-API-Key", testKey)
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	cl.c.server.Handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

// raw makes a call by hand: with a Content-Length that need not be true, over a
// connection whose sending side is closed afterwards, or not.
func (cl *cluster) raw(c call, header http.Header, length, body string, closed bool) answer {
	cl.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(cl.base, "http://"))
	if err != nil {
		cl.t.Error(err)
		return answer{}
	}
	defer conn.Close() // the answer is read
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %s\r\n", c.method, c.path, length)
	for name, values := range header {
		text += name + ": " + values[0] + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"+body); err != nil {
		cl.t.Error(err)
	}
	if closed {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			cl.t.Error(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		cl.t.Errorf("%s %s: %v", c.method, c.path, err)
		return answer{}
	}
	defer res.Body.Close() // read to the end
	read, err := io.ReadAll(res.Body)
	if err != nil {
		cl.t.Errorf("%s %s: %v", c.method, c.path, err)
	}
	a := answer{res.StatusCode, res.Header, read}
	cl.conforms(call{method: c.method, path: c.path}, a)
	return a
}
