package core

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"grange/internal/id"
)

// ErrBadMessage reports a message that no correct replica sends; it was not looked at further.
var ErrBadMessage = errors.New("raftgroup: bad message")

// Step takes a message of another replica, which lives on node from. An error of kind ErrBadMessage leaves the group
// as it was; after any other the group cannot go on.
func (g *Group) Step(from id.Node, m Message) error {
	if g.removed {
		return nil
	}
	if m.To != g.self || m.From == g.self || m.From == localReplica {
		return fmt.Errorf("%w: from replica %d to replica %d, this is %d", ErrBadMessage, m.From, m.To, g.self)
	}
	g.learnPeer(m.From, from)
	switch {
	case m.Refused:
		g.forwardRefused()
		return nil
	case m.Forward != nil:
		return g.forwarded(m)
	case m.Raft == nil || id.Replica(m.Raft.GetFrom()) != m.From || id.Replica(m.Raft.GetTo()) != m.To:
		return fmt.Errorf("%w: its two headers differ", ErrBadMessage)
	}
	return g.stepRaft(m.Raft)
}

// StepSnapshot takes a whole snapshot that another replica sent.
func (g *Group) StepSnapshot(from id.Node, image *Image) error {
	m := image.message
	if g.removed {
		return nil
	}
	if id.Replica(m.GetTo()) != g.self {
		return fmt.Errorf("%w: snapshot for replica %d, this is %d", ErrBadMessage, m.GetTo(), g.self)
	}
	g.learnPeer(id.Replica(m.GetFrom()), from)
	g.images[image.place.index] = image
	return ignoreUnknownPeer(g.rn.Step(m))
}

// learnPeer remembers where a replica lives that is no member as far as we know.
func (g *Group) learnPeer(r id.Replica, n id.Node) {
	if _, known := g.place.members[r]; !known && len(g.peers) < 64 {
		g.peers[r] = n
	}
}

func (g *Group) stepRaft(m *raftpb.Message) error {
	if err := checkRaft(m); err != nil {
		return err
	}
	if m.GetType() == raftpb.MsgReadIndex {
		g.refresh()
		switch {
		case !g.isLeader:
			return nil // raft would pass it on under the asker's name; the asker will ask again
		case !g.ownTermApplied():
			g.holdRead(m)
			return nil
		}
	}
	return ignoreUnknownPeer(g.rn.Step(m))
}

// ignoreUnknownPeer drops the errors with which raft says that a message came at the wrong time.
func ignoreUnknownPeer(err error) error {
	if errors.Is(err, raft.ErrStepPeerNotFound) || errors.Is(err, raft.ErrProposalDropped) {
		return nil
	}
	return err
}

// checkRaft looks for what would make raft panic.
func checkRaft(m *raftpb.Message) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s %s", ErrBadMessage, m.GetType(), what) }
	switch m.GetType() {
	case raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
		raftpb.MsgHeartbeat, raftpb.MsgTimeoutNow:
	case raftpb.MsgHeartbeatResp:
		if n := len(m.GetContext()); n != 0 && n != 8 {
			return bad("with a context of the wrong size")
		}
	case raftpb.MsgApp:
		return checkEntries(m, bad)
	case raftpb.MsgReadIndex, raftpb.MsgReadIndexResp:
		if len(m.GetEntries()) != 1 || len(m.GetEntries()[0].GetData()) != readContextSize {
			return bad("without its context")
		}
		return nil // these two have no term
	default:
		return bad("does not come from other replicas")
	}
	if m.GetTerm() == 0 {
		return bad("without a term")
	}
	return nil
}

func checkEntries(m *raftpb.Message, bad func(string) error) error {
	if m.GetTerm() == 0 {
		return bad("without a term")
	}
	term := m.GetLogTerm()
	for i, e := range m.GetEntries() {
		kind := e.GetType()
		if e.GetIndex() != m.GetIndex()+1+uint64(i) || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
			return bad("whose entries do not follow each other")
		}
		if kind != raftpb.EntryNormal && kind != raftpb.EntryConfChangeV2 {
			return bad("with an entry of an unknown type")
		}
		term = e.GetTerm()
	}
	return nil
}

// forwarded appends another replica's proposals, if we lead.
func (g *Group) forwarded(m Message) error {
	for _, e := range m.Forward {
		if err := checkForwarded(e); err != nil {
			return err
		}
	}
	g.refresh()
	if g.isLeader && len(m.Forward) > 0 {
		err := g.rn.Step(&raftpb.Message{
			Type: raftpb.MsgProp.Enum(), From: new(uint64(g.self)), Entries: m.Forward,
		})
		if err == nil {
			return nil
		}
	}
	g.send(Message{To: m.From, Refused: true})
	return nil
}

// checkForwarded looks for what would stop the state machines of all replicas.
func checkForwarded(e *raftpb.Entry) error {
	raw := e.GetData()
	switch e.GetType() {
	case raftpb.EntryNormal:
	case raftpb.EntryConfChangeV2:
		cc, err := decodeChange(raw)
		if err != nil {
			return fmt.Errorf("%w: forwarded change: %w", ErrBadMessage, err)
		}
		raw = cc.GetContext()
	default:
		return fmt.Errorf("%w: forwarded entry of type %s", ErrBadMessage, e.GetType())
	}
	if _, err := decodeEnvelope(raw); err != nil {
		return fmt.Errorf("%w: forwarded entry: %w", ErrBadMessage, err)
	}
	return nil
}

// forwardRefused sends what was forwarded again, after a moment: we know no better leader yet.
func (g *Group) forwardRefused() {
	at := g.ticks + refusedRetryDelayTicks - uint64(min(g.cfg.RetryTicks, int(g.ticks)))
	g.proposals.session.sentAt = min(g.proposals.session.sentAt, at)
	for _, p := range g.proposals.byName {
		if !p.queued && !p.local {
			p.sentAt = min(p.sentAt, at)
		}
	}
}
