package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// TestDelivery calls receivers with and without TLS and checks what they get.
func TestDelivery(t *testing.T) {
	for _, secure := range []bool{false, true} {
		to := newReceiver(t, secure, nil)
		r := newRig(t, func(c *Config) {
			if secure {
				c.TLS = to.trust()
			}
		})
		r.write(created("before"), completed("before"))
		id := r.create(to.URL)
		r.write(created("1"), progress("1", 1), completed("1"))
		d := r.settled(id, Delivered, 1)
		calls := to.all()
		if len(d) != 1 || len(calls) != 1 {
			t.Fatalf("deliveries %+v, calls %+v", d, calls)
		}
		c := calls[0]
		if d[0].Tries != 1 || d[0].HTTP != 200 || d[0].Session != "1" || d[0].Account != "a" || d[0].Type != registry.SessionCompleted || d[0].ID() != c.header.Get("Mpc-Delivery") {
			t.Errorf("delivery %+v", d[0])
		}
		if c.event() != "session.completed" || c.header.Get("User-Agent") != "mpcd-webhook/test" || c.header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", c.header)
		}
		if want := fmt.Sprintf(`{"id":%q,"stream":"session/1","type":"session.completed"}`, d[0].ID()); c.body != want {
			t.Errorf("body %s", c.body)
		}
		secret, err := r.h.Secret(id)
		if err != nil || !strings.HasPrefix(secret, "whsec_") {
			t.Fatal(secret, err)
		}
		verify(t, secret, c)
	}
}

// verify checks a signature as a receiver would, by the words of the package
// comment alone.
func verify(t *testing.T, secret string, c received) {
	t.Helper()
	stamp, sig, _ := strings.Cut(c.header.Get("Mpc-Signature"), ",")
	stamp, sig = strings.TrimPrefix(stamp, "t="), strings.TrimPrefix(sig, "v1=")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + c.body))
	if want := hex.EncodeToString(mac.Sum(nil)); sig != want {
		t.Errorf("signature %s, want %s", sig, want)
	}
	if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("time %q", stamp)
	}
}

func TestOwnSecretAndPatterns(t *testing.T) {
	to := newReceiver(t, false, nil)
	r := newRig(t, func(*Config) {})
	secret := strings.Repeat("s", 40)
	id, err := r.h.Create(Request{URL: to.URL, Secret: secret, Events: []string{"party.*", "session.created"}})
	if err != nil {
		t.Fatal(err)
	}
	r.restart() // the secret is on disk
	r.write(created("1"), progress("1", 1), completed("1"))
	r.settled(id, Delivered, 2)
	if got, err := r.h.Secret(id); got != secret || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, c := range to.all() {
		verify(t, secret, c)
		if e := c.event(); e != "party.progress" && e != "session.created" {
			t.Errorf("event %s", e)
		}
	}
}

