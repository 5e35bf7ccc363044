// Package raftgroup runs many consensus groups in one process over one store.
//
// A [Host] is the shell around the pure core of each group (package core, which has the rules and the stored formats):
// one loop goroutine feeds all groups and carries out their effects; one append goroutine commits what all groups want
// to write with one synced batch per round; two apply goroutines run the state machines, each group always on the same
// one. Nothing waits for a disk but the append goroutine.
//
// Promise. [Host.Propose] applies a command exactly once on every replica, through retries, leader changes and
// restarts of others. What it returned is on stable storage at a majority of the voters. [Host.Barrier] makes local
// reads linearizable. A group whose state machine fails is set aside with [ErrQuarantined]; the others go on. A store
// that fails stops the host: Run returns the error.
//
// A group of one voter is the same thing with nobody to ask: it leads as soon as it is opened.
//
// All methods of a Host may be called concurrently.
package raftgroup
