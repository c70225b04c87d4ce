package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/p2p"
)

// awaitLimit is how long a test waits for what comes at once, unless the machine has
// other things to do.
const awaitLimit = 2 * time.Minute

// refuseLimit is how many seconds a command has to refuse.
const refuseLimit = "60"

// TestScripts runs the command lines of testdata. Besides testscript's own
// commands they use:
//
//	refused mpcd ARGS…     wants exit code 2, one line on stderr, nothing on stdout
//	await FILE             waits for a file
//	occupy TCP UDP         listens on loopback and puts the ports' numbers into these variables
//	issue DATA ROLE AGE    puts a credential into a data folder that was issued AGE ago for an hour
//	hangup DATA            sends SIGHUP to the daemon of a data folder
//	crash DATA             kills the worker of a data folder's party, and waits for the next one
//	interrupt DATA         sends SIGTERM to that worker
//	serving DATA           waits until the run.json of a data folder is of a process that runs
//	unchanged DIR          wants a folder as it was when this was first asked
//	evidence KIND FORM FILE, conduct DATA KEY PEER FAILURES
//	                       write what a party keeps of CHEAT, see evidence_test.go
//	exits CODE command…    wants an exit code
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("KEY", strings.Repeat("0123456789abcdef", 4))
			env.Setenv("CHEAT", cheat.ID())
			env.Setenv("WITNESS", witness.ID())
			env.Values[snapshots{}] = map[string]string{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"refused": refused, "await": await, "occupy": occupy, "issue": issue, "hangup": hangup, "unchanged": unchanged,
			"crash": crash, "crashoccupied": crashoccupied, "interrupt": interrupt, "serving": serving,
			"evidence": makeEvidence, "conduct": makeConduct, "exits": exits,
		},
	})
}

func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: refused command args…")
	}
	// A daemon that starts after all would run for ever; timeout(1) then says 124.
	err := ts.Exec("timeout", append([]string{refuseLimit}, args...)...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		ts.Fatalf("want exit code %d, got %v", exitRefused, err)
	}
	if exit.ExitCode() != exitRefused {
		ts.Fatalf("want exit code %d, got %d", exitRefused, exit.ExitCode())
	}
	if stderr := ts.ReadFile("stderr"); strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "mpcd: ") {
		ts.Fatalf("want one line on stderr, got %q", stderr)
	}
	if stdout := ts.ReadFile("stdout"); stdout != "" {
		ts.Fatalf("want nothing on stdout, got %q", stdout)
	}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	awaitUntil(ts, args[0]+" appears", func() bool { return exists(ts.MkAbs(args[0])) })
}

func occupy(ts *testscript.TestScript, _ bool, args []string) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = tcp.Close() })
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = udp.Close() })
	for i, addr := range []net.Addr{tcp.Addr(), udp.LocalAddr()} {
		_, port, err := net.SplitHostPort(addr.String())
		ts.Check(err)
		ts.Setenv(args[i], port)
	}
}

func issue(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	age, err := time.ParseDuration(args[2])
	ts.Check(err)
	authority, err := readKey(filepath.Join(ts.MkAbs("net"), fileAuthority))
	ts.Check(err)
	identity, err := readKey(filepath.Join(dir, fileIdentity))
	ts.Check(err)
	issued := time.Now().Add(-age)
	token, err := p2p.IssueCredential(authority, "demo", p2p.Member{
		Peer: p2p.PeerOf(identity.Public().(ed25519.PublicKey)), Role: p2p.Role(args[1]), Name: "n",
		IssuedAt: issued, Expires: issued.Add(time.Hour),
	})
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, fileCredential), []byte(token), 0o600))
}

func hangup(ts *testscript.TestScript, _ bool, args []string) {
	var run runFile
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[0], fileRun))), &run))
	ts.Check(syscall.Kill(run.PID, syscall.SIGHUP))
}

// snapshots keys what unchanged has seen.
type snapshots struct{}

func unchanged(ts *testscript.TestScript, _ bool, args []string) {
	seen := ts.Value(snapshots{}).(map[string]string)
	now := snapshot(ts, ts.MkAbs(args[0]))
	if before, ok := seen[args[0]]; ok && before != now {
		ts.Fatalf("%s was changed", args[0])
	}
	seen[args[0]] = now
}

// snapshot returns every file of a folder with its content.
func snapshot(ts *testscript.TestScript, dir string) string {
	var all strings.Builder
	ts.Check(filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.WriteString(path + "\x00" + string(data) + "\x00")
		return err
	}))
	return all.String()
}
