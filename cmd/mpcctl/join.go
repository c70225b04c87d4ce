package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"

	logging "github.com/ipfs/go-log/v2"
	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/mpcctl/internal/device"
	"github.com/meshmpc/mpcd/coordinator/client"
)

const (
	flagYes         = "yes"
	flagFingerprint = "fingerprint"
	flagName        = "name"
	flagLogLevel    = "log-level"
)

// joinCommand is mpcctl join.
func joinCommand() *cli.Command {
	return &cli.Command{
		Name: "join", ArgsUsage: "CODE", Usage: "take part in a session with this device, by invite",
		Description: "Makes a key together with others, or signs with it. The share stays on this device, encrypted with a passphrase.\n" +
			"Before anything is computed it shows who takes part, with a fingerprint to compare with the other participants\n" +
			"over another way than the one on which the invite came, such as the telephone.\n" +
			"CODE is what you were sent; - reads it from stdin.",
		Flags: deviceFlags(
			&cli.BoolFlag{Name: flagYes, Usage: "take part without asking: nobody compares fingerprints then"},
			&cli.StringFlag{Name: flagFingerprint, Usage: "take part if the fingerprint is this `TEXT`, and in nothing else, without asking"},
			&cli.StringFlag{Name: flagName, Usage: "`NAME` of this device for the others"},
			&cli.StringFlag{Name: flagLogLevel, Usage: "log to stderr from this `LEVEL` on: debug, info, warn, error"},
		),
		Action: runJoin,
	}
}

func runJoin(c *cli.Context) (err error) {
	if c.Bool(flagYes) && c.IsSet(flagFingerprint) {
		return misusef("--%s and --%s contradict each other: give one of them", flagYes, flagFingerprint)
	}
	if err := setLogs(c.String(flagLogLevel)); err != nil {
		return err
	}
	user := newJoinUser(c)
	code, err := inviteCode(c, user.terminal)
	if err != nil {
		return err
	}
	cfg, err := folderConfig(c, user.terminal)
	if err != nil {
		return err
	}
	folder, err := device.Open(cfg)
	if err != nil {
		return deviceError(err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	_, err = folder.Join(c.Context, device.JoinConfig{
		Code: code, User: user, Name: c.String(flagName), Software: "mpcctl " + version,
		Connect: func(token string) (*client.Client, error) { return joinClient(c, token) },
		Info:    map[string]any{"software": "mpcctl " + version, "os": runtime.GOOS, "arch": runtime.GOARCH},
	})
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: this device has left the session; the same command joins it again")
	}
	return deviceError(err)
}

// inviteCode returns the code of an invite that there is: a passphrase is not to
// be chosen for nothing.
func inviteCode(c *cli.Context, talk *terminal) (string, error) {
	code := c.Args().First()
	if code == "-" { // keeps it out of the list of processes
		var err error
		read := talk.line
		if talk.interactive() { // the code is a secret, too
			read = func(ctx context.Context) (string, error) { return talk.secret(ctx, "Invite code: ") }
		}
		if code, err = read(c.Context); err != nil {
			return "", misusef("no invite code came on stdin: %w", err)
		}
	}
	code = strings.TrimSpace(code)
	api, err := joinClient(c, "")
	if err != nil {
		return "", err
	}
	defer api.Close()
	_, err = api.Invite(c.Context, code)
	return code, err
}

// joinClient is a client without an API key: the invite's code, and then the join
// token, are all that a device needs.
func joinClient(c *cli.Context, token string) (*client.Client, error) {
	f, err := configure(c)
	if err != nil {
		return nil, err
	}
	cfg := client.Config{URL: f.text(c, setURL), UserAgent: "mpcctl/" + version, JoinToken: token}
	if cfg.URL == "" {
		return nil, misusef("no coordinator: give its URL with --url, the variable MPC_URL, or url in %s", f.file)
	}
	if cfg.Timeout, err = f.timeout(c); err != nil {
		return nil, err
	}
	if cfg.TLS, err = f.tls(c); err != nil {
		return nil, err
	}
	return client.New(cfg)
}

// setLogs says what the parts of a party log; by default nothing, for what the
// user has to know is said in words.
func setLogs(level string) error {
	cfg := logging.Config{Format: logging.PlaintextOutput, Stderr: true, Level: logging.LevelFatal}
	if level != "" {
		var err error
		if cfg.Level, err = logging.LevelFromString(level); err != nil {
			return misusef("--%s %q: use debug, info, warn or error", flagLogLevel, level)
		}
	}
	if os.Getenv("GOLOG_LOG_LEVEL") == "" || level != "" {
		logging.SetupLogging(cfg)
	}
	return nil
}
