package main

import (
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"github.com/urfave/cli/v2/altsrc"
)

// Names of the settings: flags, and keys of the YAML file.
const (
	setDataDir          = "data-dir"
	setNetwork          = "network"
	setBootstrap        = "bootstrap"
	setListen           = "listen"
	setP2PListen        = "p2p-listen"
	setEnvironment      = "environment"
	setLogLevel         = "log-level"
	setLogFormat        = "log-format"
	setDrain            = "drain-timeout"
	setPreParams        = "preparams"
	setMaxPresignatures = "max-presignatures"
	setApproverKey      = "approver-key"
	setPprof            = "pprof-listen"
	flagConfig          = "config"
	flagPrintConfig     = "print-config"
)

// logVariable sets log level and format in one variable, such as "info,json".
const logVariable = "MPC_LOG"

// defaultP2PListen has every address of the host, on QUIC and TCP, IPv4 and
// IPv6.
var defaultP2PListen = []string{
	"/ip4/0.0.0.0/udp/4100/quic-v1", "/ip4/0.0.0.0/tcp/4100",
	"/ip6/::/udp/4100/quic-v1", "/ip6/::/tcp/4100",
}

// daemonFlags are the settings of every daemon, with the daemon's own between
// the common ones and those about --config itself.
func daemonFlags(own ...cli.Flag) []cli.Flag {
	flags := []cli.Flag{
		text(setDataDir, "MPC_DATA_DIR", "", "`FOLDER` of this node's identity, credential and data"),
		text(setNetwork, "MPC_NETWORK", "", "network `FILE`, or the name that DATA_DIR/network.yaml must have (default: DATA_DIR/network.yaml)"),
		list(setBootstrap, "MPC_BOOTSTRAP", nil, "`MULTIADDR` of a bootstrap node, ending in /p2p/<peer id>"),
	}
	flags = append(flags, own...)
	return append(flags,
		duration(setDrain, "MPC_DRAIN_TIMEOUT", 30*time.Second, "how long running sessions may take to finish after SIGTERM"),
		text(setPprof, "MPC_PPROF_LISTEN", "", "loopback `HOST:PORT` for go tool pprof, without authentication (default: none)"),
		text(setEnvironment, "ENVIRONMENT", string(production), "production refuses secret files that every user can read, development warns"),
		text(setLogLevel, "", "info", "`LEVEL` debug, info, warn or error, or NAME=LEVEL for one subsystem; several with commas; "+logVariable+" sets it as well"),
		text(setLogFormat, "", "text", "text or json; "+logVariable+" sets it as well"),
		&cli.StringFlag{Name: flagConfig, EnvVars: []string{"MPC_CONFIG"}, Usage: "YAML `FILE` with settings, named like the flags"},
		&cli.BoolFlag{Name: flagPrintConfig, Usage: "print the effective settings as YAML, secrets masked, and exit"},
	)
}

func text(name, env, value, usage string) cli.Flag {
	return altsrc.NewStringFlag(&cli.StringFlag{Name: name, EnvVars: variables(env), Value: value, Usage: usage})
}

func list(name, env string, value []string, usage string) cli.Flag {
	f := &cli.StringSliceFlag{Name: name, EnvVars: variables(env), Usage: usage + "; repeatable"}
	if len(value) > 0 {
		f.Value = cli.NewStringSlice(value...)
	}
	return altsrc.NewStringSliceFlag(f)
}

func number(name, env string, value int, usage string) cli.Flag {
	return altsrc.NewIntFlag(&cli.IntFlag{Name: name, EnvVars: variables(env), Value: value, Usage: usage})
}

func duration(name, env string, value time.Duration, usage string) cli.Flag {
	return altsrc.NewDurationFlag(&cli.DurationFlag{Name: name, EnvVars: variables(env), Value: value, Usage: usage})
}

func variables(env string) []string {
	if env == "" {
		return nil
	}
	return []string{env}
}

// environmentVariables lists every variable that the program reads.
func environmentVariables(app *cli.App) []string {
	vars := []string{logVariable}
	seen := map[string]bool{logVariable: true}
	add := func(names ...string) {
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				vars = append(vars, name)
			}
		}
	}
	for _, c := range app.Commands {
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); ok {
				add(d.GetEnvVars()...)
			}
		}
	}
	for _, s := range secrets {
		add(s.variable)
	}
	return vars
}

// ignoreEmptyVariables treats a variable that is set to nothing, as compose
// files like to do, as one that is not set.
func ignoreEmptyVariables(app *cli.App) {
	for _, name := range environmentVariables(app) {
		if os.Getenv(name) == "" {
			_ = os.Unsetenv(name) // fails only for names that cannot be set either
		}
	}
}
