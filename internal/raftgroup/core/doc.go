// Package core is one replica of one consensus group as a pure value machine around etcd's raft.
//
// A [Group] takes ticks, messages, proposals, barriers and the completions of its writes, and returns [Effects]:
// messages to send, writes to make, entries to apply, answers to give. It has no clock, no files, no goroutines and no
// network; it reads the log through a kv.Reader. An [Applier] runs the state machine of the replica, on whatever
// goroutine the caller likes. Neither may be used by two goroutines at once, but a group and its applier may run side
// by side. The shell (package raftgroup) and the simulator drive the same core.
//
// # Rules for the driver
//
//   - After each input, or each round of inputs, call Ready once and carry out the effects.
//   - Appends of one group are written in order, each with [Append.Write] in one batch. When Append.Sync is set the
//     batch is synced. Only then comes [Group.Appended], also in order: it releases the messages that promise durability.
//   - Applies are run in order by [Applier.Apply] into one batch that is committed, without a sync, and then handed to
//     [Group.Applied]. A later synced batch makes them durable; the driver tells so with [Group.AppliedDurable].
//   - All other messages may leave at once, and in order for each receiver.
//   - A call that panics or returns an error leaves the group unusable: the driver sets it aside (quarantine).
//
// # Exactly once
//
// A command travels in an envelope {session, seq, low}. A session is opened by an entry of its own and is named by
// that entry's index, so that no name is ever used twice. The result of a command is stored under (session, seq) in
// the batch that applies it; a second entry with the same name changes nothing and gets that result. low says which
// results nobody can ask for again; they are removed. A session holds at most [WindowMax] results and a group
// [SessionsMax] sessions: the least recently used (by log index) is expired by the entry that opens one too many.
//
// # Stored format
//
// Everything stands under the group's keyspace 'g' group (4 bytes). Numbers in keys are big-endian, records are the
// messages of grouppb, each with a version.
//
//	'a'                          Applied: place of the state machine, and the membership there
//	'e' session (8)              Session
//	'h'                          HardState
//	'l' index (8)                log entry: format (1 byte, 1), raftpb.EntryType (1 byte), term (8 bytes), data
//	'm'                          Replica: the number of this replica
//	'r' session (8) seq (8)      Result
//	's' …                        the state machine's own keys
//	't'                          Truncated: the last entry that is not in the log any more
//	'x'                          Tombstone: outlives the replica
//
// The data of a normal entry is an Envelope, or empty; that of a change of membership is raft's ConfChangeV2 with an
// Envelope as its context. A snapshot carries the tables 'a', 'e', 'r' and 's'.
package core
