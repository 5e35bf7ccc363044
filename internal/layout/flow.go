package layout

import (
	"math"
	"slices"
)

// network is the flow network of a problem:
//
//	source → partition            as many as there are copies
//	partition → place             1, one place for each zone
//	place → node                  1, free: a node of the zone that holds the partition already
//	place → zone                  1, at the cost of 1: some other node of the zone, which has to fetch it
//	zone → node, node → sink      what the node can hold
//
// A place without a holder needs no vertex of its own: then partition → zone is one edge at the cost of 1. Which of the
// partitions that reach a zone go to which of its nodes is left open, since a partition reaches a zone only once.
// A maximum flow of least cost is an assignment of all copies that moves least.
type network struct {
	p      *problem
	edges  []edge
	out    [][]int // of each vertex: its edges; an edge and the one back are edges[e] and edges[e^1]
	dist   []int   // of each vertex: least cost from the source
	level  []int   // of each vertex: steps from the source within the edges of least cost
	next   []int   // of each vertex: the first edge not yet tried
	source int
	sink   int
}

// edge has small fields: there are as many edges as partitions times zones.
type edge struct {
	to   int32
	left int32 // capacity that is not used
	cost int32
}

const unreached = math.MaxInt32 / 2

func (n *network) vertex() int {
	n.out = append(n.out, nil)
	return len(n.out) - 1
}

func (n *network) connect(from, to, capacity, cost int) {
	n.out[from] = append(n.out[from], len(n.edges))
	n.out[to] = append(n.out[to], len(n.edges)+1)
	n.edges = append(n.edges, edge{int32(to), int32(capacity), int32(cost)}, edge{int32(from), 0, int32(-cost)})
}

// The vertices stand in the order: partitions, zones, nodes, source, sink, places.
func (p *problem) zoneVertex(z int) int { return p.in.Partitions + z }
func (p *problem) nodeVertex(n int) int { return p.in.Partitions + len(p.zones) + n }

func (p *problem) network() *network {
	n := &network{p: p}
	for range p.in.Partitions + len(p.zones) + len(p.nodes) {
		n.vertex()
	}
	n.source, n.sink = n.vertex(), n.vertex()
	for node, most := range p.most {
		n.connect(p.zoneVertex(p.zoneOf[node]), p.nodeVertex(node), most, 0)
		n.connect(p.nodeVertex(node), n.sink, most, 0)
	}
	for i, zones := range p.preferences() {
		n.connect(n.source, i, p.in.Copies, 0)
		for _, z := range zones {
			n.connectPlace(i, z)
		}
	}
	n.dist = make([]int, len(n.out))
	n.level = make([]int, len(n.out))
	n.next = make([]int, len(n.out))
	return n
}

func (n *network) connectPlace(partition, z int) {
	p := n.p
	place := partition
	for _, node := range p.holders[partition] {
		if p.zoneOf[node] != z {
			continue
		}
		if place == partition {
			place = n.vertex()
			n.connect(partition, place, 1, 0)
		}
		n.connect(place, p.nodeVertex(node), 1, 0)
	}
	n.connect(place, p.zoneVertex(z), 1, 1)
}

// solve finds the maximum flow of least cost: for each cost of a path, from the least on, as many such paths as there
// are (the primal-dual method, with Dinic's algorithm among the paths of one cost).
func (n *network) solve() {
	for n.measure() {
		for n.rank() {
			clear(n.next)
			for n.push(n.source, unreached) > 0 {
			}
		}
	}
}

// measure computes dist, by Bellman and Ford with a queue, and tells whether the sink can be reached.
func (n *network) measure() bool {
	for v := range n.dist {
		n.dist[v] = unreached
	}
	n.dist[n.source] = 0
	queue, queued := []int{n.source}, make([]bool, len(n.out))
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		queued[v] = false
		for _, e := range n.out[v] {
			to := int(n.edges[e].to)
			if d := n.dist[v] + int(n.edges[e].cost); n.edges[e].left > 0 && d < n.dist[to] {
				n.dist[to] = d
				if !queued[to] {
					queued[to] = true
					queue = append(queue, to)
				}
			}
		}
	}
	return n.dist[n.sink] < unreached
}

// tight tells whether an edge with room lies on a path of least cost.
func (n *network) tight(from, e int) bool {
	return n.edges[e].left > 0 && n.dist[n.edges[e].to] == n.dist[from]+int(n.edges[e].cost)
}

// rank computes level, and tells whether the sink can be reached at least cost.
func (n *network) rank() bool {
	for v := range n.level {
		n.level[v] = unreached
	}
	n.level[n.source] = 0
	for queue := []int{n.source}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		for _, e := range n.out[v] {
			if to := int(n.edges[e].to); n.tight(v, e) && n.level[to] == unreached {
				n.level[to] = n.level[v] + 1
				queue = append(queue, to)
			}
		}
	}
	return n.level[n.sink] < unreached
}

// push sends up to room units from v to the sink along one path, and tells how many.
func (n *network) push(v, room int) int {
	if v == n.sink {
		return room
	}
	for ; n.next[v] < len(n.out[v]); n.next[v]++ {
		e := n.out[v][n.next[v]]
		to := int(n.edges[e].to)
		if !n.tight(v, e) || n.level[to] != n.level[v]+1 {
			continue
		}
		if sent := n.push(to, min(room, int(n.edges[e].left))); sent > 0 {
			n.edges[e].left -= int32(sent)
			n.edges[e^1].left += int32(sent)
			return sent
		}
	}
	return 0
}

// choice reads a partition's part of the flow: the nodes that keep it, and the zones where another node fetches it.
func (n *network) choice(partition int) (kept, zones []int) {
	p := n.p
	n.used(partition, func(to int) {
		if to < p.zoneVertex(len(p.zones)) {
			zones = append(zones, to-p.zoneVertex(0))
			return
		}
		n.used(to, func(to int) {
			if to < p.zoneVertex(len(p.zones)) {
				zones = append(zones, to-p.zoneVertex(0))
			} else {
				kept = append(kept, to-p.nodeVertex(0))
			}
		})
	})
	slices.Sort(kept)
	return kept, zones
}

// used visits the vertices to which flow goes from v. All edges out of partitions and places are of capacity 1.
func (n *network) used(v int, visit func(to int)) {
	for _, e := range n.out[v] {
		if e%2 == 0 && n.edges[e].left == 0 {
			visit(int(n.edges[e].to))
		}
	}
}
