package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/cmd/mpcctl/internal/device"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// The scripts run this binary, so this holds for them, too.
func init() { scryptWork = 10 }

// TestDeviceScripts runs the command lines about a user's own device. Each has
// backup.age, the backup of a device with one share.
func TestDeviceScripts(t *testing.T) {
	backup, err := os.ReadFile(filepath.Join("internal", "device", "testdata", "backup-v1.age"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "device"),
		Setup: func(env *testscript.Env) error {
			s := clienttest.New(scriptTB{t, env.Defer})
			env.Values[server{}] = s
			env.Setenv("MPC_URL", s.URL)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("MPC_PASSPHRASE", "the device's own passphrase")
			return os.WriteFile(filepath.Join(env.WorkDir, "backup.age"), backup, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "get": get, "behave": behave},
	})
}

// talk is a terminal with something typed.
func talk(typed string) (*joinUser, *strings.Builder) {
	var out strings.Builder
	t := &terminal{in: strings.NewReader(typed), out: &out, lines: make(chan string)}
	return &joinUser{terminal: t, result: io.Discard}, &out
}

func testQuestion(kind string) device.Question {
	message := []byte("pay bob \x1b[2J")
	return device.Question{
		Kind: kind, SessionID: "s", AccountID: "a", Threshold: 2, Fingerprint: "MZXW 6YTB OI4T AAAA BBBB CCCC", Approvers: "1 of 1",
		Members: []device.Member{{PeerID: "peer-1", Role: "persistent", Name: "p1"}, {PeerID: "peer-2", Role: "external", Self: true}},
		Message: hex.EncodeToString(message), Hash: "none", Digest: hex.EncodeToString(message), Expires: time.Unix(0, 0),
	}
}

func TestAnswers(t *testing.T) {
	for typed, want := range map[string]error{
		"MZXW\n": nil, "mzxw \n": nil, "y\nMZXW\n": nil, "y\n": device.ErrDeclined, "ABCD\n": device.ErrDeclined, "n\n": device.ErrDeclined, "No\n": device.ErrDeclined, "\n": device.ErrDeclined, "": device.ErrDeclined, "perhaps\n": device.ErrDeclined,
	} {
		u, _ := talk(typed)
		if err := u.Ask(t.Context(), testQuestion("keygen")); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", typed, err, want)
		}
	}
	u, _ := talk("")
	u.yes = true
	if err := u.Ask(t.Context(), testQuestion("keygen")); err != nil {
		t.Errorf("--yes: %v", err)
	}
	u, _ = talk("y\n")
	u.expect = "mzxw"
	if err := u.Ask(t.Context(), testQuestion("keygen")); !errors.Is(err, device.ErrFingerprint) || exitCode(err) != exitUnverified {
		t.Errorf("--fingerprint: %v", err)
	}
}

// A question that is void ends, even if nobody types anything.
func TestAVoidQuestionEnds(t *testing.T) {
	in, typing := io.Pipe()
	u, _ := talk("")
	u.in = in
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.Ask(ctx, testQuestion("sign")); !errors.Is(err, context.Canceled) {
		t.Errorf("a void question: %v", err)
	}
	if err := typing.Close(); err != nil {
		t.Error(err)
	}
	for range u.lines { // until the reader has seen the end
	}
}

// What is shown has everything that is to be decided about, and nothing of it can
// change what the terminal shows.
func TestQuestionsAreShown(t *testing.T) {
	for _, kind := range []string{"keygen", "sign"} {
		u, out := talk("")
		q := testQuestion(kind)
		q.Members[0].Name = "p1\n\n  fingerprint  AAAA"
		u.Tell(device.Event{Type: device.EventQuestion, Question: &q})
		want := []string{"\n\n  fingerprint  " + q.Fingerprint + "\n\n", "peer-1", "p1", "peer-2    (this device)\n", "1970-01-01T00:00:00Z"}
		if kind == "sign" {
			want = append(want, q.Digest)
		}
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is not shown in %q", kind, text, out)
			}
		}
		if strings.Count(out.String(), "\n  fingerprint") != 1 {
			t.Errorf("%s: a name shows a fingerprint of its own: %q", kind, out)
		}
		if strings.ContainsRune(out.String(), '\x1b') {
			t.Errorf("%s: an escape sequence is shown", kind)
		}
	}
	if text := describeMessage(hex.EncodeToString([]byte("pay bob")), "none", "00"); !strings.Contains(text, `"pay bob"`) {
		t.Errorf("a text is shown as %q", text)
	}
}

func TestEventsInWords(t *testing.T) {
	u, out := talk("")
	u.self = "me"
	for _, e := range []rest.Event{
		{Type: "party.joined", Party: &rest.PartyName{PeerID: "x", Name: "bob"}},
		{Type: "party.progress", Party: &rest.PartyName{PeerID: "x", Name: "bob"}, Round: 1, Rounds: 3},
		{Type: "party.progress", Party: &rest.PartyName{PeerID: "me"}, Round: 2, Rounds: 3},
		{Type: "party.progress", Party: &rest.PartyName{PeerID: "me"}, Round: 2, Rounds: 3},
		{Type: "party.refused", Party: &rest.PartyName{PeerID: "x", Name: "bob"}, Code: "declined", Detail: "said no"},
	} {
		u.Tell(device.Event{Type: device.EventSession, Session: &e})
	}
	u.prompt("Take part? ")
	u.Tell(device.Event{Type: device.EventSession, Session: &rest.Event{Type: "session.ready"}})
	if got, want := out.String(), "bob joined\nRound 2 of 3\nbob does not take part: said no\nTake part? \nEverybody has come.\n"; got != want {
		t.Errorf("shown: %q, want %q", got, want)
	}
}
