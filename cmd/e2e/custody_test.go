package e2e

import (
	"context"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// session is what the tests of custody models want to know of a session.
type session struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	WaitingFor  string `json:"waiting_for"`
	AccountID   string `json:"account_id"`
	Fingerprint string `json:"roster_fingerprint"`
	Invites     []struct {
		ID     string `json:"id"`
		Code   string `json:"code"`
		Status string `json:"status"`
	} `json:"invites"`
	Parties   []cluster.PartyStatus `json:"parties"`
	Error     *cluster.Problem      `json:"error"`
	Signature *cluster.Signature    `json:"signature"`
}

// createSession makes a session and returns it with its invites' codes.
func createSession(t testing.TB, c *cluster.Cluster, body map[string]any) session {
	t.Helper()
	var s session
	if err := c.API.Call(waiting(t), http.MethodPost, "/api/v1/sessions", body, &s); err != nil {
		t.Fatalf("create a session: %v", err)
	}
	return s
}

func getSession(t testing.TB, c *cluster.Cluster, id string) session {
	t.Helper()
	var s session
	if err := c.API.Call(waiting(t), http.MethodGet, "/api/v1/sessions/"+id, nil, &s); err != nil {
		t.Fatalf("get session %s: %v", id, err)
	}
	return s
}

// ended waits for a session to end.
func ended(t testing.TB, c *cluster.Cluster, id string) session {
	t.Helper()
	var s session
	err := cluster.Poll(waiting(t), func() (bool, error) {
		s = getSession(t, c, id)
		return s.Status != "created" && s.Status != "running", nil
	})
	if err != nil {
		t.Fatalf("session %s does not end: %v", id, err)
	}
	return s
}

// rosterOf waits until a session shows its parties: they may hear of it before
// the coordinator's disk has them.
func rosterOf(t testing.TB, c *cluster.Cluster, id string) session {
	t.Helper()
	var s session
	err := cluster.Poll(waiting(t), func() (bool, error) {
		s = getSession(t, c, id)
		return s.Fingerprint != "", nil
	})
	if err != nil {
		t.Fatalf("session %s shows no fingerprint: %v", id, err)
	}
	return s
}

// hasEvent tells whether an event of a type, with a code if one is given, has
// happened in a session.
func hasEvent(t testing.TB, c *cluster.Cluster, id, kind, code string) bool {
	t.Helper()
	var list struct {
		Events []struct{ Type, Code string } `json:"events"`
	}
	if err := c.API.Call(waiting(t), http.MethodGet, "/api/v1/sessions/"+id+"/events", nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Events {
		if e.Type == kind && (code == "" || e.Code == code) {
			return true
		}
	}
	return false
}

// newDevice is a device with a data folder that does not exist yet.
func newDevice(t testing.TB, c *cluster.Cluster, name string) *cluster.Device {
	t.Helper()
	return c.Device(filepath.Join(t.TempDir(), name))
}

// join starts mpcctl join, and kills it when the test ends before it does.
func join(t testing.TB, d *cluster.Device, code string, args ...string) *cluster.Joining {
	t.Helper()
	j, err := d.Join(code, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = j.Wait(ctx) // it has ended, or is killed
	})
	return j
}

