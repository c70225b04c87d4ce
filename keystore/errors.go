package keystore

import (
	"errors"
	"fmt"
)

// Sentinels of this package; what is returned wraps them and says what was tried.
var (
	// ErrInUse: another process, or another part of this one, has the folder open.
	ErrInUse = errors.New("data folder is in use")
	// ErrWrongMasterKey: the store was sealed under another master key. Nothing was changed.
	ErrWrongMasterKey = errors.New("wrong master key")
	// ErrWrongParty: the store belongs to another peer id. Nothing was changed.
	ErrWrongParty = errors.New("data folder belongs to another party")
	// ErrIncomplete: files of the data folder are missing, torn or altered.
	ErrIncomplete = errors.New("data folder is incomplete or damaged")
	// ErrSalt: the salt file of a record's key is missing, torn or altered.
	ErrSalt = errors.New("salt file is missing or damaged")
	// ErrErased: EraseEpoch was called for the record's (key, epoch).
	ErrErased = errors.New("epoch was erased")
	// ErrNotFound: no such record.
	ErrNotFound = errors.New("record not found")
	// ErrDamaged: the record failed authentication and is in quarantine.
	ErrDamaged = errors.New("record is damaged and was put in quarantine")
	// ErrInvalid: the caller's record, kind, state or configuration is not acceptable.
	ErrInvalid = errors.New("invalid")
	// ErrDiskFull: too little space is left to write safely.
	ErrDiskFull = errors.New("disk is full")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("keystore is closed")
)

// errAuth marks a stored value as not authentic; outside the package it is ErrDamaged.
var errAuth = errors.New("not authentic")

func notFound(k Kind, id string) error {
	return fmt.Errorf("%w: %s %q", ErrNotFound, k, id)
}

func damaged(k Kind, id, reason string) error {
	return fmt.Errorf("%w: %s %q: %s; restore it from a cold copy or make it anew", ErrDamaged, k, id, reason)
}

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
