package raftgroup

import (
	"context"
	"errors"

	"grange/internal/id"
	"grange/internal/kv"
)

// Entry is one committed command as a state machine sees it.
type Entry struct {
	Index   uint64 // place in the group's log
	Command []byte // as it was proposed; must not be kept or changed
}

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
func StateSpace(g id.Group) kv.Space { return kv.GroupSpace(g).Sub('s') }

// ErrStopped reports that the node is stopping: the caller may try another node.
var ErrStopped = errors.New("raftgroup: stopped")

// ErrUnknownGroup reports a group of which this node has no replica.
var ErrUnknownGroup = errors.New("raftgroup: unknown group")

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
