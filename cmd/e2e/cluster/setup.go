package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// mpcd runs an operator's command and returns what it prints.
func (c *Cluster) mpcd(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Env = cleanEnvironment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("mpcd %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (c *Cluster) path(name string) string { return filepath.Join(c.cfg.Dir, name) }

func (c *Cluster) initNetwork(ctx context.Context) error {
	args := []string{"network", "init", "--dir", c.path("network"), "--name", Network}
	if c.cfg.Plain {
		args = append(args, "--plain-user-shares")
	}
	_, err := c.mpcd(ctx, args...)
	return err
}

// add admits a node and writes down how it is to run.
func (c *Cluster) add(ctx context.Context, name, role string) error {
	p := &Process{
		Name: name, Role: role, DataDir: c.path(name), LogFile: c.path(name + ".log"),
		Config: c.path(name + ".yaml"), binary: c.binary, exec: c.cfg.Exec,
	}
	_, err := c.mpcd(ctx, "network", "admit", "--network-dir", c.path("network"), "--role", role, "--name", name, "--data-dir", p.DataDir)
	if err != nil {
		return err
	}
	if p.PeerID, err = c.mpcd(ctx, "keys", "identity", "--data-dir", p.DataDir); err != nil {
		return err
	}
	p.settings = map[string]any{
		"data-dir": p.DataDir, "log-level": c.cfg.Log, "log-format": "json", "drain-timeout": c.cfg.Drain.String(),
	}
	if c.cfg.Profiles {
		p.settings["pprof-listen"] = "127.0.0.1:0"
	}
	c.Processes = append(c.Processes, p)
	return c.settle(p)
}

// httpListeners is how many ports a coordinator answers on: callers of the
// system that this one replaces know three (4000, 8081, 8083).
const httpListeners = 3

// settle adds the settings of the process's role.
func (c *Cluster) settle(p *Process) error {
	switch p.Role {
	case RoleBootstrap:
		p.settings["listen"] = []string{c.cfg.Transport.anyPort(c.cfg.Host)}
	case RoleCoordinator:
		p.settings["listen"] = slices.Repeat([]string{c.cfg.Host + ":0"}, httpListeners)
		p.settings["p2p-listen"] = []string{c.cfg.Transport.anyPort(c.cfg.Host)}
		p.settings["api-key-file"] = c.path("api.key")
		if len(c.cfg.Guests) > 0 {
			p.settings["allowed-ips"], p.settings["join-allowed-ips"] = []string{c.cfg.Host}, c.cfg.Guests
		}
		p.settings["jwt-secret-file"] = c.path("jwt.key")
		p.settings["webhook-loopback"] = true // whoever uses this cluster is on its machine
		_, err := c.secretFile("jwt.key")
		return err
	case RoleParty:
		p.settings["listen"] = []string{c.cfg.Transport.anyPort(c.cfg.Host)}
		p.settings["preparams"] = max(c.cfg.PreParams, 0)
		p.settings["master-key-file"] = c.path(p.Name + ".master")
		if c.cfg.Nice > 0 {
			p.exec = append(p.exec, "nice", "-n", strconv.Itoa(c.cfg.Nice))
		}
		_, err := c.secretFile(p.Name + ".master")
		return err
	}
	return nil
}

// Set changes a setting of the process for its next start.
func (p *Process) Set(name string, value any) { p.settings[name] = value }

func (p *Process) writeConfig() error {
	data, err := yaml.Marshal(p.settings)
	if err != nil {
		return fmt.Errorf("settings of %s: %w", p.Name, err)
	}
	return os.WriteFile(p.Config, data, 0o600)
}
