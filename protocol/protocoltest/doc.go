// Package protocoltest is a scripted network in memory for tests of
// protocol.Machine values. It plays the caller's part of the Machine contract: it
// holds messages of later rounds back and drops identical duplicates. Everything
// it does follows from the options and the seed, so a failure repeats.
//
// Only tests import it.
package protocoltest
