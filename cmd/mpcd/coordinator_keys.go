package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator"
)

func keyFile(dataDir string) string { return filepath.Join(dataDir, fileAPIKeys) }

// coordinatorKeysCommand makes and revokes API keys. The coordinator may run
// meanwhile: it follows the file.
func coordinatorKeysCommand() *cli.Command {
	dir := &cli.StringFlag{Name: setDataDir, Usage: "data `FOLDER` of the coordinator (default: MPC_DATA_DIR)"}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	return &cli.Command{
		Name: "keys", Usage: "API keys: who may call the HTTP API, and what for",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a key; its secret is shown once and kept nowhere",
				Flags: []cli.Flag{
					dir, asJSON,
					&cli.StringFlag{Name: "name", Usage: "`NAME` of who is to use the key"},
					&cli.StringSliceFlag{Name: "scope", Usage: "`SCOPE` of the key; repeatable: " + strings.Join(coordinator.KeyScopes(), ", ")},
					&cli.DurationFlag{Name: "ttl", Usage: "how long the key is valid, such as 720h (default: until it is revoked)"},
					&cli.StringFlag{Name: "out", Usage: "`FILE` for the secret, which is then not printed; it must not exist"},
				},
				Action: createKey,
			},
			{Name: "list", Usage: "list the keys, revoked ones included", Flags: []cli.Flag{dir, asJSON}, Action: listKeys},
			{
				Name: "revoke", Usage: "make a key useless for good, within a second",
				Flags:  []cli.Flag{dir, &cli.StringFlag{Name: "id", Usage: "`ID` of the key, as list prints it"}},
				Action: revokeKey,
			},
		},
	}
}

// openKeyFile finds the file by --data-dir, or by what the coordinator itself is
// told.
func openKeyFile(c *cli.Context) (coordinator.KeyFile, error) {
	dir := ""
	for _, level := range c.Lineage() {
		if dir == "" && level.Command != nil {
			dir = level.String(setDataDir)
		}
	}
	if dir == "" {
		return "", refusef("no data folder: set --data-dir or MPC_DATA_DIR")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", refusef("data folder %s does not exist", dir)
	}
	return coordinator.KeyFile(keyFile(dir)), nil
}

func createKey(c *cli.Context) error {
	file, err := openKeyFile(c)
	if err != nil {
		return err
	}
	ttl, out := c.Duration("ttl"), c.String("out")
	req := coordinator.NewKey{Name: c.String("name"), Scopes: c.StringSlice("scope")}
	switch {
	case ttl < 0 || c.IsSet("ttl") && ttl < time.Second:
		return refusef("--ttl %v: a key lives at least one second", ttl)
	case out != "" && exists(out):
		return refusef("%s exists already and is not overwritten", out)
	case ttl > 0:
		req.Expires = time.Now().Add(ttl)
	}
	key, secret, err := file.Create(req)
	if err != nil {
		return refuse(err)
	}
	if out != "" {
		if err := createFile(out, []byte(secret+"\n"), 0o600); err != nil {
			return fmt.Errorf("key %s was made, but its secret is lost: %w; revoke it", key.ID, err)
		}
		secret = ""
	}
	shown := show(key)
	shown.Secret = secret
	if c.Bool("json") {
		return printJSON(c, shown)
	}
	printf(c, "id:      %s\nname:    %s\nscopes:  %s\nexpires: %s\n", shown.ID, shown.Name, strings.Join(shown.Scopes, ", "), moment(shown.Expires, "never"))
	if secret != "" {
		printf(c, "secret:  %s\n", secret)
	}
	return nil
}

func listKeys(c *cli.Context) error {
	file, err := openKeyFile(c)
	if err != nil {
		return err
	}
	keys, err := file.List()
	if err != nil {
		return refuse(err)
	}
	shown := make([]shownKey, 0, len(keys))
	for _, k := range keys {
		shown = append(shown, show(k))
	}
	if c.Bool("json") {
		return printJSON(c, shown)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSTATE\tSCOPES\tCREATED\tEXPIRES")
	for _, k := range shown {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.State, strings.Join(k.Scopes, ","), moment(k.Created, ""), moment(k.Expires, "never"))
	}
	return w.Flush()
}

func revokeKey(c *cli.Context) error {
	file, err := openKeyFile(c)
	if err != nil {
		return err
	}
	if c.String("id") == "" {
		return refusef("--id is missing: name the key; mpcd coordinator keys list has them")
	}
	key, err := file.Revoke(c.String("id"))
	if err != nil {
		return refuse(err)
	}
	printf(c, "%s (%s) is revoked since %s\n", key.ID, key.Name, moment(key.Revoked, ""))
	return nil
}
