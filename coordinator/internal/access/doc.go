// Package access knows who may call the coordinator's HTTP API: API keys and
// their scopes, how often they may call, and who fails to show one. It knows no
// HTTP; package api asks it.
//
// # Keys
//
// A key is a secret of 256 random bits, written "mpck_" and 52 characters of
// base32 (RFC 4648 §6, lower case), and is shown once. What is kept is the
// SHA-256 of that text: a fast hash is right for a secret that cannot be
// guessed. The file is JSON, mode 0600:
//
//	{"version": 1, "keys": [{
//	  "id":      "k_" and 8 characters of base32,
//	  "name":    for people,
//	  "scopes":  a list, see Read and its neighbours,
//	  "hash":    64 hexadecimal digits,
//	  "created": RFC 3339,
//	  "expires": RFC 3339; absent: never,
//	  "revoked": RFC 3339; absent: it is not
//	}]}
//
// It is replaced as a whole (File), by one process at a time: whoever changes it holds a lock on
// the file of the same name with .lock behind it. A daemon reads it (Keys) and
// looks whether it has changed when a caller comes, at most once a second. A file that
// cannot be used is an error in the log, and the keys stay as they were; a file
// that is gone holds no keys.
//
// The secret that a caller shows is compared with every key, in a time that
// depends on neither (Keys.Check). Why a key is refused is said only to those
// who know its secret.
//
// # Failures
//
// Failures counts failed authentications by client and reason, in windows of a
// minute, and hands each count to a sink when its minute is over. An IPv6 client is
// its /64, which is what one subscriber gets. A window has at most 1,024 counts;
// what comes above them is counted for the client "others".
//
// A client with 20 failures in a minute is blocked for the rest of it: even a
// right key is refused, so that guessing stops at 20 a minute. Loopback is never blocked:
// everything on this machine shares that address, and one misconfigured
// neighbour must not keep the backend out. For the same reason a proxy on this
// machine belongs into the list of trusted proxies.
//
// # Rates
//
// Limiter is a token bucket for each key and class of call, with a burst of one
// second's worth. Callers without a key have one for each client.
package access
