package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestLogs reads what all daemons have logged at level debug: every line is a
// JSON object with the usual fields, a session can be followed by its id at
// every party that took part, and no secret is there.
func TestLogs(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := newAccount(t, c, cluster.EdDSA)
	secrets := readSecrets(t, filepath.Join(clusters.dir, string(cluster.QUIC)))
	for _, p := range c.Processes {
		log, err := os.ReadFile(p.LogFile)
		if err != nil {
			t.Fatal(err)
		}
		log = log[:bytes.LastIndexByte(log, '\n')+1] // a line may just be written
		for file, secret := range secrets {
			if bytes.Contains(log, []byte(secret)) {
				t.Errorf("the log of %s has the secret of %s", p.Name, file)
			}
		}
		followed := checkLines(t, p, log, account.Session)
		if p.Role == cluster.RoleParty && !followed {
			t.Errorf("the log of %s says nothing of session %s", p.Name, account.Session)
		}
	}
}

// readSecrets returns the cluster's keys as they might appear in a log.
func readSecrets(t *testing.T, dir string) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	for _, pattern := range []string{"*.master", "*.key", "*/*.key"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no secrets like %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.TrimSpace(string(data))
			if lines := strings.Split(text, "\n"); len(lines) == 3 { // PEM: the middle line is the key
				text = lines[1]
			}
			secrets[file] = text
		}
	}
	return secrets
}

// checkLines checks the form of each line, and whether one is about a session.
func checkLines(t *testing.T, p *cluster.Process, log []byte, session string) (followed bool) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Level, TS, Logger, Msg, Session string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s logged a line that is not JSON: %q", p.Name, lines.Text())
		}
		if line.Level == "" || line.TS == "" || line.Logger == "" || line.Msg == "" {
			t.Fatalf("%s logged a line without level, ts, logger or msg: %q", p.Name, lines.Text())
		}
		followed = followed || line.Session == session
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return followed
}
