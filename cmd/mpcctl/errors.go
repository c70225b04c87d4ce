package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
	"github.com/meshmpc/mpcd/cmd/mpcctl/internal/device"
	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Exit codes, see the package comment.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
	exitUnverified  = 5
)

// errUsage marks what cannot be done as it was asked for.
var errUsage = errors.New("wrong usage")

// misuse is an error that says only what the user has to know, and is errUsage.
type misuse struct{ error }

func (m misuse) Unwrap() []error { return []error{m.error, errUsage} }

// misusef makes a misuse; the format is that of fmt.Errorf.
func misusef(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

func exitCode(err error) int {
	var problem *rest.Problem
	switch {
	case errors.Is(err, client.ErrVerification):
		return exitUnverified
	case errors.Is(err, errUsage), errors.Is(err, client.ErrConfig):
		return exitUsage
	case errors.Is(err, client.ErrTimeout), errors.Is(err, client.ErrUnreachable), errors.Is(err, client.ErrNotAPI):
		return exitUnreachable
	case errors.As(err, &problem) && problem.Status < 500:
		return exitRefused
	}
	return exitFailed
}

// explain says an error in words that tell what to do.
func explain(err error) string {
	var problem *rest.Problem
	switch {
	case errors.Is(err, device.ErrFingerprint), errors.Is(err, device.ErrMismatch):
		return "this device took no part: " + err.Error()
	case errors.Is(err, client.ErrVerification):
		return "DO NOT USE the answer: " + err.Error()
	case errors.Is(err, client.ErrTimeout):
		return err.Error() + ". What was begun goes on: see mpcctl session list; --timeout waits longer"
	case errors.Is(err, client.ErrCertificate):
		return err.Error() + ". If the certificate is of an authority of your own, give that authority's certificate with --ca-file"
	case errors.Is(err, client.ErrPlainHTTP):
		return err.Error()
	case errors.Is(err, client.ErrUnreachable):
		return err.Error() + ". Is it running, and is --url right?"
	case errors.Is(err, context.Canceled):
		return "interrupted; what was begun goes on: see mpcctl session list"
	case errors.As(err, &problem):
		return explainProblem(problem)
	}
	return err.Error()
}

// hints are what can be done about problems that the API cannot know more of.
var hints = map[string]string{
	"unauthorized":        "set MPC_API_KEY, or --api-key-file to a file with the key",
	"scope_missing":       "use a key with that scope; mpcd coordinator keys create makes one",
	"address_not_allowed": "the coordinator's operator lists the allowed ones",
}

func explainProblem(p *rest.Problem) string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		b.WriteString(p.Title)
	}
	for _, party := range p.Parties {
		fmt.Fprintf(&b, "; party %s: %s", nameOr(party.Name, party.PeerID), party.Code)
		if party.Reason != "" {
			b.WriteString(", " + party.Reason)
		}
		if party.Detail != "" {
			b.WriteString(" (" + party.Detail + ")")
		}
	}
	if hint := hints[p.Code]; hint != "" {
		b.WriteString(": " + hint)
	}
	b.WriteString(" [" + p.Code)
	if p.SessionID != "" {
		b.WriteString(", session " + p.SessionID)
	}
	if p.RequestID != "" {
		b.WriteString(", request " + p.RequestID)
	}
	b.WriteString("]")
	return b.String()
}

// nameOr prefers a party's name to its peer id.
func nameOr(name, peer string) string {
	if name != "" {
		return name
	}
	return peer
}

// oneLine puts an error on one line, for whoever reads or greps stderr.
func oneLine(text string) string { return safetext.Printable(strings.Join(strings.Fields(text), " ")) }
