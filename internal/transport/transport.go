// Package transport is what the nodes of a cluster say to each other through.
//
// Frames are one-way: the sender hears of a loss at most as "unreachable", and asks again by its own means. Each pair
// of nodes has one stream per [Class] and direction. Frames of one class arrive in the order in which they were sent,
// or not at all; frames of different classes overtake each other, so that a snapshot never delays a heartbeat. Every
// queue is bounded: a frame that finds its queue full is dropped and reported.
//
// Calls have an answer. They carry no order.
//
// transport/mem is the twin within one process. Implementations authenticate both ends: the node that a handler is
// told is who sent the frame.
package transport

import (
	"context"
	"errors"

	"grange/internal/id"
)

// Class is one of the streams between two nodes.
type Class uint8

// The classes, the most urgent first. The numbers are sent and do not change.
const (
	Control Class = 0 // votes, heartbeats, reads
	Log     Class = 1 // log entries and their acknowledgements
	Bulk    Class = 2 // snapshots
	Classes       = 3
)

// FrameBytesMax bounds one frame.
const FrameBytesMax = 32 << 20

// ErrUnreachable reports a node that cannot be spoken to now. The caller may try again later, or another node.
var ErrUnreachable = errors.New("transport: node unreachable")

// ErrQueueFull reports a frame that was dropped because the receiver is slower than the sender.
var ErrQueueFull = errors.New("transport: queue full")

// Sender sends frames. It may be used by many goroutines.
type Sender interface {
	// Send queues a frame and returns at once. The frame must not be changed afterwards. An error says that the frame
	// was certainly not sent: ErrUnreachable, or ErrQueueFull.
	Send(to id.Node, class Class, frame []byte) error
}

// Receiver gets frames. An implementation calls it from one goroutine per node and class; while a call blocks, the
// frames behind it wait.
type Receiver interface {
	// Receive takes a frame, which is the receiver's from then on.
	Receive(ctx context.Context, from id.Node, class Class, frame []byte)
	// Unreachable says that frames to a node may have been lost.
	Unreachable(to id.Node)
}

// Caller calls methods of other nodes.
type Caller interface {
	// Call sends a request and returns the answer. An error of the other node's handler comes back as a RemoteError;
	// ErrUnreachable leaves open whether the handler ran.
	Call(ctx context.Context, to id.Node, method string, request []byte) (answer []byte, err error)
}

// Handler serves the calls of one method.
type Handler func(ctx context.Context, from id.Node, request []byte) (answer []byte, err error)
