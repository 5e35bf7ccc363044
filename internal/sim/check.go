package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/anishathalye/porcupine"
	"go.etcd.io/raft/v3/raftpb"

	"grange/internal/raftgroup"
	"grange/internal/raftgroup/core"
)

// checker holds the invariants.
type checker struct {
	w   *World
	err error

	leaders   map[uint64]int     // by term
	entries   map[entryID]uint64 // hash of the data of every entry that was ever written
	committed map[uint64]entryID // by index: what was applied there
	data      map[uint64]uint64  // by index: hash of the data that was applied there
	states    map[uint64]uint64  // by applied index: hash of the replicated state
	promises  map[int]uint64     // by node: the highest term in which it promised something
	hard      map[int]raftpbHard // by node, as it was last written
	opIndex   map[uint64]uint64  // by operation: where it was applied first
	acked     map[uint64]uint64  // by operation: its index
	snapshots int
	lastOp    uint64
	ops       []porcupine.Operation
}

type entryID struct{ index, term uint64 }

type raftpbHard struct{ term, vote, commit uint64 }

func newChecker(w *World) *checker {
	return &checker{
		w: w, leaders: map[uint64]int{}, entries: map[entryID]uint64{}, committed: map[uint64]entryID{},
		data: map[uint64]uint64{}, states: map[uint64]uint64{}, promises: map[int]uint64{}, hard: map[int]raftpbHard{},
		opIndex: map[uint64]uint64{}, acked: map[uint64]uint64{},
	}
}

// fail keeps the first violation.
func (k *checker) fail(format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("at %v: %s", k.w.now, fmt.Sprintf(format, args...))
	}
}

func hashOf(data []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(data) // never fails
	return h.Sum64()
}

// leader: at most one in each term.
func (k *checker) leader(n *node) {
	if n.core == nil || !n.core.Leading() {
		return
	}
	_, term := n.core.Leader()
	if other, ok := k.leaders[term]; ok && other != n.n {
		k.fail("nodes %d and %d both lead in term %d", other, n.n, term)
	}
	k.leaders[term] = n.n
}

// wrote: one term and index name one entry, on all nodes (log matching).
func (k *checker) wrote(a *core.Append) {
	a.Each(func(index, term uint64, data []byte) {
		e := entryID{index, term}
		h := hashOf(data)
		if old, ok := k.entries[e]; ok && old != h {
			k.fail("two entries of index %d and term %d", index, term)
		}
		k.entries[e] = h
	})
}

// applying: what was committed at an index never changes.
func (k *checker) applying(n *node, work *core.Apply) {
	work.Each(func(index, term uint64, data []byte) {
		e := entryID{index, term}
		if old, ok := k.committed[index]; ok && old != e {
			k.fail("node %d applies index %d of term %d, another applied term %d there", n.n, index, term, old.term)
		}
		k.committed[index] = e
		if old, ok := k.data[index]; ok && old != hashOf(data) {
			k.fail("node %d applies other data at index %d", n.n, index)
		}
		k.data[index] = hashOf(data)
	})
}

// appliedState: replicas at one applied index are equal.
func (k *checker) appliedState(n *node, index uint64) {
	h := fnv.New64a()
	for _, space := range stateHashSpaces() {
		it, err := n.disk.db.NewIter(space.Bounds())
		if err != nil {
			k.fail("node %d: %v", n.n, err)
			return
		}
		for it.First(); it.Valid(); it.Next() {
			fmt.Fprintf(h, "%x=%x\n", it.Key(), it.Value())
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			k.fail("node %d: %v", n.n, err)
		}
	}
	sum := h.Sum64()
	if old, ok := k.states[index]; ok && old != sum {
		k.fail("node %d has another state at applied index %d", n.n, index)
	}
	k.states[index] = sum
	k.w.note("state %d %d %x\n", n.n, index, sum)
}

// promised: remembers what a node told others that it will not forget.
func (k *checker) promised(n *node, m core.Message) {
	if m.Raft == nil || m.Raft.GetReject() {
		return
	}
	if t := m.Raft.GetType(); t == raftpb.MsgVoteResp || t == raftpb.MsgAppResp {
		k.promises[n.n] = max(k.promises[n.n], m.Raft.GetTerm())
	}
}

