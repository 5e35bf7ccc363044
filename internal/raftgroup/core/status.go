package core

import (
	"errors"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/grouppb"
)

// Status is how a replica stands.
type Status struct {
	Group   id.Group
	Replica id.Replica
	Leader  id.Replica // 0 when none is known
	Leading bool       // this replica is the leader
	Term    uint64
	Commit  uint64
	Applied uint64
	First   uint64 // first log index that is kept
	Last    uint64 // last log index that is written
	// LogBytes is about the size of the log's entries.
	LogBytes int64
	Members  []Member
	Removed  bool
}

// Member is one replica of a group as another sees it.
type Member struct {
	Replica id.Replica
	Node    id.Node
	Voter   bool
	// Match is the last index that the member is known to have, seen by the leader; 0 elsewhere.
	Match uint64
	// Active is set when the leader heard of the member lately.
	Active bool
}

// Status reports how the replica stands.
func (g *Group) Status() Status {
	g.refresh()
	s := Status{
		Group: g.cfg.Group, Replica: g.self, Leader: g.lead, Leading: g.isLeader,
		Term: g.term, Commit: g.commit, Applied: g.place.index,
		First: g.log.truncated.index + 1, Last: g.log.last, LogBytes: g.log.bytes, Removed: g.removed,
	}
	voters := map[id.Replica]bool{}
	for _, list := range [][]uint64{g.place.conf.GetVoters(), g.place.conf.GetVotersOutgoing()} {
		for _, r := range list {
			voters[id.Replica(r)] = true
		}
	}
	for r, n := range g.place.members {
		s.Members = append(s.Members, Member{Replica: r, Node: n, Voter: voters[r]})
	}
	slices.SortFunc(s.Members, func(a, b Member) int { return int(a.Replica) - int(b.Replica) })
	if g.isLeader {
		g.rn.WithProgress(func(r uint64, _ raft.ProgressType, pr progress) {
			for i := range s.Members {
				if m := &s.Members[i]; m.Replica == id.Replica(r) {
					m.Match, m.Active = pr.Match, pr.RecentActive || m.Replica == g.self
				}
			}
		})
	}
	return s
}

// LeaderNode is where the leader lives; ok is false when no leader is known.
func (g *Group) LeaderNode() (n id.Node, ok bool) {
	if g.lead == localReplica {
		return id.Node{}, false
	}
	return g.nodeOf(g.lead), true
}

// Leading tells whether this replica was the leader at the last Ready.
func (g *Group) Leading() bool { return g.isLeader }

// Replica is the number of this replica.
func (g *Group) Replica() id.Replica { return g.self }

// LogEntry is one entry of a stored log, for inspectors.
type LogEntry struct {
	Index, Term uint64
	Kind        string // "command", "session", "leader" or "members"
	Session     uint64 // of a command
	Seq         uint64
	Command     []byte
}

// ReadLog walks the stored log of a group, from the first entry on. It can be used while the node is down.
func ReadLog(r kv.Reader, g id.Group, visit func(LogEntry) error) error {
	s := &logStore{r: r, keys: keysOf(g)}
	return s.walk(0, func(e *raftpb.Entry) error {
		out, err := describeEntry(e)
		if err != nil {
			return err
		}
		return visit(out)
	})
}

func describeEntry(e *raftpb.Entry) (LogEntry, error) {
	out := LogEntry{Index: e.GetIndex(), Term: e.GetTerm(), Kind: "leader"}
	raw := e.GetData()
	if e.GetType() == raftpb.EntryConfChangeV2 {
		cc, err := decodeChange(raw)
		if err != nil {
			return out, err
		}
		out.Kind, raw = "members", cc.GetContext()
	}
	if len(raw) > 0 {
		env, err := decodeEnvelope(raw)
		if err != nil {
			return out, err
		}
		out.describe(env)
	}
	return out, nil
}

func (e *LogEntry) describe(env envelope) {
	e.Session, e.Seq, e.Command = env.session, env.seq, env.command
	switch {
	case e.Kind == "members":
	case env.open != nil:
		e.Kind = "session"
	default:
		e.Kind = "command"
	}
}

// ReadStatus reports how a stored replica stands, without starting it. Nothing is known of the leader.
func ReadStatus(r kv.Reader, g id.Group) (Status, error) {
	grp, err := Load(Config{Group: g, Reader: r})
	if err != nil {
		return Status{}, err
	}
	s := grp.Status()
	s.Leader, s.Leading = 0, false
	return s, nil
}

// Leader is the leader's number, 0 when none is known, and the term.
func (g *Group) Leader() (id.Replica, uint64) { return g.lead, g.term }

// ReadHardState reads raft's stored term, vote and commit index.
func ReadHardState(r kv.Reader, g id.Group) (term, vote, commit uint64, err error) {
	var rec grouppb.HardState
	if err := getRecord(r, keysOf(g).hardState(), &rec); err != nil && !errors.Is(err, kv.ErrNotFound) {
		return 0, 0, 0, err
	}
	return rec.GetTerm(), rec.GetVote(), rec.GetCommit(), nil
}

// ReadTruncated reads the index of the last entry that is not in the stored log any more.
func ReadTruncated(r kv.Reader, g id.Group) (uint64, error) {
	var rec grouppb.Truncated
	err := getRecord(r, keysOf(g).truncated(), &rec)
	return rec.GetIndex(), err
}

// ReadTerm reads the term of one stored entry, or returns kv.ErrNotFound.
func ReadTerm(r kv.Reader, g id.Group, index uint64) (uint64, error) {
	raw, err := r.Get(keysOf(g).entry(index))
	if err != nil {
		return 0, err
	}
	e, err := decodeEntry(index, raw)
	return e.GetTerm(), err
}
