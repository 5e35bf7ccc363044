// Package layout computes which nodes hold the copies of each partition of the block space.
//
// # The problem
//
// Nodes stand in zones and have capacities. Each of P partitions is to be held by R nodes in R distinct zones. All
// partitions have the same size, so that a node of capacity c holds at most ⌊c/s⌋ of them when their size is s. Wanted
// is, in this order:
//
//  1. the largest s, since s·P is what the cluster can store;
//  2. the fewest copies that have to be moved from the assignment before;
//  3. nodes, and zones, that are filled alike, and partitions of one node whose other copies are spread over many
//     nodes, so that its loss is repaired by all of them.
//
// # How it is solved
//
// Garage finds s by binary search with a maximum flow at each step. It can be had without a flow: a zone z holds at
// most q(z) = min(P, Σ ⌊c/s⌋) partitions, and by the theorem of Gale and Ryser R distinct zones can be found for every
// partition exactly when Σ q(z) ≥ R·P; which node within a zone takes a partition is free, since it takes no partition
// twice. So s is a binary search over a sum. (2) is a maximum flow of least cost, solved exactly (flow.go). (3) chooses
// among what the first two leave open.
//
// The package is pure and deterministic: the same nodes, in any order, and the same previous assignment give the same
// plan.
package layout

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"grange/internal/id"
)

// ErrImpossible reports that there is no assignment; the message says in plain words what is missing.
var ErrImpossible = errors.New("layout: impossible")

// Limits of what Compute accepts.
const (
	// PartitionsMax is the most partitions, a power of two.
	PartitionsMax = 1 << 16
	// CapacityMax is the largest capacity of one node, in bytes (1 EiB).
	CapacityMax = 1 << 60
)

// Node is a node as the layout sees it.
type Node struct {
	ID       id.Node
	Zone     string
	Capacity int64 // bytes for blocks; 0: it holds none (gateways and witnesses)
}

// Input is what a plan is computed from.
type Input struct {
	Nodes      []Node
	Partitions int // a power of two
	Copies     int // of each partition, in distinct zones
	// Previous is the assignment until now, nil when there was none. Its number of partitions may be another power of
	// two: a partition is a prefix of the block's hash, and is cut in two or joined with its neighbour.
	Previous [][]id.Node
}

// Plan is an assignment and what it means.
type Plan struct {
	// Partitions holds the nodes of each partition: as many as there are copies, in the order of their ids.
	Partitions [][]id.Node
	// PartitionSize is how many bytes each partition can hold.
	PartitionSize int64
	// Nodes tells about each node of the input, and of the previous assignment, in the order of zones and ids.
	Nodes []NodeUse
	// Moves is the number of copies of partitions that a node has to fetch.
	Moves int
}

// NodeUse is what a plan means for one node.
type NodeUse struct {
	Node
	Gone       bool // only the previous assignment knows the node
	Partitions int  // that it holds
	Gains      int  // partitions that it holds now and did not hold before
	Loses      int  // the other way round
}

// Usable is how many bytes the cluster can store, each counted once however many copies it has.
func (p *Plan) Usable() int64 { return p.PartitionSize * int64(len(p.Partitions)) }

// Zones counts the zones that can hold blocks: the most copies that are possible.
func Zones(nodes []Node) int {
	zones := make(map[string]bool)
	for _, n := range nodes {
		if n.Capacity > 0 {
			zones[n.Zone] = true
		}
	}
	return len(zones)
}

// Compute finds the best assignment. The error is ErrImpossible.
func Compute(in Input) (*Plan, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	p := newProblem(in)
	if len(p.zones) < in.Copies {
		return nil, fmt.Errorf("%w: %d copies need %d zones that store blocks, and there are %d: add a zone or keep fewer copies",
			ErrImpossible, in.Copies, in.Copies, len(p.zones))
	}
	size := p.largestSize()
	if size == 0 {
		return nil, fmt.Errorf("%w: the zones have too little capacity for %d partitions in %d copies", ErrImpossible, in.Partitions, in.Copies)
	}
	p.setSize(size)
	return p.plan(p.assign(), size), nil
}

func (in Input) validate() error {
	if in.Partitions < 1 || in.Partitions > PartitionsMax || bits.OnesCount(uint(in.Partitions)) != 1 {
		return fmt.Errorf("%w: %d partitions: must be a power of two up to %d", ErrImpossible, in.Partitions, PartitionsMax)
	}
	if in.Copies < 1 {
		return fmt.Errorf("%w: %d copies", ErrImpossible, in.Copies)
	}
	if n := len(in.Previous); n > PartitionsMax || n > 0 && bits.OnesCount(uint(n)) != 1 {
		return fmt.Errorf("%w: %d previous partitions: must be a power of two up to %d", ErrImpossible, n, PartitionsMax)
	}
	seen := make(map[id.Node]bool)
	for _, n := range in.Nodes {
		if n.Capacity < 0 || n.Capacity > CapacityMax {
			return fmt.Errorf("%w: node %s has a capacity of %d bytes: must be 0 to %d", ErrImpossible, n.ID.Short(), n.Capacity, CapacityMax)
		}
		if seen[n.ID] {
			return fmt.Errorf("%w: node %s is named twice", ErrImpossible, n.ID.Short())
		}
		seen[n.ID] = true
	}
	return nil
}