// TestSecretsAreSealed looks for a secret in the log and the key file's mode.
func TestSecretsAreSealed(t *testing.T) {
	r := newRig(t, func(*Config) {})
	secret := "a-secret-that-nobody-else-should-see-in-the-log"
	id, err := r.h.Create(Request{URL: "https://example.com/", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	w := r.reg.Webhook(id)
	if strings.Contains(string(w.Secret), secret) || len(w.Secret) != 12+len(secret)+16 {
		t.Errorf("in the log: %q", w.Secret)
	}
	if info, err := os.Stat(r.cfg.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	other := &secrets{file: r.cfg.KeyFile + "2"}
	if _, err := other.derive("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.open(id, w.Secret); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := r.h.secrets.open("another webhook", w.Secret); !errors.Is(err, ErrKey) {
		t.Errorf("another webhook's: %v", err)
	}
	if err := os.Chmod(other.file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (&secrets{file: other.file}).derive("x"); !errors.Is(err, ErrKey) {
		t.Errorf("a key that others may read: %v", err)
	}
}

func TestLostKeyIsTold(t *testing.T) {
	to := newReceiver(t, false, nil)
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL)
	r.stop()
	if err := os.Remove(r.cfg.KeyFile); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.write(created("1"), completed("1"))
	until(t, "the delivery says what is wrong", func() bool {
		list := r.deliveries(id)
		return len(list) == 1 && strings.Contains(list[0].Error, "secret cannot be opened")
	})
	if len(to.all()) != 0 {
		t.Error("it was called without a right signature")
	}
}

func TestRetries(t *testing.T) {
	to := newReceiver(t, false, func(n int, _ received) int { return []int{500, 302, 404, 204}[min(n, 4)-1] })
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL)
	r.write(created("1"), completed("1"))
	d := r.settled(id, Delivered, 1)[0]
	calls := to.all()
	if d.Tries != 4 || d.HTTP != 204 || d.Error != "" || len(calls) != 4 {
		t.Errorf("%+v after %d calls", d, len(calls))
	}
	for _, c := range calls {
		if c.header.Get("Mpc-Delivery") != d.ID() || c.body != calls[0].body {
			t.Errorf("a try differs: %+v", c)
		}
	}
}

func TestGivesUp(t *testing.T) {
	var passed atomic.Int64
	to := newReceiver(t, false, func(n int, _ received) int {
		if n == 3 { // so much later that it is the last try
			passed.Store(int64(2 * time.Hour))
		}
		return 500
	})
	r := newRig(t, func(c *Config) {
		c.Life, c.Now = time.Hour, func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	})
	id := r.create(to.URL)
	r.write(created("1"), completed("1"))
	d := r.settled(id, Failed, 1)[0]
	if d.Tries != 3 || d.HTTP != 500 || d.Error != "status 500" || !d.NextTry.IsZero() {
		t.Errorf("%+v", d)
	}
	n := len(to.all())
	r.restart()
	r.write(created("2"), completed("2"))
	r.settled(id, Failed, 2)
	for _, c := range to.all()[n:] {
		if c.header.Get("Mpc-Delivery") == d.ID() {
			t.Error("a failed delivery was tried again")
		}
	}
}

// TestRestart leaves deliveries behind that nobody took, and makes more while
// nothing runs.
func TestRestart(t *testing.T) {
	up := make(chan struct{})
	to := newReceiver(t, false, func(int, received) int {
		select {
		case <-up:
			return 200
		default:
			return 503
		}
	})
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL, "session.*")
	r.write(created("1"), completed("1"))
	until(t, "it was tried", func() bool { return len(to.all()) > 1 })
	r.restart()
	close(up)
	r.write(created("2"), completed("2"))
	list := r.settled(id, Delivered, 4)
	if len(list) != 4 {
		t.Errorf("%d deliveries", len(list))
	}
	until(t, "all came", func() bool { return len(to.all()) >= 4 })
}

// TestEventsWrittenWhileNothingRan finds its place in the log again.
func TestEventsWrittenWhileNothingRan(t *testing.T) {
	to := newReceiver(t, false, nil)
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL)
	r.write(created("1"), completed("1"))
	r.settled(id, Delivered, 1)
	r.stop()
	r.open()
	r.write(created("2"), completed("2"))
	r.run()
	if list := r.settled(id, Delivered, 2); len(list) != 2 || len(to.all()) != 2 {
		t.Errorf("%d deliveries, %d calls", len(list), len(to.all()))
	}
}

// TestOrder has a receiver that refuses every other call.
func TestOrder(t *testing.T) {
	to := newReceiver(t, false, func(n int, _ received) int { return 200 + 300*(n%2) })
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL, "party.progress")
	const sessions, rounds = 6, 8
	for s := range sessions {
		r.write(created(fmt.Sprint(s)))
	}
	for round := range rounds {
		for s := range sessions {
			r.write(progress(fmt.Sprint(s), round))
		}
	}
	list := r.settled(id, Delivered, sessions*rounds)
	slices.SortFunc(list, func(a, b *Delivery) int { return a.LastTry.Compare(b.LastTry) })
	last := make(map[string]uint64)
	for _, d := range list {
		if d.Seq < last[d.Session] {
			t.Errorf("event %d of session %s came after event %d", d.Seq, d.Session, last[d.Session])
		}
		last[d.Session] = d.Seq
	}
	if got := to.peak(); got > maxCalls {
		t.Errorf("%d calls at a time", got)
	}
}

// TestDeadAndSlowReceiversHoldUpNobody has one receiver that never answers, one
// that refuses connections, and a good one.
func TestDeadAndSlowReceiversHoldUpNobody(t *testing.T) {
	hang := make(chan struct{})
	slow := newReceiver(t, false, func(int, received) int { <-hang; return 200 })
	gone, good := newReceiver(t, false, nil), newReceiver(t, false, nil)
	gone.Close() // when the good one has its port, which could be the same
	r := newRig(t, func(*Config) {})
	slowID, goneID, goodID := r.create(slow.URL), r.create(gone.URL), r.create(good.URL)
	const n = 50
	var events []registry.Event
	for i := range n {
		events = append(events, created(fmt.Sprint(i)), completed(fmt.Sprint(i)))
	}
	r.write(events...) // at once: after ten seconds calls of the slow one are given up, and made again
	r.settled(goodID, Delivered, n)
	if got := slow.peak(); got > maxCalls {
		t.Errorf("%d calls at a time", got)
	}
	for _, d := range append(r.deliveries(slowID), r.deliveries(goneID)...) {
		if d.Status != Pending {
			t.Errorf("%+v", d)
		}
	}
	close(hang)
	r.settled(slowID, Delivered, n)
}

