// Package protocoltest is a scripted network in memory for tests of the ceremonies.
//
// Run drives protocol.Machine values: it plays the caller's part of the Machine
// contract, holds messages of later rounds back and drops identical duplicates.
//
// Play drives whole protocol.Session values, with identities and signed envelopes, as
// their nodes would: it saves before it sends, pulls after silence, tells the others of a
// failure and ends what still waits at the deadline of a virtual clock. A
// Script may replace every envelope on its way to one member, and mark some as bad, and others by
// which that shows; what became of each member says how long after their receipt its session ended. A presigning
// ends when all hold; the signing that uses it up is another Play, with the machines that
// the seats' presignatures were bound to.
//
// What both do follows from the script and the seed, but for the values that
// machines draw.
//
// The malicious matrix (TestMaliciousMatrix) is built on Play: one member does each of 15
// mutations to each type of its messages, and whoever is honest must end as its
// tables say: see matrix_expect_test.go for what is expected other than by the mutation,
// and for the list of the cells in which nobody can be named. The tag "long" runs every
// cell, here or in a ceremony that has the same code for it, which the table says; -seed
// repeats a run's choices.
//
// Only tests import it.
package protocoltest
