// Package natns builds, out of Linux network namespaces, a small internet with
// two homes behind address translation:
//
//	homeA 10.1.0.2 ─ natA 10.1.0.1 | 5.0.0.2 ─┐
//	                                          ├─ public 5.0.0.1
//	homeB 10.2.0.2 ─ natB 10.2.0.1 | 5.0.0.3 ─┘
//
// A process in a home reaches everything in public and nothing in the other
// home; nobody reaches a process in a home unless it has spoken first, and then
// only whom it has spoken to. Public stands for every host with an address of
// its own. Its addresses are ones that libp2p takes for public; the ranges that
// RFC 5737 sets aside for such uses are not.
//
// The caller needs root, the commands ip (Debian's iproute2) and nft (nftables),
// and a kernel with network namespaces, veth, bridges and nftables. It makes a
// [Net] with [New], starts processes with [Net.Exec], ends them, and calls
// [Net.Close], which removes everything. Names are unique for each Net, so that
// several may stand side by side. This machine's own network is not touched.
//
// The package is for tests, those of p2p in this folder (build tag netns) and
// end-to-end ones.
package natns
