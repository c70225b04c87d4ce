package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// limit tells the caller its limit (draft-ietf-httpapi-ratelimit-headers) and
// refuses a call that exceeds it.
func (s *server) limit(w http.ResponseWriter, v access.Verdict) *rest.Problem {
	if v.Quota == 0 {
		return nil
	}
	h := w.Header()
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", v.Class, v.Quota, wholeSeconds(v.Window)))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", v.Class, v.Remaining, wholeSeconds(v.Reset)))
	if v.Retry == 0 {
		return nil
	}
	s.cfg.Metrics.RateLimited(v.Class)
	return tooSoon(codeRateLimited, fmt.Sprintf("more than %d calls in %v: call again in %%d s", v.Quota, v.Window), v.Retry)
}

// tooSoon says when to come again; the format has a %d for the seconds.
func tooSoon(code, format string, wait time.Duration) *rest.Problem {
	p := newProblem(code, "")
	p.RetryAfter = max(wholeSeconds(wait), 1)
	p.Detail = fmt.Sprintf(format, p.RetryAfter)
	return p
}

// wholeSeconds rounds up, for headers that know no fractions.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
