// Command mpcd is the daemon and the operator's tool of a threshold-signature
// network.
//
//	mpcd network init|admit   makes a network and admits nodes to it, offline
//	mpcd keys identity        prints a node's peer id, making its key if needed
//	mpcd bootstrap            runs a bootstrap node: it holds no shares
//	mpcd party                runs a party: it holds shares and signs
//	mpcd coordinator          runs the coordinator: sessions and the HTTP API
//	mpcd coordinator keys     makes, lists and revokes its API keys
//	mpcd evidence verify|list what a party's evidence shows of whom, offline
//	mpcd quarantine list|clear
//	                          peers that a party does not sign with any more
//
// # Layers
//
// main handles signals and the exit code, nothing else. Each command turns its
// flags into a Config struct, validates it, and runs it; so flags are tested
// without a daemon and daemons without flags.
//
// A setting comes from, in falling precedence: a flag, an environment variable,
// the YAML file named by --config, the default. Secrets are never flags,
// because every user of a machine sees the arguments of its processes; they
// come from the environment or from a file.
//
// # Supervisor and worker
//
// `mpcd party` is two processes of the same program: the one that was started, the
// supervisor, opens no files of the data folder and never sees a share; all that a party
// does is done by the other one, its worker. The master key, if it comes in the
// environment, is in that of both. A panic in a goroutine of the library
// that computes, from which no code of ours could recover, and any other unexpected
// end, such as by the kernel when memory is short, is the end of a worker only. The
// next one is started at once, however often one has crashed: nobody who knows how to
// crash a party keeps it away for longer than a start takes. Only a crash within 250 ms
// of the worker's own start is followed by a pause, for the rest of that time, and workers
// that end before they are ready, for want of a port or of room on the disk, by
// pauses that grow from 250 ms to 5 s, until one is ready. The log counts the restarts. A worker has the
// addresses of the one before, ports that the system chose included (if they are taken
// meanwhile, those of the settings), and tells the coordinators of the sessions that
// were interrupted (party_crashed).
//
// A worker that ends in order is not started again, nor one that ends in any way before
// any was ready: the supervisor ends with its exit code. Once one has served, another
// one that cannot start has crashed, whatever its exit code. Signals are for the
// supervisor, whose pid is in run.json. On SIGTERM or SIGINT it has the worker drain
// and waits for it; whatever ends the supervisor itself, also SIGKILL, ends the
// worker, which notices by a pipe (worker.go). A worker that is told to
// stop, as by a service manager that signals all processes, drains and ends both.
//
// # Memory
//
// A party's worker that has done nothing for half a minute gives the system back what it
// does not need (trim.go), which is 10 to 20 MB.
//
// # Profiles
//
// With --pprof-listen a daemon, of a party the worker, serves go tool pprof on loopback and
// nowhere else, for profiles tell where secrets are used and cost CPU. For 30 s of it:
//
//	go tool pprof http://127.0.0.1:6060/debug/pprof/profile?seconds=30
//
// # Exit codes
//
//	0  it did what was asked, or was told to stop and drained
//	1  it failed while it ran; or a party was told to stop just after a crash, before
//	   the coordinators of the sessions that had ended with it were told
//	2  it could not start with what it was given; one line on stderr says why
//	3  evidence verify: it is genuine, but whether it is a fault is its author's word
//
// # Files
//
// The network folder, which `network init` makes and its operator guards:
//
//	network.yaml    public: name, authority key, approver key, whether user shares may come unsealed
//	authority.key   PEM PKCS#8 Ed25519; signs membership credentials
//	approver.key    PEM PKCS#8 Ed25519; authorises signing through coordinators
//
// A data folder, one for each daemon:
//
//	identity.key    PEM PKCS#8 Ed25519; the peer id is its public half
//	credential.jwt  the membership credential for that peer id
//	network.yaml    a copy of the network's
//	approver.key    coordinators only: a copy of the network's
//	api-keys.json   coordinators only: API keys, without their secrets
//	webhooks.key    coordinators only: the key of webhooks' secrets
//	evidence/       parties only: proofs of other members' faults, see node.EvidenceDir
//	quarantine/     parties only: counts of those faults, see node.QuarantineDir
//	run.json        while it runs: pid, peer id and addresses, for scripts; of a party
//	                also the pid of its worker and how often one has crashed; with
//	                --pprof-listen where profiles are served
//	mpcd.lock       held by the process that uses the folder
//
// and what packages keystore and coordinator keep in it.
package main
