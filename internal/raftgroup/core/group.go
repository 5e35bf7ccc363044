package core

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"grange/internal/id"
	"grange/internal/kv"
)

// Config says how a replica is run. Zero fields take the defaults.
type Config struct {
	Group id.Group
	Node  id.Node
	// Boot is random and new with each start of the node: it tells this run's requests from those of earlier ones.
	Boot uint64
	// Reader reads the newest state of the node's store, for log entries that are not in the cache.
	Reader kv.Reader
	// Logger gets what raft says; nil drops it.
	Logger raft.Logger

	ElectionTicks  int // an election starts after so many silent ticks, up to twice as many; default 20
	HeartbeatTicks int // default 3
	RetryTicks     int // a forwarded request that was not answered is sent again after so many; default 5

	CacheBytes    int64 // newest log entries kept in memory; default 1 MiB
	TruncateBytes int64 // the log is truncated when so much of it can go; default 1 MiB
	// LogBytesMax is how much log is kept for a replica that is behind; past it, the replica gets a snapshot.
	// Default 64 MiB.
	LogBytesMax int64
	// FollowerLogBytes is how much applied log a follower keeps, to serve others if it becomes the leader.
	// Default 8 MiB.
	FollowerLogBytes int64
	// UncommittedBytesMax bounds the proposals that a leader has taken and not yet committed. Default 16 MiB.
	UncommittedBytesMax uint64
}

// The limits of an instance of raft. See raft.Config for what each means.
const (
	maxSizePerMessage      = 1 << 20
	maxInflightMessages    = 512
	maxInflightBytes       = 16 << 20
	maxCommittedSizeApply  = 4 << 20
	truncateEntries        = 4096 // truncated even if small
	cacheIdleTicks         = 100
	heldReadsMax           = 1024
	proposalBatchBytes     = 1 << 20
	readContextSize        = 16
	localReplica           = id.Replica(raft.None)
	refusedRetryDelayTicks = 1
)

func (c Config) withDefaults() Config {
	set := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	setInt := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	setInt(&c.ElectionTicks, 20)
	setInt(&c.HeartbeatTicks, 3)
	setInt(&c.RetryTicks, 5)
	set(&c.CacheBytes, 1<<20)
	set(&c.TruncateBytes, 1<<20)
	set(&c.LogBytesMax, 64<<20)
	set(&c.FollowerLogBytes, 8<<20)
	if c.UncommittedBytesMax == 0 {
		c.UncommittedBytesMax = 16 << 20
	}
	if c.Logger == nil {
		c.Logger = discard{}
	}
	return c
}

// Group is one replica of one consensus group.
type Group struct {
	cfg  Config
	self id.Replica
	keys keys
	log  *logStore
	rn   *raft.RawNode
	out  Effects

	ticks   uint64
	place   place // as of the last Applied or installed snapshot
	durable uint64
	removed bool

	// What raft said last.
	term     uint64
	commit   uint64
	lead     id.Replica
	isLeader bool
	idle     bool // neither leads nor campaigns
	changed  bool // leader or term changed since the last collect

	// written is the last log index on disk once all appends that were given out are written.
	written  uint64
	applying int
	held     []*Append
	images   map[uint64]*Image // snapshots that were stepped since the last Ready, by index

	// peers are nodes of replicas that spoke to us before we knew them as members.
	peers    Members
	lastBusy uint64 // tick of the last stored entry

	proposals proposals
	reads     reads
}

// Load starts the replica from what is stored. It returns kv.ErrNotFound when nothing is stored, and ErrCorrupt or
// ErrNewerFormat when it cannot be read.
func Load(cfg Config) (*Group, error) {
	cfg = cfg.withDefaults()
	k := keysOf(cfg.Group)
	self, err := ReplicaOf(cfg.Reader, cfg.Group)
	if err != nil {
		return nil, fmt.Errorf("load group %s: %w", cfg.Group, err)
	}
	log, err := loadLog(cfg.Reader, k, cfg.CacheBytes)
	if err != nil {
		return nil, fmt.Errorf("load group %s: %w", cfg.Group, err)
	}
	p, err := readPlace(cfg.Reader, k)
	if err != nil {
		return nil, fmt.Errorf("load group %s: %w", cfg.Group, err)
	}
	if p.index < log.truncated.index || p.index > log.last {
		return nil, fmt.Errorf("load group %s: %w: applied %d, log [%d, %d]",
			cfg.Group, ErrCorrupt, p.index, log.truncated.index+1, log.last)
	}
	g := &Group{
		cfg: cfg, self: self, keys: k, log: log, place: p, durable: p.index, written: log.last,
		images: map[uint64]*Image{}, peers: Members{},
	}
	g.proposals.init()
	return g, g.start()
}

