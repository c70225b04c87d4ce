package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// backPromised is how soon a party whose worker has crashed is of use again, however
// often that happens. TestPauses of cmd/mpcd shows the supervisor's part in it, and
// BenchmarkWorkerBack measures the whole; these tests, which run on machines that do
// other things too, only find out whether something waits for a time limit.
const (
	backPromised = time.Second
	backAtMost   = 15 * time.Second
)

// faultVariable names the file with the payload whose signing panics in builds with
// the tag faults.
const faultVariable = "MPCD_FAULT_FILE"

// crashable returns a cluster of its own whose p1 panics when it is told to.
func crashable(t *testing.T) *cluster.Cluster {
	t.Helper()
	dir := t.TempDir()
	binary, err := cluster.Build(waiting(t), filepath.Join(dir, "mpcd"), "faults")
	if err != nil {
		t.Fatal(err)
	}
	ctx := waiting(t)
	c, err := cluster.Prepare(ctx, cluster.Config{Dir: filepath.Join(dir, "cluster"), Binary: binary, PreParams: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	p1 := c.Process("p1")
	p1.Env = []string{faultVariable + "=" + faultFile(p1), saveFaultVariable + "=" + saveFaultFile(p1)}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func faultFile(p *cluster.Process) string { return p.DataDir + ".fault" }

// TestAPanicEndsTheWorkerOnly makes a goroutine inside a signature panic while
// other signatures run at the same party: its worker is back soon, those in which
// another party can take its place are completed, the other one is not left without
// an answer, and the party signs with the same shares.
func TestAPanicEndsTheWorkerOnly(t *testing.T) {
	c := crashable(t)
	p1 := c.Process("p1")
	ecdsa, eddsa := newAccount(t, c, cluster.ECDSA), newAccount(t, c, cluster.EdDSA)
	fixSigners(t, c, eddsa, "p1", "p2")
	before := runFile(t, p1)

	payload := randomMessage()
	if err := os.WriteFile(faultFile(p1), []byte(hex.EncodeToString(payload)), 0o600); err != nil {
		t.Fatal(err)
	}
	var replaceable []string
	fixSigners(t, c, ecdsa, "p1", "p2", "p3") // whom p1 fails may be replaced
	for range 4 {
		replaceable = append(replaceable, begin(t, c, ecdsa, randomMessage()))
	}
	fixSigners(t, c, ecdsa, "p1", "p2")
	panicking := begin(t, c, ecdsa, payload)

	awaitFault(t, p1)
	since := time.Now()
	signWhenBack(t, c, eddsa)
	wantBackSoon(t, since)
	wantBack(t, p1, before, 1)

	for _, id := range replaceable {
		wantSignature(t, c, id)
	}
	wantAnswer(t, c, panicking)
	wantEvent(t, c, panicking, "party_crashed", "party.lost") // the latter if two pings went by until it was back
	wantSigners(t, signWhenAble(t, c, ecdsa), "p1", "p2")     // one of the two may be too slow for its ping
	wantSigners(t, signWhenAble(t, c, eddsa), "p1", "p2")
	wantStack(t, p1)
}

// TestResultsOutliveACrash kills a worker that holds the only copy of a result: the
// coordinator, which was away, and the other signer, which stays away, do not have
// it.
func TestResultsOutliveACrash(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := slowAccount(t, c)
	p1 := c.Process("p1")
	fixSigners(t, c, account, "p1", "p2")
	before := runFile(t, p1)
	running, _ := inRounds(t, c, account, beginning(t, c, account))
	id := running.ID
	kill(t, c, "coordinator")
	awaitLine(t, p1, func(l logLine) bool { return l.Msg == "session completed" && l.Session == id })
	kill(t, c, "p2")
	killWorker(t, p1, before)
	start(t, c, "coordinator")
	session, err := c.API.Wait(waiting(t), id, func(cluster.Session) {})
	if err != nil || session.Status != "completed" || session.Signature == nil {
		t.Fatalf("the result was on the disk of p1; the session is %+v (%v)", session, err)
	}
	wantBack(t, p1, before, before.Restarts+1)
}

// TestCrashesAgainAndAgain kills each worker of a party as soon as it has signed, as
// whoever knows how to crash one would: the party is away for no longer the tenth time.
func TestCrashesAgainAndAgain(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := newAccount(t, c, cluster.EdDSA)
	p1 := c.Process("p1")
	fixSigners(t, c, account, "p1", "p2")
	for range 10 {
		since, before := time.Now(), runFile(t, p1)
		killWorker(t, p1, before)
		signWhenBack(t, c, account)
		wantBackSoon(t, since)
		wantBack(t, p1, before, before.Restarts+1)
	}
}

// wantBackSoon logs how long it took until a party signed again after a crash.
func wantBackSoon(t *testing.T, since time.Time) {
	t.Helper()
	took := time.Since(since)
	t.Logf("a party whose worker had crashed signed after %v (promised: %v)", took.Round(time.Millisecond), backPromised)
	if took > backAtMost {
		t.Errorf("a party whose worker had crashed signed after %v, want at most %v", took, backAtMost)
	}
}

// killWorker kills the worker of a party, as the kernel does when memory is short,
// and waits for the next one.
func killWorker(t *testing.T, p *cluster.Process, was cluster.RunInfo) {
	t.Helper()
	if err := syscall.Kill(was.WorkerPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitWorker(t, p, was)
}

// awaitWorker waits for the next worker of a party.
func awaitWorker(t *testing.T, p *cluster.Process, was cluster.RunInfo) {
	t.Helper()
	err := cluster.Poll(waiting(t), func() (bool, error) {
		run, err := p.RunFile()
		return run.WorkerPID != was.WorkerPID, err
	})
	if err != nil {
		t.Fatalf("wait for another worker of %s: %v", p.Name, err)
	}
}

func fixSigners(t testing.TB, c *cluster.Cluster, account cluster.Account, names ...string) {
	t.Helper()
	body := map[string][]string{"parties": names}
	if err := c.API.Call(waiting(t), "PUT", "/api/v1/accounts/"+account.ID+"/signing-parties", body, nil); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, c *cluster.Cluster, account cluster.Account, message []byte) string {
	t.Helper()
	id, err := c.API.BeginSign(waiting(t), account.ID, cluster.SignRequest{Message: hex.EncodeToString(message)})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// beginning begins signatures for inRounds, and does not wait for them.
func beginning(t testing.TB, c *cluster.Cluster, account cluster.Account) func(context.Context, string) {
	return func(ctx context.Context, message string) {
		if _, err := c.API.BeginSign(ctx, account.ID, cluster.SignRequest{Message: message}); err != nil {
			t.Fatal(err)
		}
	}
}

func runFile(t testing.TB, p *cluster.Process) cluster.RunInfo {
	t.Helper()
	run, err := p.RunFile()
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// awaitFault waits for the panic: it takes away the file that asks for it.
func awaitFault(t *testing.T, p *cluster.Process) {
	t.Helper()
	err := cluster.Poll(waiting(t), func() (bool, error) {
		_, err := os.Stat(faultFile(p))
		return errors.Is(err, fs.ErrNotExist), nil
	})
	if err != nil {
		t.Fatalf("wait for the panic: %v", err)
	}
}

// signWhenBack signs until it works.
func signWhenBack(t testing.TB, c *cluster.Cluster, account cluster.Account) {
	t.Helper()
	ctx := waiting(t)
	err := cluster.Poll(ctx, func() (bool, error) {
		_, err := sign(ctx, c, account)
		if problem := (*cluster.Problem)(nil); errors.As(err, &problem) {
			t.Logf("not yet: %v", problem)
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
}

// wantBack wants another worker of the same party at the same addresses. Others may have come to a
// result before it is ready.
func wantBack(t *testing.T, p *cluster.Process, before cluster.RunInfo, restarts int) {
	t.Helper()
	awaitWorker(t, p, before)
	after := runFile(t, p)
	occupied := func(address string) bool { return !slices.Contains(after.Addresses, address) && taken(address) }
	switch {
	case !p.Running() || after.PID != before.PID:
		t.Errorf("%s was process %d and is %d", p.Name, before.PID, after.PID)
	case slices.ContainsFunc(before.Addresses, occupied):
		t.Logf("somebody has taken a port of %s before its next worker could listen", p.Name) // another one listens elsewhere
	case after.WorkerPID == before.WorkerPID || after.Restarts != restarts:
		t.Errorf("the worker of %s was %d and is %d after %d restarts, want %d", p.Name, before.WorkerPID, after.WorkerPID, after.Restarts, restarts)
	case !slices.Equal(after.Addresses, before.Addresses):
		t.Errorf("%s listened on %v and listens on %v", p.Name, before.Addresses, after.Addresses)
	}
}

// taken tells whether nobody can listen at a multiaddr because another one does.
func taken(address string) bool {
	var l io.Closer
	var err error
	switch part := strings.Split(address, "/"); part[3] { // /ip4/127.0.0.1/udp/1/quic-v1
	case "udp":
		l, err = net.ListenPacket("udp", net.JoinHostPort(part[2], part[4]))
	default:
		l, err = net.Listen("tcp", net.JoinHostPort(part[2], part[4]))
	}
	if err == nil {
		l.Close() //nolint:errcheck // nobody has used it
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// wantSignature wants a session to end with a signature.
func wantSignature(t *testing.T, c *cluster.Cluster, id string) {
	t.Helper()
	session := waitEnd(t, c, id)
	if session.Status != "completed" || session.Signature == nil {
		t.Errorf("session %+v ended without a signature: %v", session, session.Error)
	}
	t.Logf("session %s in attempt %d", session.Status, session.Attempt)
}

// wantAnswer wants a session to end with a signature or with a reason.
func wantAnswer(t *testing.T, c *cluster.Cluster, id string) {
	t.Helper()
	session := waitEnd(t, c, id)
	switch {
	case session.Status == "completed" && session.Signature != nil:
		t.Logf("session completed in attempt %d", session.Attempt)
	case session.Error != nil && session.Error.Code != "" && session.Error.Detail != "":
		t.Logf("session %s in attempt %d: %v", session.Status, session.Attempt, session.Error)
	default:
		t.Errorf("session %+v ended without a reason", session)
	}
}

func waitEnd(t *testing.T, c *cluster.Cluster, id string) cluster.Session {
	t.Helper()
	session, err := c.API.Wait(waiting(t), id, func(cluster.Session) {})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// wantEvent wants one of several words in the events of a session.
func wantEvent(t *testing.T, c *cluster.Cluster, id string, words ...string) {
	t.Helper()
	resp, err := c.API.Do(waiting(t), "GET", "/api/v1/sessions/"+id+"/events", "")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(words, func(word string) bool { return bytes.Contains(resp.Body, []byte(word)) }) {
		t.Errorf("the events of session %s do not say %q: %s", id, words, resp.Body)
	}
}

// wantStack wants the stack of the panic and the supervisor's account of it.
func wantStack(t *testing.T, p *cluster.Process) {
	t.Helper()
	log, err := os.ReadFile(p.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"panic: injected", "goroutine ", "the worker crashed and is started again", "exit status 2"} {
		if !bytes.Contains(log, []byte(want)) {
			t.Errorf("the log of %s lacks %q", p.Name, want)
		}
	}
}

// logLine is what is read of a line of a log.
type logLine struct{ Msg, Session string }

// awaitLine waits for a line in a process's log.
func awaitLine(t *testing.T, p *cluster.Process, is func(logLine) bool) {
	t.Helper()
	err := cluster.Poll(waiting(t), func() (bool, error) {
		log, err := os.ReadFile(p.LogFile)
		if err != nil {
			return false, err
		}
		lines := bufio.NewScanner(strings.NewReader(string(log)))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line logLine
			if json.Unmarshal(lines.Bytes(), &line) == nil && is(line) {
				return true, nil
			}
		}
		return false, lines.Err()
	})
	if err != nil {
		t.Fatalf("wait for a line in the log of %s: %v", p.Name, err)
	}
}
