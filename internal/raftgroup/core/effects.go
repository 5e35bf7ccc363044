package core

import (
	"errors"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/grouppb"
)

type progress = tracker.Progress

// Token is the driver's name for a proposal or barrier that waits for its answer.
type Token uint64

// Effects are what the driver must carry out after inputs.
type Effects struct {
	Messages  []Message         // may leave at once, in order for each receiver
	Appends   []*Append         // to be written in order
	Applies   []*Apply          // to be applied in order
	Done      []Done            // answers to proposals and barriers
	Snapshots []SnapshotRequest // transfers to start
	Removed   bool              // the replica is no member any more: its data is to be destroyed
}

// Message is what one replica tells another. Exactly one of Raft, Forward and Refused is set.
type Message struct {
	From, To id.Replica
	Node     id.Node // where To lives
	Raft     *raftpb.Message
	Forward  []*raftpb.Entry // entries to append, for the leader
	Refused  bool            // answers a Forward that found no leader
}

// SnapshotRequest asks the driver to send the newest state to a replica, and to call SnapshotSent at the end.
type SnapshotRequest struct {
	To      id.Replica
	Node    id.Node
	Message *raftpb.Message // for BuildSnapshot
}

// Done is the answer to one proposal or barrier.
type Done struct {
	Token  Token
	Result []byte
	Err    error
}

// Append is one write to the log of a group.
type Append struct {
	// Sync is set when something is promised to others with this write: it must be durable before Appended.
	Sync bool

	group     id.Group
	keys      keys
	self      id.Replica
	entries   []*raftpb.Entry
	hard      *grouppb.HardState
	responses []*raftpb.Message

	// Stale entries [tailFrom, tailTo] behind the new ones are removed.
	tailFrom, tailTo uint64
	// The beginning of the log, from truncateFrom to truncate, is removed.
	truncateFrom uint64
	truncate     *entryID
	// The whole state is replaced.
	image    *Image
	snapshot entryID
}

// Size is about the number of bytes in the write.
func (a *Append) Size() int {
	n := 128
	for _, e := range a.entries {
		n += len(e.GetData()) + 32
	}
	if a.image != nil {
		n += a.image.bytes
	}
	return n
}

// Each visits the log entries of the write, for whoever watches.
func (a *Append) Each(visit func(index, term uint64, data []byte)) { eachEntry(a.entries, visit) }

func eachEntry(entries []*raftpb.Entry, visit func(index, term uint64, data []byte)) {
	for _, e := range entries {
		visit(e.GetIndex(), e.GetTerm(), e.GetData())
	}
}

// Write adds the changes to a batch. scratch is reused between entries; the grown slice is returned.
func (a *Append) Write(w kv.Writer, scratch []byte) ([]byte, error) {
	if a.image != nil {
		if err := a.install(w); err != nil {
			return scratch, err
		}
	}
	for _, e := range a.entries {
		scratch = appendEntry(scratch[:0], e)
		if err := w.Set(a.keys.entry(e.GetIndex()), scratch); err != nil {
			return scratch, err
		}
	}
	var errs []error
	if a.tailTo >= a.tailFrom && a.tailFrom != 0 {
		errs = append(errs, w.DeleteRange(a.keys.entry(a.tailFrom), a.keys.entry(a.tailTo+1)))
	}
	if a.hard != nil {
		errs = append(errs, setRecord(w, a.keys.hardState(), a.hard))
	}
	if a.truncate != nil {
		errs = append(errs,
			writeMark(w, a.keys, a.self, *a.truncate),
			w.DeleteRange(a.keys.entry(a.truncateFrom), a.keys.entry(a.truncate.index+1)))
	}
	return scratch, errors.Join(errs...)
}

// install replaces state and log by the content of a snapshot.
func (a *Append) install(w kv.Writer) error {
	for _, table := range append([]byte{tableLog}, snapshotTables...) {
		lower, upper := a.keys.space.Sub(table).Bounds()
		if err := w.DeleteRange(lower, upper); err != nil {
			return err
		}
	}
	for _, p := range a.image.pairs {
		if err := w.Set(a.keys.space.Key(p.GetKey()), p.GetValue()); err != nil {
			return err
		}
	}
	return writeMark(w, a.keys, a.self, a.snapshot)
}

// Ready returns what is to be done after the inputs so far.
func (g *Group) Ready() Effects {
	if !g.removed {
		g.collect()
	}
	out := g.out
	g.out = Effects{}
	clear(g.images)
	return out
}

