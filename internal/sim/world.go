package sim

import (
	"container/heap"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"grange/internal/id"
)

// Config says what a world is like. The zero value is a calm world of three nodes.
type Config struct {
	Seed    uint64
	Nodes   int           // voters; 0 means 3
	Clients int           // 0 means 4
	Faulty  time.Duration // how long faults happen
	Healing time.Duration // how long the world then has to become live; 0 means 20 s
	Faults  Faults
	Broken  Broken
}

// Broken switches rules off, to see that it is noticed.
type Broken struct {
	RespondBeforeSync  bool // promises leave before the disk has them
	KeepStaleTail      bool // entries behind overwritten ones stay on disk
	AppliedNotAtomic   bool // the applied index is not written with the state
	NoDedupe           bool // results of commands are not kept
	ReadWithoutBarrier bool // clients read whatever the node has
	ReadOnceCommitted  bool // a leader reads when it has applied what it knows as committed
	LoseSyncedWrites   bool // the disk lies about syncs
}

// World is the simulated world.
type World struct {
	cfg    Config
	rng    *rand.Rand
	now    time.Duration
	events eventHeap
	made   uint64 // events so far
	nodes  []*node
	net    network
	check  *checker
	trace  hash.Hash64
	faulty bool
	quiet  bool // clients begin nothing more

	clients []*client
	ops     int
}

// event is something that happens at a time.
type event struct {
	at    time.Duration
	order uint64
	name  string
	do    func()
}

type eventHeap []*event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}

func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *eventHeap) Push(x any) { *h = append(*h, x.(*event)) }

// Pop is for container/heap.
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

// New makes a world whose nodes are started.
func New(cfg Config) *World {
	if cfg.Nodes == 0 {
		cfg.Nodes = 3
	}
	if cfg.Clients == 0 {
		cfg.Clients = 4
	}
	if cfg.Healing == 0 {
		cfg.Healing = 20 * time.Second
	}
	w := &World{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0)), trace: fnv.New64a()}
	w.check = newChecker(w)
	w.net.cut = map[[2]int]bool{}
	for i := range cfg.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for _, n := range w.nodes {
		n.start()
	}
	for i := range cfg.Clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	return w
}

// after schedules something.
func (w *World) after(d time.Duration, name string, do func()) {
	w.made++
	heap.Push(&w.events, &event{w.now + d, w.made, name, do})
}

// between is a random duration.
func (w *World) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

// chance is true with probability p.
func (w *World) chance(p float64) bool { return w.rng.Float64() < p }

func (w *World) note(format string, args ...any) {
	fmt.Fprintf(w.trace, "%d ", w.now)
	fmt.Fprintf(w.trace, format, args...)
}

// Trace is a hash of everything that has happened.
func (w *World) Trace() uint64 { return w.trace.Sum64() }

// Ops is the number of operations that clients have finished.
func (w *World) Ops() int { return w.ops }

// Run lets the world run through its faults and its healing. It returns the first violation, nil when all held.
func (w *World) Run() error {
	w.faulty = w.cfg.Faulty > 0
	if w.faulty {
		w.scheduleFault()
	}
	w.runUntil(w.cfg.Faulty)
	w.heal()
	w.runUntil(w.cfg.Faulty + w.cfg.Healing)
	if w.check.err == nil {
		w.check.final()
	}
	return w.check.err
}

func (w *World) runUntil(end time.Duration) {
	for w.check.err == nil && len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(*event)
		w.now = e.at
		w.note("%s\n", e.name)
		e.do()
	}
	w.now = end
}

// nodeID is the identity of a node.
func nodeID(i int) id.Node { return id.Node{15: byte(i + 1)} }
