package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/meshmpc/mpcd/cmd/internal/safetext"
)

// terminal talks with the person: questions and progress go to stderr, answers
// come from stdin.
type terminal struct {
	in  io.Reader
	out io.Writer

	mu    sync.Mutex // of out and open
	open  bool       // the cursor stands behind a question
	start sync.Once
	lines chan string // what was typed; closed at the end of the input
}

func newTerminal(c *cli.Context) *terminal {
	return &terminal{in: c.App.Reader, out: c.App.ErrWriter, lines: make(chan string)}
}

// say prints lines of text, not between a question and its answer.
func (t *terminal) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open {
		fmt.Fprintln(t.out)
		t.open = false
	}
	t.print(fmt.Sprintf(format, args...) + "\n")
}

// prompt prints a question; the answer stands behind it.
func (t *terminal) prompt(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = true
	t.print(text)
}

// answered is called when a line was typed, or will not be.
func (t *terminal) answered(shown bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open && !shown {
		fmt.Fprintln(t.out)
	}
	t.open = false
}

// print prints text whose lines are harmless for terminals.
func (t *terminal) print(text string) {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = safetext.Printable(lines[i])
	}
	fmt.Fprint(t.out, strings.Join(lines, "\n"))
}

// interactive tells whether a person sits there.
func (t *terminal) interactive() bool {
	f, ok := t.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// secret asks for something that is not shown while it is typed.
func (t *terminal) secret(ctx context.Context, prompt string) (string, error) {
	f, ok := t.in.(*os.File)
	if !ok {
		return "", errors.New("there is no terminal to ask on")
	}
	fd := int(f.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	t.prompt(prompt)
	type typed struct {
		text []byte
		err  error
	}
	done := make(chan typed, 1)
	go func() { // cannot be interrupted: it ends with the line, or with the process
		text, err := term.ReadPassword(fd)
		done <- typed{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, state))
	case got := <-done:
		t.answered(false)
		if got.err != nil {
			return "", fmt.Errorf("terminal: %w", got.err)
		}
		return string(got.text), nil
	}
}

// line waits for a line; io.EOF when none will come.
func (t *terminal) line(ctx context.Context) (string, error) {
	t.start.Do(func() {
		go func() { // a read of a terminal cannot be interrupted: it ends with the input, or with the process
			defer close(t.lines)
			for scan := bufio.NewScanner(t.in); scan.Scan(); {
				t.lines <- scan.Text()
			}
		}()
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line, ok := <-t.lines:
		if !ok {
			return "", io.EOF
		}
		return line, nil
	}
}

// confirm asks until the answer is word, or no. The word belongs to this question
// alone: what somebody types for another one, which has become void meanwhile,
// does not answer it.
func (t *terminal) confirm(ctx context.Context, question, word string) (bool, error) {
	for {
		t.prompt(question)
		line, err := t.line(ctx)
		t.answered(err == nil)
		if err != nil {
			return false, err
		}
		switch typed := strings.TrimSpace(line); {
		case strings.EqualFold(typed, word):
			return true, nil
		case strings.EqualFold(typed, "n"), strings.EqualFold(typed, "no"), typed == "":
			return false, nil
		}
	}
}