// TestDeleteWhilePending deletes a webhook whose receiver is down.
func TestDeleteWhilePending(t *testing.T) {
	to := newReceiver(t, false, func(int, received) int { return 500 })
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL)
	r.write(created("1"), completed("1"))
	until(t, "it was tried", func() bool { return len(to.all()) > 0 })
	if err := r.h.Delete(id, registry.Meta{}); err != nil {
		t.Fatal(err)
	}
	until(t, "its deliveries are forgotten", func() bool {
		ids, err := r.h.store.webhooks()
		return err == nil && len(ids) == 0
	})
	n := len(to.all())
	witness := newReceiver(t, false, nil)
	other := r.create(witness.URL)
	r.write(created("2"), completed("2"))
	r.settled(other, Delivered, 1)
	if got := len(to.all()); got > n+1 { // one may have been on its way
		t.Errorf("%d calls after the end", got-n)
	}
	var p *registry.Problem
	if _, _, err := r.h.Deliveries(id, registry.Page{}); !errors.As(err, &p) || p.Code != registry.CodeWebhookNotFound {
		t.Errorf("%v", err)
	}
	if err := r.h.Delete(id, registry.Meta{}); !errors.As(err, &p) || p.Code != registry.CodeWebhookNotFound {
		t.Errorf("%v", err)
	}
}

func TestDeliveryPages(t *testing.T) {
	to := newReceiver(t, false, nil)
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL)
	for i := range 7 {
		r.write(created(fmt.Sprint(i)), completed(fmt.Sprint(i)))
	}
	all := r.settled(id, Delivered, 7)
	var got []uint64
	for before := uint64(0); ; {
		list, next, err := r.h.Deliveries(id, registry.Page{Limit: 3, Before: before})
		if err != nil || len(list) > 3 {
			t.Fatal(len(list), err)
		}
		for _, d := range list {
			got = append(got, d.Seq)
		}
		if before = next; next == 0 {
			break
		}
	}
	if len(got) != len(all) || !slices.IsSortedFunc(got, func(a, b uint64) int { return int(b) - int(a) }) {
		t.Errorf("%v", got)
	}
}

// TestOldDeliveriesAreDropped moves the clock by the life of the log.
func TestOldDeliveriesAreDropped(t *testing.T) {
	to := newReceiver(t, false, nil)
	r := newRig(t, func(*Config) {})
	id := r.create(to.URL)
	for i := range 3 {
		r.write(created(fmt.Sprint(i)), completed(fmt.Sprint(i)))
	}
	r.settled(id, Delivered, 3)
	r.cfg.Now = func() time.Time { return time.Now().Add(logLife + time.Hour) }
	r.restart()
	until(t, "nothing is left", func() bool { return len(r.deliveries(id)) == 0 })
}

func TestRequestsAreChecked(t *testing.T) {
	r := newRig(t, func(*Config) {})
	many := make([]string, maxEvents+1)
	for i := range many {
		many[i] = "session.*"
	}
	for _, req := range []Request{
		{URL: ""}, {URL: "example.com"}, {URL: "ftp://example.com"}, {URL: "https://"}, {URL: "https://u:p@example.com"}, {URL: "https://example.com/#x"}, {URL: "http://example.com"},
		{URL: "http://10.0.0.1"}, {URL: "https://10.0.0.1"}, {URL: "https://169.254.169.254/latest"}, {URL: "https://[fe80::1]"}, {URL: "https://0.0.0.0"}, {URL: "https://[::ffff:192.168.1.1]"}, {URL: "://"},
		{URL: "https://example.com", Events: []string{"webhook.created"}}, {URL: "https://example.com", Events: []string{"session"}}, {URL: "https://example.com", Events: []string{"*"}},
		{URL: "https://example.com", Events: []string{"session.completed", "nonsense.*"}}, {URL: "https://example.com", Events: many},
	} {
		var p *registry.Problem
		if _, err := r.h.Create(req); !errors.As(err, &p) || p.Code != registry.CodeInvalidWebhook {
			t.Errorf("%+v: %v", req, err)
		}
	}
	for range MaxWebhooks {
		r.create("https://example.com")
	}
	var p *registry.Problem
	if _, err := r.h.Create(Request{URL: "https://example.com"}); !errors.As(err, &p) || p.Code != registry.CodeTooManyWebhooks {
		t.Errorf("%v", err)
	}
	if n := len(r.reg.Webhooks()); n != MaxWebhooks {
		t.Errorf("%d webhooks", n)
	}
}

// TestSignatureVector was computed with Python's hmac.
func TestSignatureVector(t *testing.T) {
	const want = "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"
	if got := Signature("whsec_test", time.Unix(1_700_000_000, 0), []byte(`{"a":1}`)); got != want {
		t.Errorf("%s", got)
	}
}
