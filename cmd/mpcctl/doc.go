// Command mpcctl is the client of a threshold-signature network: it calls the
// coordinator's HTTP API and verifies what comes back.
//
//	mpcctl account create|list|show, account signing-parties get|set|clear
//	mpcctl account presign show|set|clear
//	mpcctl sign ACCOUNT        signs a digest, a file or a text
//	mpcctl session create|list|show|watch|cancel
//	mpcctl parties             shows the pool
//	mpcctl invite create|list|show
//	mpcctl join CODE           takes part in a session with this device
//	mpcctl share generate|ack  fetches a user's share and has it erased at the delegate
//	mpcctl share export|import|list  backups of the shares on this device
//	mpcctl approvals list, approve SESSION, keygen-approver
//	mpcctl audit, webhook create|list|delete|deliveries
//	mpcctl certificate verify FILE  checks a key certificate, offline
//	mpcctl verify              checks an account and a signature, offline
//	mpcctl completion bash|zsh|fish
//
// # Settings
//
// A setting comes from, in falling precedence: a flag, an environment variable,
// the configuration file (mpcctl/config.yaml in the user's configuration folder,
// or what --config names), the default. The API key comes from MPC_API_KEY or a
// file, never from an argument, because every user of a machine sees the
// arguments of its processes; it is never printed.
//
// # Output
//
// Results go to stdout, as aligned text or, with --json, as the types of package
// coordinator/rest; join then prints one event a line. Progress, questions and
// the one line about an error go to stderr.
//
// # Exit codes
//
//	0  it did what was asked
//	1  it failed, such as a session that ended without a result, or was interrupted
//	2  wrong usage: arguments, settings, files
//	3  the coordinator could not be reached, or did not answer in time
//	4  the coordinator refused (HTTP 4xx)
//	5  verification failed: the answer must not be used
//
// # Files
//
// mpcctl/known_keys.json in the user's configuration folder remembers the keys of
// accounts from when they are first seen; see package coordinator/client.
// ~/.local/share/mpcctl (XDG_DATA_HOME) is this device, for join and for the shares
// on it; package internal/device has its formats, and those of backups.
package main
