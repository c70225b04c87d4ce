package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Errors of calls. An error that the API itself answered is a *rest.Problem:
// find it with errors.As, or its code with Code.
var (
	// ErrUnreachable: there was no whole answer. Whether the call took effect is
	// not known, unless it is made again with the same idempotency key.
	ErrUnreachable = errors.New("the coordinator cannot be reached")
	// ErrCertificate: the server's TLS certificate is not acceptable. It is an
	// ErrUnreachable.
	ErrCertificate = fmt.Errorf("%w: its TLS certificate is not acceptable", ErrUnreachable)
	// ErrPlainHTTP: the URL says https, and the port does not speak TLS. It is an
	// ErrUnreachable.
	ErrPlainHTTP = fmt.Errorf("%w: the port does not speak TLS: try http:// in place of https://", ErrUnreachable)
	// ErrTimeout: the time for the call was over. It is a
	// context.DeadlineExceeded. The session that it started goes on.
	ErrTimeout = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	// ErrNotAPI: what answered does not speak this API.
	ErrNotAPI = errors.New("the answer is not one of this API")
	// ErrVerification: an answer was not what its signatures say, or what was
	// asked for. Whoever sent it is broken or lies.
	ErrVerification = errors.New("verification failed")
)

// Code returns the code of the problem that the API answered, or "" when err is
// something else.
func Code(err error) string {
	if p := (*rest.Problem)(nil); errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// PendingError says that a session waits for more approvals.
type PendingError struct{ Session *rest.Session }

// Error says what is missing.
func (e *PendingError) Error() string {
	return fmt.Sprintf("session %s waits for %s", e.Session.ID, e.Session.WaitingFor)
}

// refuted makes an ErrVerification; the format is that of fmt.Errorf.
func refuted(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrVerification, fmt.Errorf(format, args...))
}

// networkError says why there was no answer, and whether another try can have
// one.
func networkError(err error) (_ error, again bool) {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // without the URL: an invite's code is part of one
	}
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("%w: %w", ErrCertificate, err), false
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return ErrPlainHTTP, false
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("%w: there is no host %q", ErrUnreachable, dns.Name), false
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err), true
}
