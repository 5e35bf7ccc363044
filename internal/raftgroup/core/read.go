package core

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// reads are the barriers that wait. Any number of them share one round of ReadIndex.
type reads struct {
	waiting   []Token // for the next round
	round     *readRound
	confirmed []readRound // whose index is known and not yet applied
	counter   uint64
	held      []*raftpb.Message // other replicas' requests, until we may answer
}

type readRound struct {
	context []byte
	tokens  []Token
	sentAt  uint64
	index   uint64
}

// Barrier asks for an answer when the local state includes everything that was acknowledged anywhere before the call.
func (g *Group) Barrier(t Token) { g.reads.waiting = append(g.reads.waiting, t) }

// ownTermApplied tells whether this replica leads and has applied an entry of its own term. Before that a leader may
// not know what its predecessors committed; raft itself does not look when there is one voter (etcd-io/raft#105).
func (g *Group) ownTermApplied() bool { return g.isLeader && g.place.term == g.term }

// SoleReader tells whether this replica's applied state is always current: it leads, nobody else is a member that
// could acknowledge anything, and an entry of its own term is applied.
func (g *Group) SoleReader() bool {
	return !g.removed && g.ownTermApplied() && g.onlyVoter() && len(g.place.conf.GetLearners()) == 0
}

// sendReads starts a round for the barriers that wait, when none is under way.
func (g *Group) sendReads() {
	rs := &g.reads
	if g.ownTermApplied() && len(rs.held) > 0 {
		for _, m := range rs.held {
			_ = g.rn.Step(m) // dropped if the asker is no member any more: it asks again
		}
		rs.held = nil
	}
	if rs.round != nil || len(rs.waiting) == 0 || g.lead == localReplica || g.isLeader && !g.ownTermApplied() {
		return
	}
	rs.counter++
	context := binary.BigEndian.AppendUint64(make([]byte, 0, readContextSize), g.cfg.Boot)
	context = binary.BigEndian.AppendUint64(context, rs.counter)
	rs.round = &readRound{context: context, tokens: rs.waiting, sentAt: g.ticks}
	rs.waiting = nil
	g.rn.ReadIndex(context)
}

// readConfirmed ends a round: its readers wait for an index now.
func (g *Group) readConfirmed(state raft.ReadState) {
	rs := &g.reads
	if rs.round == nil || !slices.Equal(rs.round.context, state.RequestCtx) {
		return // a round that was given up
	}
	rs.round.index = state.Index
	rs.confirmed = append(rs.confirmed, *rs.round)
	rs.round = nil
	g.answerReads()
}

// answerReads answers the barriers whose index is applied.
func (g *Group) answerReads() {
	rs := &g.reads
	n := 0
	for n < len(rs.confirmed) && rs.confirmed[n].index <= g.place.index {
		for _, t := range rs.confirmed[n].tokens {
			g.out.Done = append(g.out.Done, Done{Token: t})
		}
		n++
	}
	rs.confirmed = slices.Delete(rs.confirmed, 0, n)
}

// retryReads starts a round again that had no answer: requests may be lost without a word.
func (g *Group) retryReads() {
	if r := g.reads.round; r != nil && g.ticks-r.sentAt >= uint64(g.cfg.RetryTicks) {
		g.readsLost()
	}
}

func (g *Group) readsLost() {
	if r := g.reads.round; r != nil {
		g.reads.waiting = append(r.tokens, g.reads.waiting...)
		g.reads.round = nil
	}
}

func (g *Group) cancelRead(t Token) {
	drop := func(list []Token) []Token {
		return slices.DeleteFunc(list, func(x Token) bool { return x == t })
	}
	g.reads.waiting = drop(g.reads.waiting)
	if g.reads.round != nil {
		g.reads.round.tokens = drop(g.reads.round.tokens)
	}
	for i := range g.reads.confirmed {
		g.reads.confirmed[i].tokens = drop(g.reads.confirmed[i].tokens)
	}
}

// holdRead keeps another replica's request back until an entry of our own term is applied.
func (g *Group) holdRead(m *raftpb.Message) {
	if len(g.reads.held) < heldReadsMax {
		g.reads.held = append(g.reads.held, m)
	}
}
