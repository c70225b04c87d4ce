package main

import (
	"log/slog"
	"maps"
	"os"
	"strings"

	logging "github.com/ipfs/go-log/v2"
	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/p2p"
)

var log = logging.Logger("mpcd")

// subsystems are our own loggers, which --log-level is about. Libraries log
// errors only, unless NAME=LEVEL asks for more.
var subsystems = []string{"mpcd", "coordinator", "coordinator/access", "coordinator/api", "coordinator/webhooks", "keystore", "node", "p2p"}

// quiet are loggers of libraries whose errors are no news to an operator. libp2p's
// swarm reports each of its own listeners that it closes as an error.
var quiet = []string{"swarm2"}

// logConfig is what --log-level and --log-format say.
type logConfig struct {
	level  logging.LogLevel
	levels map[string]logging.LogLevel
	format logging.LogFormat
}

// parseLog reads a level specification such as "info,p2p=debug" and a format.
func parseLog(level, format string) (logConfig, error) {
	cfg := logConfig{level: logging.LevelInfo, levels: map[string]logging.LogLevel{}}
	for part := range strings.SplitSeq(level, ",") {
		name, value, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			value = name
		}
		lvl, err := logging.Parse(value)
		if err != nil {
			return cfg, refusef("log level %q: use debug, info, warn or error, or NAME=LEVEL for one subsystem", part)
		}
		if named {
			cfg.levels[name] = lvl
		} else {
			cfg.level = lvl
		}
	}
	switch format {
	case "text":
		cfg.format = logging.PlaintextOutput
	case "json":
		cfg.format = logging.JSONOutput
	default:
		return cfg, refusef("log format %q: use text or json", format)
	}
	return cfg, nil
}

// apply sets logging up for the whole process, libraries that use slog
// included.
func (l logConfig) apply() {
	levels := make(map[string]logging.LogLevel)
	for _, name := range subsystems {
		levels[name] = l.level
	}
	for _, name := range quiet {
		levels[name] = logging.LevelFatal
	}
	maps.Copy(levels, l.levels)
	logging.SetupLogging(logging.Config{
		Format: l.format, Level: logging.LevelError, SubsystemLevels: levels, Stderr: true,
	})
	slog.SetDefault(slog.New(logging.SlogHandler()))
	p2p.LogTo(logging.SlogHandler())
}

// layerLogVariable fills --log-level and --log-format from MPC_LOG, whose parts
// are levels and a format in any order.
func layerLogVariable(c *cli.Context) error {
	var levels []string
	for part := range strings.SplitSeq(os.Getenv(logVariable), ",") {
		switch part = strings.TrimSpace(part); {
		case part == "":
		case part == "text" || part == "json":
			if err := setUnlessSet(c, setLogFormat, part); err != nil {
				return err
			}
		default:
			levels = append(levels, part)
		}
	}
	if len(levels) == 0 {
		return nil
	}
	return setUnlessSet(c, setLogLevel, strings.Join(levels, ","))
}

func setUnlessSet(c *cli.Context, name, value string) error {
	if c.IsSet(name) {
		return nil
	}
	return refuse(c.Set(name, value))
}
