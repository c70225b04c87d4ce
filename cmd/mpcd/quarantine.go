package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
	"github.com/meshmpc/mpcd/node"
)

// quarantineCommand shows and clears what a party remembers of its peers' faults.
// The party may run meanwhile: it looks into the files for every proposal.
func quarantineCommand() *cli.Command {
	return &cli.Command{
		Name: "quarantine", Usage: "peers that broke the protocol with a key, as this party has seen it",
		Subcommands: []*cli.Command{
			{
				Name: "list", Flags: []cli.Flag{dataDirFlag(), jsonFlag()}, Action: listQuarantine,
				Usage: "list who has broken the protocol with which key, and how often: from " + strconv.Itoa(node.QuarantineAfter) + " times on it is in quarantine for that key",
			},
			{
				Name: "clear", Usage: "let a peer begin anew with a key, at once; its evidence stays", Action: clearQuarantine,
				Flags: []cli.Flag{
					dataDirFlag(),
					&cli.StringFlag{Name: "key", Usage: "`KEY`, as list prints it: the id of the session that made it"},
					&cli.StringFlag{Name: "peer", Usage: "`PEER` id, as list prints it"},
				},
			},
		},
	}
}

// shownConduct is a pair of key and peer as these commands print it.
type shownConduct struct {
	Key      string    `json:"key"`
	Peer     string    `json:"peer"`
	State    string    `json:"state"` // quarantine, counted, damaged (which is quarantine)
	Failures int       `json:"failures"`
	Proven   int       `json:"proven"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Since    time.Time `json:"quarantine_since,omitzero"`
	Reason   string    `json:"last_reason,omitempty"`
	Session  string    `json:"last_session,omitempty"`
	Evidence []string  `json:"evidence,omitempty"`
	Error    string    `json:"error,omitempty"`
}

func showConduct(c *node.Conduct) shownConduct {
	s := shownConduct{
		Key: safetext.Printable(c.Key), Peer: safetext.Printable(c.Peer), State: "counted", Failures: c.Failures, Proven: c.Proven, First: c.First, Last: c.Last, Since: c.Since,
		Reason: safetext.Printable(string(c.Reason)), Session: safetext.Printable(c.Session), Error: safetext.Printable(c.Damaged),
	}
	for _, name := range c.Evidence {
		s.Evidence = append(s.Evidence, safetext.Printable(name))
	}
	switch {
	case c.Damaged != "":
		s.State = "damaged"
	case c.InQuarantine():
		s.State = "quarantine"
	}
	return s
}

func listQuarantine(c *cli.Context) error {
	dir, err := needDataDir(c)
	if err != nil {
		return err
	}
	list, err := node.QuarantineIn(dir).List()
	if err != nil {
		return refuse(err)
	}
	shown := make([]shownConduct, 0, len(list))
	for i := range list {
		shown = append(shown, showConduct(&list[i]))
	}
	if c.Bool("json") {
		return printJSON(c, shown)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tPEER\tSTATE\tFAILURES\tPROVEN\tSINCE\tLAST\tREASON\tEVIDENCE")
	for _, s := range shown {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", s.Key, s.Peer, s.State, s.Failures, s.Proven, moment(s.Since, "-"), moment(s.Last, "-"),
			s.Reason+s.Error, strings.Join(s.Evidence, ","))
	}
	return w.Flush()
}

func clearQuarantine(c *cli.Context) error {
	dir, err := needDataDir(c)
	if err != nil {
		return err
	}
	key, peer := c.String("key"), c.String("peer")
	switch {
	case key == "":
		return refusef("--key is missing: name the key; mpcd quarantine list has them")
	case peer == "":
		return refusef("--peer is missing: name the peer; mpcd quarantine list has them")
	}
	cleared, err := node.QuarantineIn(dir).Clear(key, peer)
	switch {
	case errors.Is(err, node.ErrNoConduct):
		return refusef("nothing was cleared: %w; mpcd quarantine list has those that there are", err)
	case err != nil:
		return refuse(err)
	}
	was := showConduct(&cleared)
	printf(c, "cleared: peer %s, key %s; it was %s, with %d failures\n", was.Peer, was.Key, map[string]string{
		"counted": "not in quarantine", "quarantine": "in quarantine", "damaged": "in quarantine, by a damaged file",
	}[was.State], was.Failures)
	return nil
}
