// Package device is a user's own device as a party: a data folder with the
// device's identity and its shares, backups of them, and the way of joining a
// session by invite.
//
// # Contract
//
//  1. [Open] (or [OpenExisting]) a [Folder]; it is locked until [Folder.Close]. One
//     folder is one device: one peer id, any number of shares, one session at a
//     time.
//  2. [Folder.Join] uses an invite and takes part in its session to the end. It
//     takes part in nothing else, whoever asks, and asks its [User] first.
//  3. [Folder.Export] writes a backup, [Import] checks one and writes it into a
//     folder that is new or of the same device.
//
// Nothing that the coordinator says is believed: who takes part is what the
// user compares by fingerprint, what is signed is compared with what the invite
// showed, keys and signatures come from, or are checked with, the device's own
// record. The names of parties that are shown are the coordinator's.
//
// # Folder
//
//	DIR/mpcd.lock    lock of the folder, see package keystore
//	DIR/master.age   age file (age-encryption.org/v1, scrypt recipient), see below
//	DIR/store/       the keystore: shares, pre-parameters, what was signed
//
// Folders are 0700, files 0600. The passphrase opens master.age, which holds, as
// JSON:
//
//	version     1
//	peer_id     of the device
//	identity    base64: Ed25519 seed of the peer id (RFC 8032), 32 bytes
//	master_key  hex: the keystore's master key, 32 bytes
//
// # Backup
//
// An age file with a passphrase of its own. Inside, as JSON:
//
//	format    "mpcctl-backup"
//	version   1
//	created   RFC 3339
//	peer_id   of the device
//	identity  as above
//	shares    list of {network, account_id, keygen_session_id, epoch, scheme,
//	          threshold "2-of-3", public_key hex, record}
//	record    base64: protocol.KeyRecord in canonical CBOR, with the certificate
//
// A backup has everything that the device needs to sign, and neither
// pre-parameters, which serve once, nor memory of past sessions.
package device
