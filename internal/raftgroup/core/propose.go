package core

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"grange/internal/id"
	"grange/internal/raftgroup/grouppb"
)

// ErrOutcomeUnknown reports a command whose session was expired before its result was known: it may have been applied,
// once, and will not be applied later.
var ErrOutcomeUnknown = errors.New("raftgroup: outcome unknown")

// ErrChangeRefused reports a change of membership that the group refused: it does not fit the present one, or it
// gives a replica's number a second time.
var ErrChangeRefused = errors.New("raftgroup: change of membership refused")

// WindowMax is how many commands of one session may be unanswered at a time.
const WindowMax = 4096

// proposals are the commands that wait for their result.
type proposals struct {
	byName  map[name]*proposal
	byToken map[Token]*proposal
	queue   []*proposal // to be sent, in order
	session session
}

// session is this replica's present session.
type session struct {
	id        uint64 // 0 while it is being opened, or not wanted yet
	next, low uint64
	opening   bool
	nonce     uint64
	sentAt    uint64
}

// name is what a command is applied under once.
type name struct{ session, seq uint64 }

type proposal struct {
	token   Token
	command []byte
	change  *raftpb.ConfChangeV2 // for a change of membership, without its context
	members Members

	name     name // zero until the command is first sent
	data     []byte
	queued   bool
	attempts int
	sentAt   uint64
	local    bool // is in our own log as the leader
}

func (ps *proposals) init() {
	ps.byName = map[name]*proposal{}
	ps.byToken = map[Token]*proposal{}
}

// Propose takes a command. Its result comes with an effect, when this replica has applied it. The caller keeps the
// number of unanswered commands below WindowMax for best speed; more wait.
func (g *Group) Propose(t Token, command []byte) { g.enqueue(&proposal{token: t, command: command}) }

// ChangeKind says what happens to one member.
type ChangeKind int

// The kinds of change.
const (
	AddVoter   ChangeKind = iota // also makes a learner a voter
	AddLearner                   // also makes a voter a learner
	RemoveMember
)

// Change is one part of a change of membership.
type Change struct {
	Kind    ChangeKind
	Replica id.Replica
	Node    id.Node // for the two kinds that add
}

// ChangeMembers takes a change of membership: more than one part go through joint consensus. It is done when this
// replica has applied the (first) new membership; ErrChangeRefused when it was refused.
func (g *Group) ChangeMembers(t Token, changes []Change) {
	p := &proposal{token: t, change: &raftpb.ConfChangeV2{}, members: Members{}}
	for _, c := range changes {
		kind := map[ChangeKind]raftpb.ConfChangeType{
			AddVoter: raftpb.ConfChangeAddNode, AddLearner: raftpb.ConfChangeAddLearnerNode,
			RemoveMember: raftpb.ConfChangeRemoveNode,
		}[c.Kind]
		p.change.Changes = append(p.change.Changes, &raftpb.ConfChangeSingle{
			Type: kind.Enum(), NodeId: new(uint64(c.Replica)),
		})
		if c.Kind != RemoveMember {
			p.members[c.Replica] = c.Node
		}
	}
	g.enqueue(p)
}

func (g *Group) enqueue(p *proposal) {
	p.queued = true
	g.proposals.byToken[p.token] = p
	g.proposals.queue = append(g.proposals.queue, p)
}

// Cancel gives up waiting for a proposal or barrier. A command that was sent may still be applied.
func (g *Group) Cancel(t Token) {
	if p := g.proposals.byToken[t]; p != nil {
		g.forget(p)
		if p.queued {
			g.proposals.queue = slices.DeleteFunc(g.proposals.queue, func(q *proposal) bool { return q == p })
		}
	}
	g.cancelRead(t)
}

func (g *Group) forget(p *proposal) {
	delete(g.proposals.byToken, p.token)
	if p.name.seq != 0 {
		delete(g.proposals.byName, p.name)
	}
}

func (g *Group) answer(p *proposal, result []byte, err error) {
	g.forget(p)
	g.out.Done = append(g.out.Done, Done{p.token, result, err})
}

// sendProposals hands what waits to the leader: to raft if that is us, else in a message.
func (g *Group) sendProposals() {
	ps := &g.proposals
	if len(ps.queue) == 0 || g.lead == localReplica {
		return
	}
	if ps.session.id == 0 {
		g.openSession()
		return
	}
	for len(ps.queue) > 0 {
		batch, entries := g.nextBatch()
		if len(batch) == 0 || !g.sendEntries(entries) {
			return
		}
		for i, p := range batch {
			p.queued, p.sentAt, p.local = false, g.ticks, g.isLeader
			p.attempts++
			if len(entries[i].GetData()) == 0 {
				p.local = false // raft put an empty entry in the place of an untimely change: try again later
			}
		}
		rest := copy(ps.queue, ps.queue[len(batch):])
		clear(ps.queue[rest:])
		ps.queue = ps.queue[:rest]
	}
}

// nextBatch makes entries of the first proposals in the queue, as many as the window and one message allow.
func (g *Group) nextBatch() ([]*proposal, []*raftpb.Entry) {
	ps := &g.proposals
	var entries []*raftpb.Entry
	size, n := 0, 0
	for _, p := range ps.queue {
		if p.name.seq == 0 && !g.give(p) || n > 0 && size+len(p.data) > proposalBatchBytes {
			break
		}
		kind := raftpb.EntryNormal
		if p.change != nil {
			kind = raftpb.EntryConfChangeV2
		}
		entries = append(entries, &raftpb.Entry{Type: kind.Enum(), Data: p.data})
		size += len(p.data)
		n++
	}
	return ps.queue[:n], entries
}

