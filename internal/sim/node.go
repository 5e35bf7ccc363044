package sim

import (
	"errors"
	"fmt"
	"time"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/core"
	"grange/internal/raftgroup/grouppb"
	"grange/internal/transport"
)

const (
	group     = id.Group(16)
	tick      = 100 * time.Millisecond
	chunkSize = 256
)

// node is one simulated machine with one replica.
type node struct {
	w      *World
	n      int
	disk   *disk
	epoch  uint64 // counts starts: what was meant for an earlier run is dropped
	up     bool
	paused time.Duration // events wait until then

	core      *core.Group
	applier   *core.Applier
	assembler core.Assembler
	appends   []*core.Append
	writing   bool
	applies   []*core.Apply
	applying  bool
	applied   uint64
	durable   uint64
	token     core.Token
	waiting   map[core.Token]func(core.Done)
}

func newNode(w *World, n int) *node {
	return &node{w: w, n: n, disk: newDisk(&w.cfg.Broken)}
}

func (n *node) id() id.Replica { return id.Replica(n.n + 1) }

// fail reports a violation.
func (n *node) fail(format string, args ...any) {
	n.w.check.fail("node %d: %s", n.n, fmt.Sprintf(format, args...))
}

// guard runs a call of the core, and reports an error or panic as a violation.
func (n *node) guard(what string, call func() error) {
	defer func() {
		if p := recover(); p != nil {
			n.fail("%s: panic: %v", what, p)
		}
	}()
	if err := call(); err != nil {
		n.fail("%s: %v", what, err)
	}
}

// later does something on this node, unless it was restarted meanwhile. A paused node does it when it wakes.
func (n *node) later(d time.Duration, name string, do func()) {
	epoch := n.epoch
	var run func()
	run = func() {
		switch {
		case !n.up || n.epoch != epoch:
		case n.paused > n.w.now:
			n.w.after(n.paused-n.w.now, name, run)
		default:
			do()
		}
	}
	n.w.after(d, name, run)
}

func (n *node) start() {
	n.epoch++
	n.up, n.paused = true, 0
	n.appends, n.writing, n.applies, n.applying = nil, false, nil, false
	n.assembler = core.Assembler{}
	n.waiting = map[core.Token]func(core.Done){}
	n.bootstrap()
	n.guard("start", func() (err error) {
		n.core, err = core.Load(core.Config{
			Group: group, Node: nodeID(n.n), Boot: n.w.rng.Uint64(), Reader: n.disk.db,
			ElectionTicks: 10, HeartbeatTicks: 2, RetryTicks: 5,
			CacheBytes: 1 << 10, TruncateBytes: 512, LogBytesMax: 4 << 10, FollowerLogBytes: 1 << 10,
		})
		return err
	})
	if n.core == nil {
		return
	}
	n.applier = core.NewApplier(group, machine{n.w.check})
	s := n.core.Status()
	n.applied, n.durable = s.Applied, s.Applied
	n.w.check.started(n, s)
	n.tickLater()
	n.ready()
}

// bootstrap writes the first records, durably, when the disk is new.
func (n *node) bootstrap() {
	if _, err := core.ReplicaOf(n.disk.db, group); err == nil {
		return
	}
	var voters []id.Replica
	members := core.Members{}
	for i := range n.w.cfg.Nodes {
		voters = append(voters, id.Replica(i+1))
		members[id.Replica(i+1)] = nodeID(i)
	}
	b := n.disk.db.NewWriteBatch()
	n.guard("bootstrap", func() error {
		if err := core.Bootstrap(n.disk.db, b, group, n.id(), voters, nil, members); err != nil {
			return err
		}
		return n.disk.commit(b)
	})
	n.disk.synced, n.disk.unsaved = n.disk.db.Fork(), nil
}

func (n *node) crash() {
	n.up = false
	n.core = nil
	waiting := n.waiting
	n.waiting = nil
	n.disk.crash(n.w.rng.IntN)
	for t := core.Token(0); t <= n.token; t++ {
		if done := waiting[t]; done != nil {
			done(core.Done{Err: errCrashed})
		}
	}
}

func (n *node) tickLater() {
	n.later(tick, fmt.Sprint("tick ", n.n), func() {
		n.tickLater()
		n.core.AppliedDurable(n.durable)
		n.guard("tick", n.core.Tick)
		n.ready()
	})
}

// ready carries out what the core wants.
func (n *node) ready() {
	if n.w.check.err != nil {
		return
	}
	var out core.Effects
	n.guard("ready", func() error { out = n.core.Ready(); return nil })
	n.w.check.leader(n)
	n.appends = append(n.appends, out.Appends...)
	n.write()
	n.applies = append(n.applies, out.Applies...)
	n.apply()
	n.send(out.Messages)
	for _, req := range out.Snapshots {
		n.sendSnapshot(req)
	}
	for _, d := range out.Done {
		if done := n.waiting[d.Token]; done != nil {
			delete(n.waiting, d.Token)
			done(d)
		}
	}
}

