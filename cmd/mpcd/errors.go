package main

import (
	"errors"
	"fmt"
	"strings"
)

// Exit codes, see the package comment.
const (
	exitOK       = 0
	exitFailed   = 1
	exitRefused  = 2
	exitUnproven = 3
)

// errRefused marks what cannot be started or done as asked: exit code 2.
var errRefused = errors.New("refused")

// refusal is an error that says only what the operator has to know, and is
// errRefused.
type refusal struct{ error }

func (r refusal) Unwrap() []error { return []error{r.error, errRefused} }

// refuse marks err as a refusal; nil stays nil.
func refuse(err error) error {
	if err == nil {
		return nil
	}
	return refusal{err}
}

// refusef makes a refusal; the format is that of fmt.Errorf.
func refusef(format string, args ...any) error {
	return refusal{fmt.Errorf(format, args...)}
}

// exitStatus is the exit code of a process that has said itself what the matter
// was.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// orNil is nil for a process that has done what was asked.
func (s exitStatus) orNil() error {
	if s == exitOK {
		return nil
	}
	return s
}

func exitCode(err error) int {
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, errRefused):
		return exitRefused
	case errors.Is(err, errUnproven):
		return exitUnproven
	}
	return exitFailed
}

// oneLine puts an error on one line, for whoever reads or greps stderr.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
