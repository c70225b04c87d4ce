// Package hooks tells other systems what happens: it calls webhooks with the
// events of the registry's log. It knows the log and HTTP, and nothing of the
// coordinator's own API.
//
// # Contract
//
//   - Webhooks are events in the log (stream webhook/<id>), at most 32. A webhook
//     hears of events that come after its own.
//   - Each event of a type that it asked for is delivered at least once: until a
//     receiver answers with a status from 200 to 299, within 10 seconds. What was
//     delivered when the coordinator died may be delivered again; Mpc-Delivery is
//     the same in every try.
//   - Tries follow each other after 1 s, 5 s, 30 s, 2 min, 10 min, 1 h, 2 h and
//     then every 4 h, each up to a fifth earlier or later, until 24 h after the
//     event. Then the delivery has failed.
//   - Events of one session come in their order: one waits while an earlier one is
//     tried again. Those of different sessions do not wait for each other.
//   - A webhook has at most 4 calls at a time and 10,000 deliveries that wait; what
//     comes above fails at once. Webhooks have nothing in common, so that one
//     that is dead holds up nobody, and no session waits for any.
//   - The log of deliveries is kept for 30 days.
//
// Run does all of it on one goroutine, beside those of the calls. New starts
// nothing; Render comes between them.
//
// # Calls
//
// POST, with a body that is made when it is sent (Render), and the headers
//
//	Content-Type   application/json
//	User-Agent     mpcd-webhook/<version>
//	Mpc-Event      the event's type
//	Mpc-Delivery   the delivery's id
//	Mpc-Signature  t=<Unix seconds>,v1=<hex HMAC-SHA256 (RFC 2104) of "<t>.<body>" under the secret>
//
// The key of the HMAC is the secret's text. Redirects are not followed, proxies
// of the environment are not used, and of an answer at most 4 KiB are read, which
// nobody is shown.
//
// # Where calls go
//
// Whoever may make webhooks must not reach with them what only the coordinator
// can reach. A webhook's URL is https. Addresses are checked when they are dialled,
// so that a name may not change its mind: global ones will do; loopback ones,
// these also with http, and private ones (RFC 1918, RFC 4193, RFC 6598) if the
// operator allows them, each by a setting of its own; link-local
// ones, where clouds keep their metadata, and all others of special purpose (RFC
// 6890) never.
//
// # Secrets
//
// The key file holds 32 random bytes, mode 0600, and is made with the first
// webhook. By HKDF-SHA256 (RFC 5869) they give a key with which secrets are
// sealed in the log, and one from which a webhook's own secret is derived when
// its maker gave none:
//
//	sealing key   info "mpcd/webhooks/seal/v1", AES-256-GCM; nonce of 12 random bytes ‖ ciphertext; additional data: the webhook's id
//	derived       "whsec_" and 52 characters of base32 (RFC 4648 §6, lower case): HMAC-SHA256 of the webhook's id under the key of info "mpcd/webhooks/secret/v1"
//
// Without this file, webhooks of the log cannot be called: their deliveries say so.
//
// # Keys in Badger
//
//	hook/cursor           events up to this one have their deliveries: 8 bytes, big-endian
//	hook/log/<id>/<seq>   a delivery, as JSON; seq is that of its event, 8 bytes, big-endian
//	hook/due/<id>/<seq>   empty: the delivery is neither delivered nor failed
package hooks
