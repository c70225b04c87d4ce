package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// errUnproven is evidence that is genuine and proves nothing to others: exit code 3.
var errUnproven = errors.New("not proven")

// dataDirFlag is the data folder of a party whose files a command looks into, while
// the party runs or not.
func dataDirFlag() cli.Flag {
	return &cli.StringFlag{Name: setDataDir, EnvVars: []string{"MPC_DATA_DIR"}, Usage: "data `FOLDER` of the party"}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }

// needDataDir returns the data folder, which must exist.
func needDataDir(c *cli.Context) (string, error) {
	dir := c.String(setDataDir)
	if dir == "" {
		return "", refusef("no data folder: set --data-dir or MPC_DATA_DIR")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", refusef("data folder %s does not exist", dir)
	}
	return dir, nil
}

func evidenceCommand() *cli.Command {
	return &cli.Command{
		Name: "evidence", Usage: "what members signed when they broke the protocol",
		Subcommands: []*cli.Command{
			{
				Name: "verify", ArgsUsage: "FILE", Flags: []cli.Flag{jsonFlag()}, Action: verifyEvidence,
				Usage: "say who broke the protocol and how, by the file alone: exit code 0 if it is proven, 3 if it is one party's word",
				Description: "FILE is evidence as a party keeps it (CBOR), or in base64 as the coordinator's API gives it out, with or without quotes; \"-\" is stdin.\n" +
					"Exit code 0: proven to anybody. 3: the accused has signed what is shown, but that it is wrong is what the accuser says.\n" +
					"1: it shows nothing, because it is forged or incomplete. 2: it is no evidence.",
			},
			{Name: "list", Usage: "list the evidence that a party has kept", Flags: []cli.Flag{dataDirFlag(), jsonFlag()}, Action: listEvidence},
		},
	}
}

// shownFinding is a finding as these commands print it.
type shownFinding struct {
	File     string    `json:"file,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Proven   bool      `json:"proven"`
	Culprit  string    `json:"culprit"`
	Reason   string    `json:"reason"`
	SID      string    `json:"sid"`
	By       string    `json:"by"`
	Detail   string    `json:"detail"`
	Why      string    `json:"why,omitempty"`
	Exhibits int       `json:"exhibits"`
	Error    string    `json:"error,omitempty"` // what makes it show nothing
}

func showFinding(v *protocol.Evidence, f protocol.Finding) shownFinding {
	return shownFinding{
		Proven: f.Proven, Culprit: f.Culprit, Reason: safetext.Printable(string(f.Reason)), SID: v.SID.String(),
		By: safetext.Printable(v.By), Detail: safetext.Printable(protocol.CutDetail(v.Detail)), Why: safetext.Printable(f.Why), Exhibits: len(v.Exhibits),
	}
}

func verifyEvidence(c *cli.Context) error {
	switch c.NArg() {
	case 0:
		return refusef("FILE is missing: name the file with the evidence")
	case 1:
	default:
		return refusef("unexpected argument %q: there is one FILE, and flags come before it", c.Args().Get(1))
	}
	v, err := readEvidence(c.Args().First(), c.App.Reader)
	if err != nil {
		return refusef("%s: %w", c.Args().First(), err)
	}
	found, err := v.Verify(protocol.VerifyPeer)
	if err != nil {
		return fmt.Errorf("%s: %s", c.Args().First(), safetext.Printable(err.Error()))
	}
	shown := showFinding(v, found)
	if c.Bool("json") {
		err = printJSON(c, shown)
	} else {
		verdict := "proven"
		if !shown.Proven {
			verdict = "NOT PROVEN: it rests on the word of " + shown.By
		}
		printf(c, "verdict: %s\nculprit: %s\nreason:  %s\nsid:     %s\nby:      %s\ndetail:  %s\nwhy:     %s\n",
			verdict, shown.Culprit, shown.Reason, shown.SID, shown.By, shown.Detail, shown.Why)
	}
	if err == nil && !shown.Proven {
		err = fmt.Errorf("%w: %s has signed what is shown, and that it is wrong is the word of %s", errUnproven, shown.Culprit, shown.By)
	}
	return err
}

func listEvidence(c *cli.Context) error {
	dir, err := needDataDir(c)
	if err != nil {
		return err
	}
	files, err := node.EvidenceIn(dir).List()
	if err != nil {
		return refuse(err)
	}
	shown := make([]shownFinding, 0, len(files))
	for _, f := range files {
		var s shownFinding
		switch {
		case errors.Is(f.Err, fs.ErrNotExist): // it made room for another one meanwhile
			continue
		case f.Err != nil:
			s.Error = safetext.Printable(f.Err.Error())
		default:
			s = showFinding(f.Evidence, f.Finding)
		}
		s.File, s.Time = f.Name, f.Time.UTC().Truncate(time.Second)
		shown = append(shown, s)
	}
	if c.Bool("json") {
		return printJSON(c, shown)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tCULPRIT\tREASON\tPROVEN\tBY\tFILE")
	for _, s := range shown {
		if s.Error != "" {
			fmt.Fprintf(w, "%s\t-\t%s\tno\t-\t%s\n", moment(s.Time, ""), s.Error, s.File)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", moment(s.Time, ""), s.Culprit, s.Reason, yesNo(s.Proven), s.By, s.File)
	}
	return w.Flush()
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
