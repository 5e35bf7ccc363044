package core

import (
	"fmt"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
)

// String describes the message on one line, for scripts and inspectors.
func (m Message) String() string {
	head := fmt.Sprintf("%d->%d ", m.From, m.To)
	switch {
	case m.Refused:
		return head + "Refused"
	case m.Forward != nil:
		return head + "Forward" + describeEntries(m.Forward)
	default:
		return head + describeRaft(m.Raft)
	}
}

// describeRaft leaves out the fields that the type of message does not use.
func describeRaft(m *raftpb.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s term=%d", strings.TrimPrefix(m.GetType().String(), "Msg"), m.GetTerm())
	switch m.GetType() {
	case raftpb.MsgApp:
		fmt.Fprintf(&b, " after=%d/%d commit=%d%s", m.GetIndex(), m.GetLogTerm(), m.GetCommit(), describeEntries(m.GetEntries()))
	case raftpb.MsgAppResp:
		fmt.Fprintf(&b, " index=%d", m.GetIndex())
		if m.GetReject() {
			fmt.Fprintf(&b, " rejected hint=%d/%d", m.GetRejectHint(), m.GetLogTerm())
		}
	case raftpb.MsgVote, raftpb.MsgPreVote:
		fmt.Fprintf(&b, " last=%d/%d", m.GetIndex(), m.GetLogTerm())
	case raftpb.MsgVoteResp, raftpb.MsgPreVoteResp:
		if m.GetReject() {
			b.WriteString(" rejected")
		}
	case raftpb.MsgHeartbeat:
		fmt.Fprintf(&b, " commit=%d", m.GetCommit())
	case raftpb.MsgReadIndexResp:
		fmt.Fprintf(&b, " index=%d", m.GetIndex())
	case raftpb.MsgSnap:
		meta := m.GetSnapshot().GetMetadata()
		fmt.Fprintf(&b, " snapshot=%d/%d", meta.GetIndex(), meta.GetTerm())
	default: // its type and term are all there is
	}
	if len(m.GetContext()) > 0 {
		fmt.Fprintf(&b, " context=%x", m.GetContext())
	}
	return b.String()
}

func describeEntries(entries []*raftpb.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		out, err := describeEntry(e)
		if err != nil {
			fmt.Fprintf(&b, " [%d/%d %v]", e.GetIndex(), e.GetTerm(), err)
			continue
		}
		fmt.Fprintf(&b, " [%s]", out)
	}
	return b.String()
}

// String describes the entry: index/term, its kind, and the name of its command.
func (e LogEntry) String() string {
	if e.Kind == "command" {
		return fmt.Sprintf("%d/%d %d:%d %q", e.Index, e.Term, e.Session, e.Seq, e.Command)
	}
	return fmt.Sprintf("%d/%d %s", e.Index, e.Term, e.Kind)
}

// String describes what is written, for scripts.
func (a *Append) String() string {
	var b strings.Builder
	b.WriteString("append")
	if a.Sync {
		b.WriteString(" sync")
	}
	if a.image != nil {
		fmt.Fprintf(&b, " snapshot=%d/%d", a.snapshot.index, a.snapshot.term)
	}
	b.WriteString(describeEntries(a.entries))
	if a.tailTo >= a.tailFrom && a.tailFrom != 0 {
		fmt.Fprintf(&b, " delete=%d..%d", a.tailFrom, a.tailTo)
	}
	if a.hard != nil {
		fmt.Fprintf(&b, " term=%d vote=%d commit=%d", a.hard.GetTerm(), a.hard.GetVote(), a.hard.GetCommit())
	}
	if a.truncate != nil {
		fmt.Fprintf(&b, " truncate=%d..%d", a.truncateFrom, a.truncate.index)
	}
	return b.String()
}

// String describes what is applied, for scripts.
func (a *Apply) String() string { return "apply" + describeEntries(a.entries) }

// String describes the answer, for scripts.
func (d Done) String() string {
	if d.Err != nil {
		return fmt.Sprintf("done %d: %v", d.Token, d.Err)
	}
	return fmt.Sprintf("done %d: %q", d.Token, d.Result)
}

// String describes how the replica stands, on one line.
func (s Status) String() string {
	return fmt.Sprintf("replica %d: leader=%d term=%d log=%d..%d commit=%d applied=%d",
		s.Replica, s.Leader, s.Term, s.First, s.Last, s.Commit, s.Applied)
}
