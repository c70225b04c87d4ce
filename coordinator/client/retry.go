package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Waits between tries; half of each is random.
const (
	firstWait = 250 * time.Millisecond
	maxWait   = 8 * time.Second
)

// maxRetryAfter is how long a server may make a client wait for the next try.
const maxRetryAfter = time.Minute

// failure is why a try did not succeed.
type failure struct {
	err   error
	again bool          // another try may succeed and is safe
	after time.Duration // wait at least so long
}

// noAnswer is the failure of a call whose answer did not come.
func noAnswer(ctx context.Context, err error) *failure {
	if ctx.Err() != nil {
		return &failure{err: ctx.Err()}
	}
	err, again := networkError(err)
	return &failure{err: err, again: again}
}

// codeShuttingDown is the one code of answers with 5xx that another try can
// better: it says that nothing was begun, or that what was begun goes on. All
// others speak of a session, whose outcome stays the same for the same
// idempotency key.
const codeShuttingDown = "shutting_down"

func problemFailure(resp *http.Response, p *rest.Problem) *failure {
	p.Status = resp.StatusCode
	f := &failure{err: p, after: retryAfter(resp)}
	p.RetryAfter = int(f.after / time.Second)
	f.again = p.Status == http.StatusTooManyRequests || p.Code == codeShuttingDown
	return f
}

// foreignFailure is an error answer of something else than the API, such as a
// proxy in front of it, which does not know whether the call took effect: the
// idempotency key makes another try safe.
func foreignFailure(resp *http.Response) *failure {
	f := &failure{again: resp.StatusCode == http.StatusTooManyRequests || overloaded(resp.StatusCode), after: retryAfter(resp)}
	switch where := resp.Header.Get("Location"); {
	case resp.StatusCode < 400 && where != "":
		f.err = fmt.Errorf("%w: it redirects to %q: give that as the URL if you trust it", ErrNotAPI, where)
	case resp.StatusCode == http.StatusBadRequest && resp.Request.URL.Scheme == "http":
		f.err = fmt.Errorf("%w: status 400; if the port speaks TLS, write https:// in the URL", ErrNotAPI)
	default:
		f.err = fmt.Errorf("%w: status %d; is the URL right?", ErrNotAPI, resp.StatusCode)
	}
	return f
}

func overloaded(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// retryAfter reads the header Retry-After (RFC 9110 §10.2.3), in seconds or as a
// date.
func retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = firstWait, maxWait, 2, 0.5
	return b
}

// do makes a call, again where that is safe, and names the call in its error.
func (c *Client) do(ctx context.Context, k *call) (*answer, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	p, err := c.prepare(ctx, k)
	if err != nil {
		return nil, err
	}
	tries := 0
	var last error
	a, err := backoff.Retry(ctx, func() (*answer, error) {
		tries++
		a, f := c.exchange(ctx, p)
		switch {
		case f == nil:
			return a, nil
		case ctx.Err() == nil:
			last = f.err
		}
		return nil, f.backoff(k, tries > 1)
	}, backoff.WithBackOff(newBackOff()), backoff.WithMaxTries(uint(c.cfg.Tries)), backoff.WithMaxElapsedTime(left(ctx)),
		backoff.WithNotify(func(_ error, wait time.Duration) { c.cfg.OnRetry(last, wait) }))
	if err == nil {
		return a, nil
	}
	if gone := (*goneError)(nil); errors.As(err, &gone) {
		return &answer{status: http.StatusNoContent}, nil
	}
	return nil, explain(ctx, c.base, last)
}

// explain makes the error of a call that has failed; last is what its last
// finished try said, if there was one.
func explain(ctx context.Context, base string, last error) error {
	switch err := ctx.Err(); {
	case err == nil && errors.As(last, new(*rest.Problem)):
		return last // it speaks for itself
	case err == nil:
		return fmt.Errorf("%s: %w", base, last)
	case !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", base, err)
	case last != nil:
		return fmt.Errorf("%s: %w; the last try: %w", base, ErrTimeout, last)
	default:
		return fmt.Errorf("%s: %w", base, ErrTimeout)
	}
}

// goneError says that a DELETE whose first answer was lost has done its work.
type goneError struct{}

func (*goneError) Error() string { return "deleted already" }

// backoff says to the library whether to try again.
func (f *failure) backoff(k *call, repeated bool) error {
	if repeated && k.method == http.MethodDelete && status(f.err) == http.StatusNotFound {
		return backoff.Permanent(&goneError{})
	}
	if !f.again || k.once || f.after > maxRetryAfter {
		return backoff.Permanent(f.err)
	}
	if f.after > 0 { // not all callers at the same moment
		return &backoff.RetryAfterError{Duration: f.after + rand.N(f.after/4+firstWait)}
	}
	return f.err
}

func status(err error) int {
	if p := (*rest.Problem)(nil); errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// bound gives a context without a deadline the client's.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// left is the time until the deadline of ctx, which has one.
func left(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, time.Until(deadline))
}