// write commits what waits in one batch, and syncs it.
func (n *node) write() {
	if n.writing || len(n.appends) == 0 {
		return
	}
	n.writing = true
	round := n.appends
	n.appends = nil
	b := n.disk.db.NewWriteBatch()
	sync := false
	n.guard("write", func() error {
		for _, a := range round {
			n.w.check.wrote(a)
			sync = sync || a.Sync
			if err := n.writeOne(a, b); err != nil {
				return err
			}
		}
		return n.disk.commit(b)
	})
	n.w.check.hardState(n)
	mark, batches, applied := n.disk.mark(), len(n.disk.unsaved), n.applied
	took := n.w.between(100*time.Microsecond, 20*time.Millisecond)
	if n.w.chance(n.w.cfg.Faults.SlowDisk) {
		took = n.w.between(100*time.Millisecond, time.Second)
	}
	if n.w.cfg.Broken.RespondBeforeSync {
		n.later(0, fmt.Sprint("respond ", n.n), func() { n.written(round) })
	}
	n.later(took, fmt.Sprint("synced ", n.n), func() {
		if sync {
			n.disk.save(mark, batches)
			n.durable = applied
		}
		n.writing = false
		if n.w.cfg.Broken.RespondBeforeSync {
			n.write()
		} else {
			n.written(round)
		}
	})
}

func (n *node) writeOne(a *core.Append, b kv.WriteBatch) error {
	var w kv.Writer = b
	if n.w.cfg.Broken.KeepStaleTail {
		w = &tailKeeper{Writer: b, log: kv.GroupSpace(group).Sub('l')}
	}
	_, err := a.Write(w, nil)
	return err
}

func (n *node) written(round []*core.Append) {
	n.guard("appended", func() error {
		for _, a := range round {
			if err := n.core.Appended(a); err != nil {
				return err
			}
		}
		return nil
	})
	n.ready()
}

// apply runs the state machine over what waits.
func (n *node) apply() {
	if n.applying || len(n.applies) == 0 {
		return
	}
	n.applying = true
	work := n.applies[0]
	n.applies = n.applies[1:]
	n.later(n.w.between(0, 10*time.Millisecond), fmt.Sprint("apply ", n.n), func() {
		var res *core.Applied
		n.guard("apply", func() (err error) {
			n.w.check.applying(n, work)
			if n.w.cfg.Broken.NoDedupe {
				n.applier = core.NewApplier(group, machine{n.w.check})
			}
			b := newStateBatch(n.disk)
			if res, err = n.applier.Apply(b, work); err != nil {
				return err
			}
			return n.disk.commitState(b)
		})
		if res == nil {
			return
		}
		n.applied = res.Index()
		n.w.check.appliedState(n, res.Index())
		n.applying = false
		n.guard("applied", func() error { return n.core.Applied(work, res) })
		n.ready()
	})
}

// send puts messages together by receiver and class, as the shell does, and hands them to the network.
func (n *node) send(messages []core.Message) {
	type dest struct {
		node  int
		class transport.Class
	}
	var order []dest
	frames := map[dest][]core.Parcel{}
	for _, m := range messages {
		n.w.check.promised(n, m)
		p := core.Parcel{Group: group, Message: m}
		d := dest{int(m.Node[15]) - 1, p.Class()}
		if d.node < 0 {
			continue // nobody knows where the receiver lives
		}
		if frames[d] == nil {
			order = append(order, d)
		}
		frames[d] = append(frames[d], p)
	}
	for _, d := range order {
		n.w.transmit(n.n, d.node, frames[d])
	}
}

// receive takes a frame from the network.
func (n *node) receive(from int, raw []byte) {
	parcels, err := core.DecodeFrame(raw)
	if err != nil {
		n.fail("decode: %v", err)
		return
	}
	for _, p := range parcels {
		n.guard("step", func() error { return n.step(nodeID(from), p) })
	}
	n.ready()
}

func (n *node) step(from id.Node, p core.Parcel) error {
	if p.Chunk == nil {
		return n.core.Step(from, p.Message)
	}
	image, err := n.assembler.Add(p.Chunk)
	if errors.Is(err, core.ErrBrokenStream) {
		return nil // a chunk was lost: the sender begins again
	}
	if err != nil || image == nil {
		return err
	}
	n.w.check.snapshots++
	return n.core.StepSnapshot(from, image)
}

// sendSnapshot sends the state in chunks, some time apart.
func (n *node) sendSnapshot(req core.SnapshotRequest) {
	var chunks []*grouppb.Chunk
	snap := n.disk.db.Snapshot()
	n.guard("snapshot", func() error {
		return core.BuildSnapshot(snap, group, req, n.w.rng.Uint64(), chunkSize, func(c *grouppb.Chunk) error {
			chunks = append(chunks, c)
			return nil
		})
	})
	to := int(req.Node[15]) - 1
	delay := time.Duration(0)
	for _, c := range chunks {
		delay += n.w.between(0, 5*time.Millisecond)
		p := core.Parcel{Group: group, Chunk: c, Message: core.Message{From: n.id(), To: req.To}}
		n.later(delay, fmt.Sprint("chunk ", n.n), func() { n.w.transmitOrdered(n.n, to, []core.Parcel{p}) })
	}
	ok := !n.w.chance(n.w.cfg.Faults.Loss)
	n.later(delay+50*time.Millisecond, fmt.Sprint("snapshot sent ", n.n), func() {
		n.guard("snapshot sent", func() error { n.core.SnapshotSent(req.To, ok); return nil })
		n.ready()
	})
}

// propose gives a command to this node's replica.
func (n *node) propose(command []byte, done func(core.Done)) {
	n.token++
	n.waiting[n.token] = done
	n.core.Propose(n.token, command)
	n.ready()
}

// barrier waits until this node may be read.
func (n *node) barrier(done func(core.Done)) {
	n.token++
	n.waiting[n.token] = done
	n.core.Barrier(n.token)
	n.ready()
}