// give names a proposal, unless the session's window is full.
func (g *Group) give(p *proposal) bool {
	ps := &g.proposals
	s := &ps.session
	for s.low < s.next && ps.byName[name{s.id, s.low}] == nil {
		s.low++
	}
	if s.next >= s.low+WindowMax {
		return false
	}
	p.name = name{s.id, s.next}
	data, err := p.encode(s.low)
	if err != nil {
		panic(fmt.Sprintf("raftgroup: encode a proposal: %v", err)) // only plain fields: our bug
	}
	p.data = data
	s.next++
	ps.byName[p.name] = p
	return true
}

func (p *proposal) encode(low uint64) ([]byte, error) {
	e := envelope{session: p.name.session, seq: p.name.seq, low: low, command: p.command, members: p.members.encode()}
	raw, err := e.encode()
	if err != nil || p.change == nil {
		return raw, err
	}
	p.change.Context = raw
	return proto.Marshal(p.change)
}

// sendEntries hands entries to the leader. It returns false when they must wait.
func (g *Group) sendEntries(entries []*raftpb.Entry) bool {
	if g.isLeader {
		err := g.rn.Step(&raftpb.Message{
			Type: raftpb.MsgProp.Enum(), From: new(uint64(g.self)), Entries: entries,
		})
		return err == nil // else ErrProposalDropped
	}
	g.send(Message{To: g.lead, Forward: entries})
	return true
}

// openSession proposes the entry that opens a session, unless one is under way.
func (g *Group) openSession() {
	s := &g.proposals.session
	if s.opening {
		return
	}
	e := envelope{open: &grouppb.OpenSession{Node: nodeBytes(g.cfg.Node), Boot: g.cfg.Boot, Nonce: s.nonce + 1}}
	data, err := e.encode()
	if err != nil {
		panic(fmt.Sprintf("raftgroup: encode a session: %v", err)) // only plain fields: our bug
	}
	if g.sendEntries([]*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Data: data}}) {
		s.opening, s.sentAt = true, g.ticks
		s.nonce++
	}
}

// proposalsApplied answers the proposals whose outcome is now known.
func (g *Group) proposalsApplied(outcomes []outcome) {
	ps := &g.proposals
	for _, o := range outcomes {
		if o.open != nil {
			g.sessionOpened(o)
			continue
		}
		p := ps.byName[o.name]
		if p == nil {
			continue
		}
		switch {
		case o.forgotten:
			continue // an old copy of the entry; the answer came or comes with another
		case o.expired && p.attempts == 1:
			g.dropSession(o.name.session)
			g.rename(p)
		case o.expired:
			g.dropSession(o.name.session)
			g.answer(p, nil, ErrOutcomeUnknown)
		case o.refused:
			g.answer(p, nil, ErrChangeRefused)
		default:
			g.answer(p, o.result, nil)
		}
	}
}

func (g *Group) sessionOpened(o outcome) {
	s := &g.proposals.session
	mine := id.Node(o.open.GetNode()) == g.cfg.Node && o.open.GetBoot() == g.cfg.Boot && o.open.GetNonce() == s.nonce
	if s.opening && mine {
		*s = session{id: o.name.session, next: 1, low: 1, nonce: s.nonce}
	}
}

// dropSession makes the next command open a new session.
func (g *Group) dropSession(sessionID uint64) {
	if s := &g.proposals.session; s.id == sessionID {
		*s = session{nonce: s.nonce}
	}
}

// rename sends a command that was certainly not applied under a new name.
func (g *Group) rename(p *proposal) {
	g.forget(p)
	p.name, p.data, p.attempts = name{}, nil, 0
	g.enqueue(p)
}

// leaderChanged sends again what the old leader may have lost.
func (g *Group) leaderChanged() {
	g.proposals.session.opening = false
	g.requeue(func(*proposal) bool { return true })
	g.readsLost()
	if !g.isLeader {
		g.reads.held = nil
	}
}

// retryProposals sends again what another node's leader did not answer in time.
func (g *Group) retryProposals() {
	late := g.ticks - uint64(min(g.cfg.RetryTicks, int(g.ticks)))
	if s := &g.proposals.session; s.opening && !g.isLeader && s.sentAt <= late {
		s.opening = false
	}
	g.requeue(func(p *proposal) bool { return !p.local && p.sentAt <= late })
}

// requeue puts those of the sent proposals that again picks back in front of the queue, in their order.
func (g *Group) requeue(again func(*proposal) bool) {
	ps := &g.proposals
	var back []*proposal
	for _, p := range ps.byName {
		if !p.queued && again(p) {
			back = append(back, p)
		}
	}
	if len(back) == 0 {
		return
	}
	slices.SortFunc(back, func(a, b *proposal) int {
		return cmpName(a.name, b.name)
	})
	for _, p := range back {
		p.queued = true
	}
	ps.queue = append(back, ps.queue...)
}

func cmpName(a, b name) int {
	switch {
	case a.session < b.session || a.session == b.session && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	default:
		return 1
	}
}
