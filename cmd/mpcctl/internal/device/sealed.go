package device

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// Work of opening a file, as a power of two: 18 takes about a second and 256 MiB.
const (
	workFactor    = 18
	maxWorkFactor = 20 // of a file that comes from outside
)

// MinPassphrase is how many characters a new passphrase has at least.
const MinPassphrase = 8

// ageHeader begins an age file (age-encryption.org/v1).
const ageHeader = "age-encryption.org/v1\n"

// maxPlain bounds what a file holds, in bytes: hundreds of the largest shares.
const maxPlain = 64 << 20

// seal encrypts data under a passphrase.
func seal(data []byte, passphrase string, work int) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if work == 0 {
		work = workFactor
	}
	recipient.SetWorkFactor(work)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

// unseal decrypts what seal has made. Errors are ErrPassphrase, ErrDamaged and
// ErrForeign.
func unseal(sealed []byte, passphrase string) ([]byte, error) {
	switch {
	case len(sealed) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrDamaged)
	case len(sealed) < len(ageHeader) && bytes.HasPrefix([]byte(ageHeader), sealed):
		return nil, fmt.Errorf("%w: it is cut off", ErrDamaged)
	case !bytes.HasPrefix(sealed, []byte(ageHeader)):
		return nil, fmt.Errorf("%w: it is not an encrypted file of this program (age)", ErrForeign)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		return nil, unsealError(err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: it is cut off or was altered", ErrDamaged)
	case len(data) > maxPlain:
		return nil, fmt.Errorf("%w: it is too large", ErrForeign)
	}
	return data, nil
}

// unsealError says what an error of age's header means.
func unsealError(err error) error {
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none) && (len(none.StanzaTypes) != 1 || none.StanzaTypes[0] != "scrypt"):
		return fmt.Errorf("%w: it is not encrypted with a passphrase", ErrForeign)
	case errors.Is(err, age.ErrIncorrectIdentity):
		return fmt.Errorf("%w (or the beginning of the file was altered)", ErrPassphrase)
	}
	return fmt.Errorf("%w: it is cut off or was altered at its beginning", ErrDamaged)
}

// CheckNewPassphrase refuses passphrases that are too easily guessed to be new
// ones.
func CheckNewPassphrase(passphrase string) error {
	if n := len([]rune(passphrase)); n < MinPassphrase {
		return fmt.Errorf("a passphrase of %d characters is too short: use at least %d, better several words", n, MinPassphrase)
	}
	return nil
}