// problem is the input by numbers instead of names. Nodes without capacity are not in it.
type problem struct {
	in      Input
	nodes   []Node // by zone and id
	most    []int  // of each node: the partitions that it can hold at the chosen size
	zones   []zone // by name
	zoneOf  []int  // of each node
	holders [][]int
}

type zone struct {
	name        string
	first, last int   // the zone's nodes are nodes[first:last]
	capacity    int64 // of all its nodes, at most CapacityMax
	most        int   // partitions that it can hold at the chosen size, at most all
}

func byZone(a, b Node) int {
	return cmp.Or(cmp.Compare(a.Zone, b.Zone), slices.Compare(a.ID[:], b.ID[:]))
}

func newProblem(in Input) *problem {
	p := &problem{in: in}
	for _, n := range in.Nodes {
		if n.Capacity > 0 {
			p.nodes = append(p.nodes, n)
		}
	}
	slices.SortFunc(p.nodes, byZone)
	p.most = make([]int, len(p.nodes))
	index := make(map[id.Node]int)
	for i, n := range p.nodes {
		if i == 0 || n.Zone != p.nodes[i-1].Zone {
			p.zones = append(p.zones, zone{name: n.Zone, first: i})
		}
		z := &p.zones[len(p.zones)-1]
		z.last = i + 1
		z.capacity = min(z.capacity+n.Capacity, CapacityMax)
		p.zoneOf = append(p.zoneOf, len(p.zones)-1)
		index[n.ID] = i
	}
	for _, nodes := range previousOf(in) {
		var holders []int
		for _, n := range nodes {
			if i, ok := index[n]; ok {
				holders = append(holders, i)
			}
		}
		slices.Sort(holders)
		p.holders = append(p.holders, slices.Compact(holders))
	}
	return p
}

// previousOf gives, for each partition of now, the nodes that hold all of it.
func previousOf(in Input) [][]id.Node {
	before, now := len(in.Previous), in.Partitions
	holders := make([][]id.Node, now)
	if before == 0 {
		return holders
	}
	for i := range holders {
		if before <= now {
			holders[i] = in.Previous[i/(now/before)]
			continue
		}
		n := before / now
		holders[i] = slices.Clone(in.Previous[i*n])
		for _, other := range in.Previous[i*n+1 : (i+1)*n] {
			holders[i] = slices.DeleteFunc(holders[i], func(h id.Node) bool { return !slices.Contains(other, h) })
		}
	}
	return holders
}

// capacityOf is how many partitions of a size a zone can hold.
func (p *problem) capacityOf(z zone, size int64) (partitions int) {
	for _, n := range p.nodes[z.first:z.last] {
		partitions = min(partitions+int(min(n.Capacity/size, int64(p.in.Partitions))), p.in.Partitions)
	}
	return partitions
}

// largestSize is the largest size at which all partitions find their zones; 0 when there is none.
func (p *problem) largestSize() int64 {
	fits := func(size int64) bool {
		total := 0
		for _, z := range p.zones {
			total += p.capacityOf(z, size)
		}
		return total >= p.in.Copies*p.in.Partitions
	}
	low, high := int64(0), int64(CapacityMax)+1 // low fits (or is 0), high does not
	for high-low > 1 {
		if mid := low + (high-low)/2; fits(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func (p *problem) setSize(size int64) {
	for i := range p.zones {
		p.zones[i].most = p.capacityOf(p.zones[i], size)
	}
	for i, n := range p.nodes {
		p.most[i] = int(min(n.Capacity/size, int64(p.in.Partitions)))
	}
}

// plan tells what an assignment, given as node numbers, means.
func (p *problem) plan(assigned [][]int, size int64) *Plan {
	plan := &Plan{PartitionSize: size, Partitions: make([][]id.Node, len(assigned))}
	uses := make(map[id.Node]*NodeUse)
	for _, n := range p.in.Nodes {
		uses[n.ID] = &NodeUse{Node: n}
	}
	previous := previousOf(p.in)
	for i, nodes := range assigned {
		for _, n := range nodes {
			use := uses[p.nodes[n].ID]
			use.Partitions++
			plan.Partitions[i] = append(plan.Partitions[i], use.ID)
			if !slices.Contains(p.holders[i], n) {
				use.Gains++
				plan.Moves++
			}
		}
		slices.SortFunc(plan.Partitions[i], func(a, b id.Node) int { return slices.Compare(a[:], b[:]) })
		for _, n := range previous[i] {
			if uses[n] == nil {
				uses[n] = &NodeUse{Node: Node{ID: n}, Gone: true}
			}
			if !slices.Contains(plan.Partitions[i], n) {
				uses[n].Loses++
			}
		}
	}
	for _, use := range uses {
		plan.Nodes = append(plan.Nodes, *use)
	}
	slices.SortFunc(plan.Nodes, func(a, b NodeUse) int { return byZone(a.Node, b.Node) })
	return plan
}
