package tss

import "errors"

// Errors of this package; all are wrapped with what happened.
var (
	// ErrConfig: a ceremony cannot be set up as asked.
	ErrConfig = errors.New("ceremony cannot start")
	// ErrDigest: a digest that is zero modulo the order of the curve.
	ErrDigest = errors.New("digest is zero, which nobody can mean to sign: send the hash of the message")
	// ErrDelivery: the caller broke the contract of protocol.Machine (order,
	// address, duplicate).
	ErrDelivery = errors.New("message must not be delivered to this machine now")
	// ErrMessage: a member sent something that the ceremony does not allow.
	ErrMessage = errors.New("message breaks the protocol")
	// ErrAborted: the ceremony's checks failed.
	ErrAborted = errors.New("ceremony aborted")
	// ErrPanic: the library panicked; its party was dropped.
	ErrPanic = errors.New("ceremony aborted by a panic")
	// ErrResult: the ceremony ended with a result that does not verify.
	ErrResult = errors.New("result does not verify")
	// ErrDead: the machine has ended, with a result or an error.
	ErrDead = errors.New("ceremony has ended: start a new session")
	// ErrShare: bytes or fields that are not a sound share.
	ErrShare = errors.New("not a sound key share")
	// ErrPreParams: pre-parameters that must not be used.
	ErrPreParams = errors.New("pre-parameters cannot be used")
)
