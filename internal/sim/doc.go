// Package sim runs a consensus group in a simulated world: time, network and disks come from one seed.
//
// A [World] is one goroutine with a heap of events ordered by virtual time and then by creation. Its nodes run the
// real core of package raftgroup/core over disks that lose unsynced writes in a crash, and talk through a network that
// loses, doubles, delays and reorders frames and whose links are cut one way or both. Every message is encoded and
// decoded on its way. Clients write and read through any node. After each event the invariants are checked; at the end
// the faults stop, everything must become live again, and the histories of the clients must be linearizable.
//
// The same seed gives the same run, event for event: Trace is a hash of all of them. Raft draws its election timeouts
// from crypto/rand, so that a test must call cryptotest.SetGlobalRandom with the seed, and cannot run in parallel.
//
// [Broken] switches single rules of the driver off. A simulator that does not notice is too weak: that is what the
// negative controls in the tests check. The product has no such switches; they live in this package's disks and nodes.
package sim
