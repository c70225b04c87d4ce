package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// terminal runs mpcctl as a user of the API does.
type terminal struct {
	t       *testing.T
	device  *cluster.Device
	dir     string
	keyFile string
}

func newTerminal(t *testing.T, c *cluster.Cluster) *terminal {
	t.Helper()
	dir := t.TempDir()
	u := &terminal{t: t, device: c.Device(filepath.Join(dir, "device")), dir: dir}
	u.keyFile = u.file("api.key", c.API.Key)
	return u
}

// file writes a file for its owner alone.
func (u *terminal) file(name, content string) string {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// run wants an exit code and returns what was printed.
func (u *terminal) run(code int, args ...string) cluster.Exited {
	u.t.Helper()
	all := append([]string{"--api-key-file", u.keyFile, "--known-keys", filepath.Join(u.dir, "known.json")}, args...)
	ended, err := u.device.Run(waiting(u.t), all...)
	if err != nil {
		u.t.Fatal(err)
	}
	if ended.Code != code {
		u.t.Fatalf("mpcctl %s: exit code %d, want %d: %s%s", strings.Join(args, " "), ended.Code, code, ended.Stdout, ended.Stderr)
	}
	return ended
}

// decode runs mpcctl with --json.
func decode[T any](u *terminal, args ...string) T {
	u.t.Helper()
	var v T
	out := u.run(0, append(args, "--json")...).Stdout
	if err := json.Unmarshal(out, &v); err != nil {
		u.t.Fatalf("mpcctl %s printed %s: %v", strings.Join(args, " "), out, err)
	}
	return v
}

// TestMpcctl makes an account, signs a file, judges and verifies the signature,
// and looks at what happened.
func TestMpcctl(t *testing.T) {
	u := newTerminal(t, shared(t, cluster.QUIC))
	account := decode[rest.Account](u, "account", "create", "alice", "--scheme", cluster.EdDSA)
	const message = "pay 1 to bob\n"
	file := u.file("message.txt", message)
	result := decode[rest.SignResult](u, "sign", account.ID, "--file", file)
	if err := judge.EdDSA(account.PublicKey, []byte(message), result.Signature.Compact); err != nil {
		t.Error(err)
	}

	shown := u.run(0, "account", "show", account.ID, "--json").Stdout
	accountFile, resultFile := u.file("account.json", string(shown)), u.file("result.json", string(mustJSON(t, result)))
	u.run(0, "verify", "--account", accountFile, "--result", resultFile, "--file", file, "--network", cluster.Network)
	u.run(5, "verify", "--account", accountFile, "--result", resultFile, "--text", "pay 2 to bob")

	session := decode[rest.Session](u, "sign", account.ID, "--text", "hello", "--async")
	watched := string(u.run(0, "session", "watch", session.ID).Stdout)
	for _, says := range []string{"session.created", "attempt.started", "session.completed", "status", "signature"} {
		if !strings.Contains(watched, says) {
			t.Errorf("session watch lacks %q:\n%s", says, watched)
		}
	}
	completed := false
	for line := range strings.Lines(string(u.run(0, "session", "watch", session.ID, "--json").Stdout)) {
		var e rest.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("session watch --json printed %q: %v", line, err)
		}
		completed = completed || e.Type == "session.completed" // a slower party's result may come after it
	}
	if !completed {
		t.Error("session watch --json lacks session.completed")
	}

	if parties := decode[rest.PartyList](u, "parties"); len(parties.Parties) != 3 {
		t.Errorf("parties %+v", parties)
	}
	if list := decode[rest.AccountList](u, "account", "list", "--user", "alice"); len(list.Accounts) == 0 || list.Accounts[0].ID != account.ID {
		t.Errorf("accounts %+v", list)
	}
	fixed := decode[rest.SigningPartyList](u, "account", "signing-parties", "set", account.ID, account.Parties[0].Name, account.Parties[2].Name)
	if !fixed.Fixed || len(fixed.Parties) != 2 {
		t.Errorf("signing parties %+v", fixed)
	}
	if audit := decode[rest.AuditList](u, "audit", "--account", account.ID); len(audit.Entries) < 3 {
		t.Errorf("audit %+v", audit)
	}
}

