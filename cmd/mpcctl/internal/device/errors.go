package device

import (
	"errors"
	"fmt"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Errors of folders and backups. Each sentence is for the user.
var (
	// ErrPassphrase: the file does not open with the passphrase.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrDamaged: the file is truncated or altered.
	ErrDamaged = errors.New("the file is damaged")
	// ErrForeign: the file is none of this program, or of another device.
	ErrForeign = errors.New("the file does not belong here")
	// ErrNewer: a later version of this program wrote the file.
	ErrNewer = errors.New("the file was written by a newer version of this program: use that one")
	// ErrNoFolder: the data folder holds no device.
	ErrNoFolder = errors.New("no device in this data folder")
	// ErrExists: a file that would be written is there.
	ErrExists = errors.New("exists already and is not overwritten")
)

// Errors of joining.
var (
	// ErrDeclined: the user said no.
	ErrDeclined = errors.New("declined: this device did not take part")
	// ErrNoShare: the device lacks the share that a signing needs.
	ErrNoShare = errors.New("this device holds no share of the account's key")
	// ErrEnded: the session has ended without a key that may be used.
	ErrEnded = errors.New("the session has not made a key")
	// ErrFingerprint: the roster's fingerprint is not the one that the user
	// expects.
	ErrFingerprint = fmt.Errorf("%w: the fingerprint is not the expected one", client.ErrVerification)
	// ErrMismatch: what the parties were asked to do is not what the invite says.
	ErrMismatch = fmt.Errorf("%w: the session is not what the invite says", client.ErrVerification)
)

// SessionError says that a session has ended without a result.
type SessionError struct{ Session *rest.Session }

// Error says how and why.
func (e *SessionError) Error() string {
	if e.Session.Error == nil {
		return fmt.Sprintf("the session has ended without a result: it is %s", e.Session.Status)
	}
	return fmt.Sprintf("the session has ended without a result: it is %s: %s", e.Session.Status, e.Session.Error.Detail)
}

// refuted makes an ErrMismatch.
func refuted(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMismatch, fmt.Errorf(format, args...))
}