func (g *Group) start() error {
	// The state machine's batch may reach the disk before the commit index that allowed it.
	if g.log.hard.GetCommit() < g.place.index {
		g.log.hard.Commit = new(g.place.index)
	}
	if g.log.hard.GetCommit() > g.log.last {
		return fmt.Errorf("load group %s: %w: committed %d, log ends at %d",
			g.cfg.Group, ErrCorrupt, g.log.hard.GetCommit(), g.log.last)
	}
	g.log.conf = g.place.conf
	g.log.snapshot = g.describeSnapshot
	rn, err := raft.NewRawNode(&raft.Config{
		ID:                        uint64(g.self),
		ElectionTick:              g.cfg.ElectionTicks,
		HeartbeatTick:             g.cfg.HeartbeatTicks,
		Storage:                   g.log,
		Applied:                   g.place.index,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             maxSizePerMessage,
		MaxInflightMsgs:           maxInflightMessages,
		MaxInflightBytes:          maxInflightBytes,
		MaxCommittedSizePerReady:  maxCommittedSizeApply,
		MaxUncommittedEntriesSize: g.cfg.UncommittedBytesMax,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    g.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("load group %s: %w", g.cfg.Group, err)
	}
	g.rn = rn
	g.removed = g.isRemoved()
	g.refresh()
	return g.campaignAlone()
}

// campaignAlone makes the only voter the leader without waiting for an election timeout: nobody else could answer.
// Raft refuses while a committed change of membership is not applied; the next tick tries again.
func (g *Group) campaignAlone() error {
	if g.idle && g.onlyVoter() {
		return g.rn.Campaign()
	}
	return nil
}

// onlyVoter tells whether this replica is the only voter.
func (g *Group) onlyVoter() bool {
	c := g.place.conf
	return len(c.GetVoters()) == 1 && c.GetVoters()[0] == uint64(g.self) && len(c.GetVotersOutgoing()) == 0
}

func (g *Group) isRemoved() bool {
	if g.place.index == 0 {
		return false // it knows no membership yet
	}
	c := g.place.conf
	for _, list := range [][]uint64{c.GetVoters(), c.GetLearners(), c.GetVotersOutgoing(), c.GetLearnersNext()} {
		if slices.Contains(list, uint64(g.self)) {
			return false
		}
	}
	return true
}

// refresh asks raft for its newest state.
func (g *Group) refresh() {
	st := g.rn.BasicStatus()
	if g.term != st.HardState.GetTerm() || g.lead != id.Replica(st.Lead) {
		g.changed = true
	}
	g.term, g.commit, g.lead = st.HardState.GetTerm(), st.HardState.GetCommit(), id.Replica(st.Lead)
	g.isLeader, g.idle = st.RaftState == raft.StateLeader, st.RaftState == raft.StateFollower
}

// Tick says that one tick of the driver's clock has passed.
func (g *Group) Tick() error {
	if g.removed {
		return nil
	}
	g.ticks++
	g.rn.Tick()
	g.refresh()
	if err := g.campaignAlone(); err != nil {
		return err
	}
	g.retryProposals()
	g.retryReads()
	g.maybeTruncate()
	if g.ticks-g.lastBusy > cacheIdleTicks {
		g.log.dropCache()
	}
	return nil
}

// Campaign starts an election without waiting for a timeout.
func (g *Group) Campaign() error { return g.rn.Campaign() }

// Transfer asks the leader, which must be this replica, to hand its leadership over.
func (g *Group) Transfer(to id.Replica) error {
	g.refresh()
	if !g.isLeader {
		return fmt.Errorf("transfer group %s to replica %d: %w", g.cfg.Group, to, ErrNotLeader)
	}
	g.rn.TransferLeader(uint64(to))
	return nil
}

// Unreachable says that messages to a replica were lost.
func (g *Group) Unreachable(to id.Replica) {
	if !g.removed {
		g.rn.ReportUnreachable(uint64(to))
	}
}

// SnapshotSent ends the transfer that an effect asked for. It must come for each, or the receiver gets nothing more.
func (g *Group) SnapshotSent(to id.Replica, ok bool) {
	status := raft.SnapshotFailure
	if ok {
		status = raft.SnapshotFinish
	}
	if !g.removed {
		g.rn.ReportSnapshot(uint64(to), status)
	}
}

// AppliedDurable says that everything up to an applied index is on stable storage.
func (g *Group) AppliedDurable(index uint64) { g.durable = max(g.durable, index) }

// maybeTruncate removes the beginning of the log that nobody here needs any more.
func (g *Group) maybeTruncate() {
	target := g.truncationTarget()
	if target <= g.log.truncated.index {
		return
	}
	count := target - g.log.truncated.index
	size := g.log.bytes * int64(count) / int64(max(1, g.log.last-g.log.truncated.index))
	if size < g.cfg.TruncateBytes && count < truncateEntries {
		return
	}
	term, err := g.log.Term(target)
	if err != nil {
		g.cfg.Logger.Errorf("truncate the log at %d: %v", target, err)
		return
	}
	from := g.log.truncated.index + 1
	mark := entryID{target, term}
	g.log.truncate(mark)
	g.emit(&Append{group: g.cfg.Group, keys: g.keys, self: g.self, truncateFrom: from, truncate: &mark})
}

// truncationTarget is the last index that may go: applied durably, and held by every replica that is near enough.
func (g *Group) truncationTarget() uint64 {
	target := min(g.durable, g.place.index)
	if g.onlyVoter() && len(g.place.conf.GetLearners()) == 0 {
		return target
	}
	if g.log.bytes > g.cfg.LogBytesMax {
		return target
	}
	if !g.isLeader {
		if g.log.bytes > g.cfg.FollowerLogBytes {
			return target
		}
		return 0
	}
	g.rn.WithProgress(func(r uint64, _ raft.ProgressType, pr progress) {
		if r != uint64(g.self) {
			target = min(target, max(pr.Match, pr.PendingSnapshot))
		}
	})
	return target
}

// describeSnapshot is the metadata of the newest state.
func (g *Group) describeSnapshot() (*raftpb.Snapshot, error) {
	if g.place.index == 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(g.place.index), Term: new(g.place.term), ConfState: g.place.conf,
	}}, nil
}

// ErrNotLeader reports a call that only the leader can serve.
var ErrNotLeader = errors.New("raftgroup: not the leader")
