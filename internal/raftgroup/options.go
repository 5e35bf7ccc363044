package raftgroup

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/core"
	"grange/internal/transport"
)

// Options say how a host runs. Zero fields take the defaults.
type Options struct {
	// Store is where everything is kept. It must not be shared with another host.
	Store kv.Store
	// Node is this node.
	Node id.Node
	// Transport carries frames to other nodes; it may be nil for a node that is alone.
	Transport transport.Sender
	// Logger gets what raft says at the debug level, and failures; nil drops it.
	Logger *slog.Logger
	// Events are called on what the operator or the node must know.
	Events Events
	// Tick is the unit of all timeouts; 0 means 100 ms.
	Tick time.Duration
	// Core tunes each group. Its Group, Node, Boot, Reader and Logger are set by the host.
	Core core.Config
}

// Events are the host's reports. Each may be nil. They are called from the host's goroutines, must return soon and
// must not call the host.
type Events struct {
	// LeaderChanged says that a group has another leader or term; leader is 0 while there is none.
	LeaderChanged func(g id.Group, leader id.Replica, term uint64)
	// Quarantined says that a replica was set aside.
	Quarantined func(g id.Group, err error)
	// Removed says that the replica on this node is no member of its group any more; its data was destroyed.
	Removed func(g id.Group)
	// DiskStall says that a write has been pending for longer than two seconds.
	DiskStall func(pending time.Duration)
	// SnapshotSent says that a transfer to a replica ended.
	SnapshotSent func(g id.Group, to id.Replica, err error)
	// SnapshotReceived says that a snapshot arrived whole and is going to be installed.
	SnapshotReceived func(g id.Group, index uint64)
	// BadMessage says that a node sent what no correct node sends; it was dropped.
	BadMessage func(from id.Node, err error)
	// Committed says that a round of writes was committed: how many bytes, whether synced, and how long it took.
	Committed func(bytes int, sync bool, took time.Duration)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tick == 0 {
		o.Tick = 100 * time.Millisecond
	}
	e := &o.Events
	if e.LeaderChanged == nil {
		e.LeaderChanged = func(id.Group, id.Replica, uint64) {}
	}
	if e.Quarantined == nil {
		e.Quarantined = func(id.Group, error) {}
	}
	if e.Removed == nil {
		e.Removed = func(id.Group) {}
	}
	if e.DiskStall == nil {
		e.DiskStall = func(time.Duration) {}
	}
	if e.SnapshotSent == nil {
		e.SnapshotSent = func(id.Group, id.Replica, error) {}
	}
	if e.SnapshotReceived == nil {
		e.SnapshotReceived = func(id.Group, uint64) {}
	}
	if e.BadMessage == nil {
		e.BadMessage = func(id.Node, error) {}
	}
	if e.Committed == nil {
		e.Committed = func(int, bool, time.Duration) {}
	}
	return o
}

// GroupConfig names a group and its first members.
type GroupConfig struct {
	ID           id.Group
	StateMachine StateMachine
	// Members are the first members, alike on all of them. They are looked at only when the store does not hold the
	// group yet. A node that is not among them joins as Replica and learns the membership from the leader.
	Members []Member
	Replica id.Replica
}

// Member is one replica of a group.
type Member struct {
	Replica id.Replica
	Node    id.Node
	Learner bool
}

// raftLogger passes on what raft logs, all of it at the debug level: what matters comes as an event. Like every
// raft.Logger it does not return from Fatal and Panic; the loop catches the panic and sets the group aside.
type raftLogger struct{ log *slog.Logger }

func (l raftLogger) say(text string) { l.log.Debug("raft", slog.String("message", text)) }

func (l raftLogger) Debug(v ...any)                   { l.say(fmt.Sprint(v...)) }
func (l raftLogger) Info(v ...any)                    { l.say(fmt.Sprint(v...)) }
func (l raftLogger) Warning(v ...any)                 { l.say(fmt.Sprint(v...)) }
func (l raftLogger) Error(v ...any)                   { l.say(fmt.Sprint(v...)) }
func (l raftLogger) Infof(format string, v ...any)    { l.say(fmt.Sprintf(format, v...)) }
func (l raftLogger) Warningf(format string, v ...any) { l.say(fmt.Sprintf(format, v...)) }
func (l raftLogger) Errorf(format string, v ...any)   { l.say(fmt.Sprintf(format, v...)) }
func (l raftLogger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l raftLogger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (l raftLogger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l raftLogger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }

// Debugf is called for every message in some states: the text is not made when nobody reads it.
func (l raftLogger) Debugf(format string, v ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.say(fmt.Sprintf(format, v...))
	}
}
