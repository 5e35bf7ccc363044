package raftgroup

import (
	"context"
	"errors"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/core"
)

// Entry is one committed command as a state machine sees it: its Index in the group's log, and the Command as it was
// proposed, which must not be kept or changed.
type Entry = core.Entry

// StateMachine is the replicated state of one group. All of its state lives in the group's state keyspace
// (StateSpace), so that a snapshot of the keyspace is a snapshot of the machine.
//
// Apply must be deterministic: the same entries in the same order give the same keys, values and results on every
// replica. It gets no clock and no random source; a command brings both along. A refusal of the domain ("the
// condition failed") is a result. An error means that the replica cannot go on: our bug, or a broken store.
type StateMachine interface {
	Apply(b kv.Batch, e Entry) (result []byte, err error)
}

// StateSpace is the part of a group's keyspace that its state machine owns.
func StateSpace(g id.Group) kv.Space { return core.StateSpace(g) }

// ErrStopped reports that the node is stopping: the caller may try another node.
var ErrStopped = errors.New("raftgroup: stopped")

// ErrUnknownGroup reports a group of which this node has no replica.
var ErrUnknownGroup = errors.New("raftgroup: unknown group")

// ErrQuarantined reports a group whose replica on this node was set aside after a failure; other nodes may serve it.
var ErrQuarantined = errors.New("raftgroup: replica is quarantined")

// ErrTooLarge reports a command that is larger than CommandBytesMax.
var ErrTooLarge = errors.New("raftgroup: command too large")

// The errors of the core that callers may want to tell apart.
var (
	// ErrOutcomeUnknown reports a command that may have been applied, once, and will not be applied later.
	ErrOutcomeUnknown = core.ErrOutcomeUnknown
	// ErrChangeRefused reports a change of membership that does not fit the present one.
	ErrChangeRefused = core.ErrChangeRefused
	// ErrNotLeader reports a call that only the leader's node can serve.
	ErrNotLeader = core.ErrNotLeader
)

// CommandBytesMax bounds one command.
const CommandBytesMax = 8 << 20

// Proposer is what the layers above need of a host.
type Proposer interface {
	// Propose replicates a command and returns the result of its application. It retries inside, under one id,
	// until the command was applied exactly once or ctx ends. After an error other than a refusal before the
	// first attempt the outcome is unknown. When it returns, the local replica, if there is one, has applied the command.
	Propose(ctx context.Context, g id.Group, command []byte) (result []byte, err error)
	// Barrier returns when the local replica's state includes every command that was acknowledged anywhere before
	// the call: reads of the state that begin after it are linearizable.
	Barrier(ctx context.Context, g id.Group) error
}