// question waits until a device asks its user.
func question(t testing.TB, j *cluster.Joining) cluster.JoinEvent {
	t.Helper()
	e, err := j.Event(waiting(t), "question")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// answer types the user's answer.
func answer(t testing.TB, text string, joins ...*cluster.Joining) {
	t.Helper()
	for _, j := range joins {
		if err := j.Answer(text); err != nil {
			t.Fatal(err)
		}
	}
}

// agree types what a user does who has compared a fingerprint: its first group.
func agree(t testing.TB, fingerprint string, joins ...*cluster.Joining) {
	t.Helper()
	group, _, _ := strings.Cut(fingerprint, " ")
	answer(t, group, joins...)
}

// completed waits until mpcctl join has ended well, and returns its result.
func completed(t testing.TB, j *cluster.Joining) cluster.JoinEvent {
	t.Helper()
	e, err := j.Event(waiting(t), "result")
	if err != nil {
		t.Fatal(err)
	}
	exits(t, j, 0)
	return e
}

// exits waits until mpcctl join has ended with a code, and returns what it said.
func exits(t testing.TB, j *cluster.Joining, code int) string {
	t.Helper()
	end, err := j.Wait(waiting(t))
	if err != nil || end.Code != code {
		t.Fatalf("mpcctl join ended with exit code %d (%v), want %d; it said: %s", end.Code, err, code, end.Stderr)
	}
	return end.Stderr
}

// mpcctl runs a command on a device and wants an exit code.
func mpcctl(t testing.TB, d *cluster.Device, code int, args ...string) cluster.Exited {
	t.Helper()
	end, err := d.Run(waiting(t), args...)
	if err != nil || end.Code != code {
		t.Fatalf("mpcctl %v ended with exit code %d (%v), want %d; it said: %s", args, end.Code, err, code, end.Stderr)
	}
	return end
}

// coManaged is a key of users' devices and parties of the network.
type coManaged struct {
	account cluster.Account
	devices []*cluster.Device
}

// newCoManaged makes a 2-of-3 key of one party of the network and two devices,
// whose users compare fingerprints.
func newCoManaged(t testing.TB, c *cluster.Cluster, scheme string) coManaged {
	t.Helper()
	return makeCoManaged(t, c, scheme, newDevice(t, c, "alice"), newDevice(t, c, "bob"))
}

func makeCoManaged(t testing.TB, c *cluster.Cluster, scheme string, alice, bob *cluster.Device) coManaged {
	t.Helper()
	key := coManaged{devices: []*cluster.Device{alice, bob}}
	s := createSession(t, c, map[string]any{
		"kind": "co_managed_keygen", "user_id": t.Name(), "scheme": scheme,
		"server_parties": 1, "external_parties": 2, "threshold": map[string]int{"t": 2},
	})
	if s.Status != "created" || s.WaitingFor != "external_parties" || len(s.Invites) != 2 {
		t.Fatalf("the session is %+v, want two invites to be waited for", s)
	}
	joins := []*cluster.Joining{join(t, key.devices[0], s.Invites[0].Code), join(t, key.devices[1], s.Invites[1].Code)}
	first, second := question(t, joins[0]), question(t, joins[1])
	print, members := first.Question.Fingerprint, first.Question.Members
	if len(members) != 3 || print == "" || print != second.Question.Fingerprint {
		t.Fatalf("fingerprints %q and %q of %d members", print, second.Question.Fingerprint, len(members))
	}
	if says := rosterOf(t, c, s.ID).Fingerprint; says != print {
		t.Fatalf("the fingerprint is %q, the coordinator's is %q", print, says)
	}
	agree(t, print, joins...)
	one, two := completed(t, joins[0]).Result, completed(t, joins[1]).Result
	account, err := c.API.Account(waiting(t), s.AccountID)
	if err != nil || account.Status != "active" {
		t.Fatalf("the account is %+v (%v)", account, err)
	}
	if one.PublicKey != account.PublicKey || two.PublicKey != account.PublicKey || one.AccountID != account.ID || one.Addresses != account.Addresses {
		t.Fatalf("the devices have %+v and %+v, the account is %+v", one, two, account)
	}
	key.account = account
	return key
}

// startSign makes a session that signs a fresh message with some devices.
func (k coManaged) startSign(t testing.TB, c *cluster.Cluster, devices int) (session, []byte) {
	t.Helper()
	message := randomMessage()
	return createSession(t, c, map[string]any{
		"kind": "sign", "account_id": k.account.ID, "message": hexOf(message), "external_parties": devices,
	}), message
}

// sign signs a fresh message with the devices given, and parties of the network
// if they are too few.
func (k coManaged) sign(t testing.TB, c *cluster.Cluster, devices ...*cluster.Device) {
	t.Helper()
	s, message := k.startSign(t, c, len(devices))
	var joins []*cluster.Joining
	for i, d := range devices {
		joins = append(joins, join(t, d, s.Invites[i].Code))
	}
	print := ""
	for _, j := range joins {
		q := question(t, j).Question
		print = q.Fingerprint
		if q.Digest != hexOf(message) || len(q.Members) != k.account.T {
			t.Fatalf("asked to sign %s with %d members, want %x with %d", q.Digest, len(q.Members), message, k.account.T)
		}
	}
	agree(t, print, joins...)
	for _, j := range joins {
		e := completed(t, j)
		err := verify(k.account, message, cluster.Signed{Message: hexOf(message), Signature: *e.Result.Signature})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := ended(t, c, s.ID); got.Status != "completed" {
		t.Fatalf("the session is %+v", got)
	}
}

// TestCoManaged makes a key with two users' devices, signs with them in both
// ways, and moves a share to another machine by backup.
func TestCoManaged(t *testing.T) {
	c := shared(t, cluster.QUIC)
	key := newCoManaged(t, c, cluster.EdDSA)
	alice, bob := key.devices[0], key.devices[1]
	t.Run("one device and one party sign", func(t *testing.T) { key.sign(t, c, alice) })
	t.Run("two devices sign while no party lives", func(t *testing.T) {
		for _, p := range c.Parties() {
			kill(t, c, p.Name)
		}
		key.sign(t, c, alice, bob)
		for _, p := range c.Parties() {
			start(t, c, p.Name)
		}
		if err := c.WaitLive(waiting(t), 3); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a backup signs on another machine", func(t *testing.T) {
		moved := key.move(t, c, alice)
		key.sign(t, c, moved)
	})
	t.Run("who declines ends the attempt", func(t *testing.T) { key.decline(t, c, bob) })
}

// move exports a device, deletes it, and imports the backup into another folder.
func (k coManaged) move(t testing.TB, c *cluster.Cluster, d *cluster.Device) *cluster.Device {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.age")
	d.BackupPassphrase = "the backup's own passphrase"
	mpcctl(t, d, 0, "share", "export", file)
	mpcctl(t, d, 2, "share", "export", file) // is not overwritten
	if err := os.RemoveAll(d.Dir); err != nil {
		t.Fatal(err)
	}
	moved := newDevice(t, c, "moved")
	moved.BackupPassphrase = "another passphrase"
	mpcctl(t, moved, 2, "share", "import", file)
	moved.BackupPassphrase = d.BackupPassphrase
	mpcctl(t, moved, 0, "share", "import", file)
	mpcctl(t, moved, 0, "share", "list")
	return moved
}

// declinedWithin is how soon a session has failed whose device has declined: the device stays no
// longer than this to be heard.
const declinedWithin = 10 * time.Second

// decline says no to a signing.
func (k coManaged) decline(t *testing.T, c *cluster.Cluster, d *cluster.Device) {
	t.Helper()
	s, _ := k.startSign(t, c, 1)
	j := join(t, d, s.Invites[0].Code)
	question(t, j)
	answer(t, "n", j)
	began := time.Now()
	exits(t, j, 1)
	got := ended(t, c, s.ID)
	if got.Status != "failed" || got.Error == nil || !hasEvent(t, c, s.ID, "party.refused", "declined") {
		t.Fatalf("the session is %+v with error %v, and no event says that the device declined", got, got.Error)
	}
	wantWithin(t, "the session had failed", began, declinedWithin)
}

func hexOf(data []byte) string { return hex.EncodeToString(data) }

// TestCoManagedECDSA is the same for a key of the other scheme, for which the
// devices have to find safe primes.
func TestCoManagedECDSA(t *testing.T) {
	c := shared(t, cluster.QUIC)
	key := newCoManaged(t, c, cluster.ECDSA)
	key.sign(t, c, key.devices...)
	key.sign(t, c, key.devices[0])
}