// TestMpcctlApprove has two approvers approve a signature from their terminals.
func TestMpcctlApprove(t *testing.T) {
	u := newTerminal(t, shared(t, cluster.QUIC))
	one, two := filepath.Join(u.dir, "one.pem"), filepath.Join(u.dir, "two.pem")
	u.run(0, "keygen-approver", "--out", one)
	u.run(0, "keygen-approver", "--out", two, "--type", "p256")
	account := decode[rest.Account](u, "account", "create", "carol", "--scheme", cluster.EdDSA, "--approver", one+".pub", "--approver", two+".pub")

	const message = "pay 3 to dave"
	session := decode[rest.Session](u, "sign", account.ID, "--text", message)
	if session.WaitingFor != "approvals" {
		t.Fatalf("session %+v does not wait for approvals", session)
	}
	if list := decode[rest.ApprovalList](u, "approvals", "list"); len(list.Approvals) != 1 || list.Approvals[0].SessionID != session.ID {
		t.Errorf("approvals %+v", list)
	}
	asked := u.run(2, "approve", session.ID, "--key", one) // nobody is there to say yes
	if !strings.Contains(asked.Stderr, message) {
		t.Errorf("the approver was not shown the message: %s", asked.Stderr)
	}
	u.run(0, "approve", session.ID, "--key", one, "--yes")
	u.run(0, "approve", session.ID, "--key", two, "--yes")
	u.run(0, "session", "watch", session.ID)
	session = decode[rest.Session](u, "session", "show", session.ID)
	if session.Status != "completed" {
		t.Fatalf("the approved session is %s: %+v", session.Status, session.Error)
	}
	if err := judge.EdDSA(account.PublicKey, []byte(message), session.Signature.Compact); err != nil {
		t.Error(err)
	}
}

// TestMpcctlShare stores a user's share, signs with it, and has the delegate
// erase its own copy: made with the account, and for a session that waits.
func TestMpcctlShare(t *testing.T) {
	u := newTerminal(t, shared(t, cluster.QUIC))
	share := filepath.Join(u.dir, "share.txt")
	account := decode[rest.Account](u, "account", "create", "frank", "--scheme", cluster.EdDSA, "--user-share", "--share-out", share)
	result := decode[rest.SignResult](u, "sign", account.ID, "--text", "hello", "--user-share-file", share)
	if err := judge.EdDSA(account.PublicKey, []byte("hello"), result.Signature.Compact); err != nil {
		t.Error(err)
	}
	if ack := decode[rest.ShareAck](u, "share", "ack", account.KeygenSessionID); !ack.Erased {
		t.Errorf("acknowledged: %+v", ack)
	}
	u.run(4, "share", "generate", account.KeygenSessionID, "--share-out", share+".again")

	session := decode[rest.Session](u, "session", "create", "grace", "--scheme", cluster.EdDSA, "--open-user-slot")
	if session.WaitingFor != "user" {
		t.Errorf("session %+v does not wait for its user", session)
	}
	late := filepath.Join(u.dir, "late.txt")
	u.run(0, "share", "generate", session.ID, "--share-out", late, "--ack")
	u.run(0, "sign", session.AccountID, "--text", "hello", "--user-share-file", late)
}

// TestMpcctlRefused: exit codes of a real coordinator's refusals.
func TestMpcctlRefused(t *testing.T) {
	c := shared(t, cluster.QUIC)
	u := newTerminal(t, c)
	u.run(4, "account", "show", "nobody")
	u.run(4, "session", "watch", "nobody")
	u.run(4, "account", "create", "erin", "--threshold", "9-of-9")
	u.run(5, "account", "show", newAccount(t, c, cluster.EdDSA).ID, "--network", "mainnet")
	u.keyFile = u.file("wrong.key", strings.Repeat("0", 32))
	if ended := u.run(4, "parties"); !strings.Contains(ended.Stderr, "MPC_API_KEY") {
		t.Errorf("a wrong key is explained as %q", ended.Stderr)
	}
	u.run(3, "parties", "--url", strings.Replace(c.API.URL, "http", "https", 1))
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
