package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestScripts runs the command lines of testdata, each script with a coordinator
// of its own at $MPC_URL. Besides testscript's own commands they use:
//
//	exits CODE mpcctl ARGS…  wants this exit code and one line on stderr
//	get VARIABLE FIELD…      puts a field of the JSON on stdout into a variable
//	behave HOW               what the coordinator is from now on: well, lying, blaming, limited, broken, down, tls
//	certificate FILE         writes the certificate of an account in all forms, and broken ones
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			s := clienttest.New(scriptTB{t, env.Defer})
			env.Values[server{}] = s
			env.Setenv("MPC_URL", s.URL)
			env.Setenv("MPC_API_KEY", clienttest.Key)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "get": get, "behave": behave, "certificate": certificateFiles},
	})
}

// server keys a script's coordinator.
type server struct{}

// scriptTB ends what a script has used with the script.
type scriptTB struct {
	testing.TB
	end func(func())
}

func (tb scriptTB) Cleanup(f func()) { tb.end(f) }

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("want exit code %d, got %v", want, err)
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "mpcctl: ") && !strings.Contains(last, ": mpcctl: ") {
		ts.Fatalf("stderr does not end with a line of mpcctl: %q", lines)
	}
}

// get walks through objects and lists: get VAR accounts 0 id.
func get(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, name := range args[1:] {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			ts.Check(err)
			v = at[i]
		}
	}
	if v == nil {
		ts.Fatalf("there is no %q in the answer", args[1:])
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

func behave(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(server{}).(*clienttest.Server)
	s.Before(nil)
	s.Alter(nil)
	switch args[0] {
	case "well":
	case "lying":
		s.Alter(lie)
	case "blaming":
		s.Alter(func(v any) {
			if v, ok := v.(*rest.Session); ok {
				v.Blame = blames(ts)
			}
		})
	case "limited":
		s.Before(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "3600")
			clienttest.Refuse(w, http.StatusTooManyRequests, "rate_limited", "too many calls")
			return true
		})
	case "broken":
		s.Before(func(w http.ResponseWriter, _ *http.Request) bool {
			clienttest.Refuse(w, http.StatusInternalServerError, "internal_error", "the coordinator failed: its log tells why")
			return true
		})
	case "down":
		s.Close()
	case "tls":
		secure := clienttest.NewUnstarted(scriptTB{nil, ts.Defer})
		secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
		secure.StartTLS()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o600))
		ts.Setenv("MPC_URL", secure.URL)
	default:
		ts.Fatalf("the coordinator cannot be %q", args[0])
	}
}

// lie alters what a coordinator must not be believed.
func lie(v any) {
	switch v := v.(type) {
	case *rest.SignResult:
		v.Signature.Compact = strings.Repeat("00", 64)
	case *rest.Session:
		v.Signature = &rest.Signature{Compact: strings.Repeat("00", 64)}
	case *rest.ApprovalList:
		for i := range v.Approvals {
			v.Approvals[i].Message = "00"
		}
	}
}
