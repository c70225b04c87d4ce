// Package keystore keeps a party's secrets on its own disk: records sealed under
// the node's master key, in Badger with synchronous writes. It knows neither
// libp2p nor the signature schemes: a payload is opaque bytes with a typed Header.
//
// # Contract
//
// One process owns a data folder: [LockDir] (or [Open], which calls it) refuses a
// second one. The caller:
//
//  1. opens the store with the master key and the peer id of the node. A wrong
//     master key or another node's peer id changes nothing on disk;
//  2. may rely on a write once it returned: [Store.Put], [Store.PutAll], [Store.Update],
//     [Store.Take] and [Store.Delete] are fsynced before they return;
//  3. takes single-use material with [Store.Take] only, which has marked it used on
//     disk before it hands it out;
//  4. treats headers of [Store.List] and [Store.Count] as hints: they are stored in
//     clear and authenticated by [Store.Get] alone;
//  5. overwrites payloads it no longer needs (the store does not keep them);
//  6. runs [Store.Run] beside its work, and calls [Store.Close] at the end.
//
// A record that fails authentication is moved to the quarantine: kept for an
// operator, never returned, never deleted ([Store.Quarantined]).
//
// What it does not protect against: someone who can write to the disk can put an
// older version of a record, or of the whole folder, back (rollback): its owner must
// compare epochs with its peers. Someone who reads this process's memory has the keys:
// overwriting them after use is best effort in Go, whose runtime may have copied them.
//
// Rotten disks: OpenDB verifies the checksums of all tables and refuses damaged ones, for
// Badger would crash on them or lose records silently. One gap is left: damage inside the
// write-ahead log of a process that was killed looks to Badger like a torn last write, and
// it drops what follows. After an orderly Close that log is empty.
//
// It needs flock, so it runs on Linux, macOS and the BSDs.
//
// # Envelope
//
//	KEK = HKDF-SHA256(master key, salt, "mpcd/keystore/kek/v1" 00 kek-id party)   RFC 5869
//
// The salt is 32 random bytes in a file outside Badger, one per scope. Records with a
// Key belong to the scope (Key, Epoch), all others to the scope of the node. Every write
// draws a fresh random 32-byte DEK that seals the payload and is itself sealed by the
// KEK, both with AES-256-GCM (NIST SP 800-38D) under random 96-bit nonces. One KEK is good
// for 2^32 writes.
//
//	kek-id = SHA-256("mpcd/keystore/kek-id/v1" 00 gen:u32 len:u16 key epoch:u32)[:16]
//
// gen counts the master keys of this store (1 until a rotation) and the node's scope has
// an empty key and epoch 0.
//
// Deleting or replacing a record leaves its old ciphertext on disk until Badger compacts.
// Therefore [Store.EraseEpoch] erases the salt: without it nobody derives that KEK
// again, and what remains is noise. Cold copies of the folder keep the salts they were
// made with.
//
// # Files
//
//	DIR/mpcd.lock               flock of the owner; its process id as text
//	DIR/master.check            tells a wrong master key before Badger is opened
//	DIR/salts/<kek-id>.salt     the salt of one scope, kek-id in hexadecimal
//	DIR/salts/<kek-id>.erasing  EraseEpoch has begun; Open finishes it
//	DIR/salts/<kek-id>.erased   for good: the scope accepts no records any more
//	DIR/db/                     Badger
//
// Folders are 0700, files 0600; Badger makes some of its files with the umask, inside
// a 0700 folder. Files other than Badger's are replaced by temporary file,
// fsync, rename and fsync of the folder. A cold copy is DIR, copied while nothing has it
// open, and the master key; both are needed to restore.
//
// # Record (version 1, final)
//
// Integers are big endian. A string is its length as u16 and that many bytes of UTF-8.
//
//	offset  size   meaning
//	0       4      "MPCR"
//	4       1      format version, 1
//	5       2      L, size of the header from offset 7 on
//	7       16     kek-id
//	23      4      epoch
//	27      32     committee hash
//	59      32     approvers hash
//	91      2      threshold t, signers needed
//	93      2      parties n
//	95      2+     record kind, string of 1 to 16 of a-z and -
//	        2+     record id, string of 1 to 255 bytes
//	        2+     account, string of 0 to 255 bytes
//	        2+     key id, the same
//	        2+     scheme, the same
//	        2+     party (peer id), string of 1 to 255 bytes
//	        2+     state, string of 1 to 16 of a-z and -
//	7+L     12     nonce of the DEK
//	19+L    48     DEK, sealed by the KEK: 32 bytes and the 16-byte tag
//	67+L    12     nonce of the payload
//	79+L    P+16   payload of P bytes, sealed by the DEK, and the tag, to the end
//
// The additional data of both seals are bytes 0 to 7+L, followed by 01 for the DEK
// and 02 for the payload. Each header has exactly one encoding.
//
// # Badger keys
//
//	r/<kind>/<id>              a record as above
//	q/<kind>/<id> 00 <u64>     quarantined at u64 ns since 1970: reason as string, then the value as found
//	k/<kek-id, 16 bytes>       empty: this scope has had a salt, so a missing one is a loss
//
// # master.check and salt files
//
//	size  master.check                size  salt file
//	8     "MPCDKEYS"                  8     "MPCDSALT"
//	2     format version, 1           2     format version, 1
//	4     gen                         16    kek-id
//	32    salt                        32    salt
//	2+    party, string
//	32    SHA-256 of all before (finds torn writes), in both
//	32    HMAC-SHA256 of all before the checksum (RFC 2104), in both
//
// The HMAC keys are HKDF-SHA256(master key, salt, "mpcd/keystore/check/v1") for the check
// and HKDF-SHA256(master key, no salt, "mpcd/keystore/salt-mac/v1") for salt files.
package keystore