// started: a node that comes back has kept its promises.
func (k *checker) started(n *node, s core.Status) {
	if s.Term < k.promises[n.n] {
		k.fail("node %d comes back in term %d and promised something in term %d", n.n, s.Term, k.promises[n.n])
	}
	delete(k.hard, n.n)
}

// hardState: terms and commits go up, and one term has one vote.
func (k *checker) hardState(n *node) {
	term, vote, commit, err := core.ReadHardState(n.disk.db, group)
	if err != nil {
		k.fail("node %d: %v", n.n, err)
		return
	}
	now := raftpbHard{term, vote, commit}
	old := k.hard[n.n]
	if now.term < old.term || now.commit < old.commit || now.term == old.term && old.vote != 0 && now.vote != old.vote {
		k.fail("node %d goes from %+v to %+v", n.n, old, now)
	}
	k.hard[n.n] = now
}

// acknowledged: a write that a client hears of is durable at a majority.
func (k *checker) acknowledged(n *node, op uint64) {
	raw, err := n.disk.db.Get(raftgroup.StateSpace(group).Key([]byte{'o'}, command(0, op)[1:9]))
	if err != nil {
		k.fail("node %d acknowledges operation %d without having applied it", n.n, op)
		return
	}
	index := value(raw)
	k.acked[op] = index
	have := 0
	for _, other := range k.w.nodes {
		if k.durableAt(other, k.committed[index]) {
			have++
		}
	}
	if have <= len(k.w.nodes)/2 {
		k.fail("operation %d at index %d is acknowledged and durable on %d of %d nodes", op, index, have, len(k.w.nodes))
	}
}

// durableAt tells whether a node would still have an entry if it crashed now.
func (k *checker) durableAt(n *node, e entryID) bool {
	if s, err := core.ReadTruncated(n.disk.synced, group); err == nil && s >= e.index {
		return true
	}
	term, err := core.ReadTerm(n.disk.synced, group, e.index)
	return err == nil && term == e.term
}

// final: everybody answers and agrees, nothing acknowledged is lost, and the histories are linearizable.
func (k *checker) final() {
	k.w.quiet = true
	k.live()
	k.w.runUntil(k.w.now + 3*time.Second)
	for _, n := range k.w.nodes {
		k.holdsAcknowledged(n)
		if a, b := n.core.Status().Applied, k.w.nodes[0].core.Status().Applied; a != b {
			k.fail("nodes %d and 0 have applied %d and %d in a quiet world", n.n, a, b)
		}
	}
	if k.err == nil && porcupine.CheckOperationsTimeout(model, k.ops, 10*time.Second) == porcupine.Illegal {
		k.fail("the clients' histories are not linearizable")
	}
}

func (k *checker) holdsAcknowledged(n *node) {
	for op := uint64(1); op <= k.lastOp; op++ {
		index, ok := k.acked[op]
		if !ok {
			continue
		}
		raw, err := n.disk.db.Get(raftgroup.StateSpace(group).Key([]byte{'o'}, command(0, op)[1:9]))
		if err != nil || value(raw) != index {
			k.fail("node %d has lost operation %d, acknowledged at index %d: %v", n.n, op, index, err)
		}
	}
}

// live: with all faults gone each node takes a write.
func (k *checker) live() {
	for _, n := range k.w.nodes {
		k.lastOp++
		in, called := input{register: 0, write: k.lastOp}, k.w.now
		out := output{}
		n.propose(command(0, k.lastOp), func(d core.Done) {
			if d.Err == nil {
				out = output{value(d.Result), true}
			}
			k.history(-1-n.n, in, out, called)
		})
		for deadline := k.w.now + 10*time.Second; !out.known && k.err == nil && k.w.now < deadline; {
			k.w.runUntil(k.w.now + 50*time.Millisecond)
		}
		if k.err == nil && !out.known {
			k.fail("node %d does not answer after healing: %+v", n.n, n.core.Status())
		}
	}
}
