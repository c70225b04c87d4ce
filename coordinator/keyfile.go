package coordinator

import "github.com/meshmpc/mpcd/coordinator/internal/access"

// KeyFile is the file of a coordinator's API keys, named by its path. Its keys
// are made and revoked while the coordinator runs or stands still; a running one
// notices within a second.
type KeyFile = access.File

// Key is what is known of an API key; its secret is not. NewKey asks for one.
type (
	Key    = access.Key
	NewKey = access.NewKey
)

// Errors of KeyFile.
var (
	ErrKeyFile  = access.ErrFile  // it cannot be used
	ErrNoKey    = access.ErrNoKey // it has no such key
	ErrKeyScope = access.ErrScope // there is no such scope
	ErrKeyName  = access.ErrName  // a key cannot be called that
)

// KeyScopes lists the scopes that a key may have.
func KeyScopes() []string { return access.AllScopes() }