// collect lets raft and the waiting requests move each other until nothing moves.
func (g *Group) collect() {
	for {
		g.refresh()
		if g.changed {
			g.changed = false
			g.leaderChanged()
		}
		g.sendProposals()
		g.sendReads()
		if !g.rn.HasReady() {
			return
		}
		rd := g.rn.Ready()
		for _, m := range rd.Messages {
			g.route(m)
		}
		for _, rs := range rd.ReadStates {
			g.readConfirmed(rs)
		}
	}
}

// route turns one message of raft into an effect.
func (g *Group) route(m *raftpb.Message) {
	switch {
	case m.GetTo() == raft.LocalAppendThread:
		g.emitAppend(m)
	case m.GetTo() == raft.LocalApplyThread:
		g.applying++
		g.out.Applies = append(g.out.Applies, &Apply{entries: m.GetEntries(), responses: m.GetResponses()})
	case m.GetType() == raftpb.MsgSnap:
		to := id.Replica(m.GetTo())
		g.out.Snapshots = append(g.out.Snapshots, SnapshotRequest{to, g.nodeOf(to), m})
	default:
		g.send(Message{To: id.Replica(m.GetTo()), Raft: m})
	}
}

func (g *Group) send(m Message) {
	m.From, m.Node = g.self, g.nodeOf(m.To)
	g.out.Messages = append(g.out.Messages, m)
}

// nodeOf is where a replica lives; the zero node when that is not known.
func (g *Group) nodeOf(r id.Replica) id.Node {
	if n, ok := g.place.members[r]; ok {
		return n
	}
	return g.peers[r]
}

func (g *Group) emitAppend(m *raftpb.Message) {
	a := &Append{
		group: g.cfg.Group, keys: g.keys, self: g.self,
		entries: m.GetEntries(), responses: m.GetResponses(), Sync: len(m.GetResponses()) > 0,
	}
	if m.Term != nil || m.Vote != nil || m.Commit != nil {
		a.hard = &grouppb.HardState{
			Version: recordVersion, Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit(),
		}
	}
	if !raft.IsEmptySnap(m.GetSnapshot()) {
		meta := m.GetSnapshot().GetMetadata()
		a.snapshot = entryID{meta.GetIndex(), meta.GetTerm()}
		a.image = g.images[meta.GetIndex()]
		if a.image == nil {
			panic("raftgroup: raft restores a snapshot whose content was not stepped")
		}
		g.written = meta.GetIndex()
	}
	if n := len(a.entries); n > 0 {
		last := a.entries[n-1].GetIndex()
		a.tailFrom, a.tailTo = last+1, g.written
		g.written = last
	}
	g.emit(a)
}

// emit gives an append out, unless a snapshot before it waits for the state machine to stand still.
func (g *Group) emit(a *Append) {
	if len(g.held) > 0 || a.image != nil && g.applying > 0 {
		g.held = append(g.held, a)
		return
	}
	g.out.Appends = append(g.out.Appends, a)
}

// Appended says that an append was written, and synced if it asked for it.
func (g *Group) Appended(a *Append) error {
	if a.image != nil {
		g.log.reset(a.snapshot)
		g.place = a.image.place
		g.durable = a.snapshot.index
		g.removed = g.isRemoved()
		g.answerReads()
	}
	if len(a.entries) > 0 {
		g.log.stored(a.entries)
		g.lastBusy = g.ticks
	}
	for _, m := range a.responses {
		if m.GetTo() != uint64(g.self) {
			g.send(Message{To: id.Replica(m.GetTo()), Raft: m})
			continue
		}
		if err := g.rn.Step(m); err != nil {
			return err
		}
	}
	return nil
}

// Applied says that an apply was committed.
func (g *Group) Applied(a *Apply, res *Applied) error {
	for _, cc := range res.changes {
		g.rn.ApplyConfChange(cc)
	}
	g.place = res.place
	g.applying--
	if g.applying == 0 {
		g.out.Appends = append(g.out.Appends, g.held...)
		g.held = nil
	}
	for _, m := range a.responses {
		if err := g.rn.Step(m); err != nil {
			return err
		}
	}
	g.proposalsApplied(res.outcomes)
	g.answerReads()
	if g.isRemoved() {
		g.removed, g.out.Removed = true, true
	}
	return nil
}
