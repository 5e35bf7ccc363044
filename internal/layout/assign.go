package layout

import (
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// assign finds the assignment that moves least, and among those a well spread one. The size was chosen so that there
// is one.
func (p *problem) assign() [][]int {
	n := p.network()
	n.solve()
	assigned := make([][]int, p.in.Partitions)
	loads := make([]int, len(p.nodes))
	newcomers := make([][]int, len(p.zones)) // of each zone: the partitions that a node of it is to fetch
	for i := range assigned {
		kept, zones := n.choice(i)
		assigned[i] = kept
		for _, node := range kept {
			loads[node]++
		}
		for _, z := range zones {
			newcomers[z] = append(newcomers[z], i)
		}
	}
	for z, partitions := range newcomers {
		for i, node := range p.share(p.zones[z], loads, len(partitions)) {
			assigned[partitions[i]] = append(assigned[partitions[i]], node)
		}
	}
	return assigned
}

// share chooses nodes of a zone for n more partitions: always the one that is then filled least. The nodes come in an
// order that differs from zone to zone, so that neighbours in one zone are not neighbours in the next.
func (p *problem) share(z zone, loads []int, n int) []int {
	nodes := make([]int, 0, n)
	for range n {
		best := -1
		for node := z.first; node < z.last; node++ {
			if loads[node] < p.most[node] && (best < 0 || emptier(loads[node], p.nodes[node].Capacity, loads[best], p.nodes[best].Capacity)) {
				best = node
			}
		}
		loads[best]++
		nodes = append(nodes, best)
	}
	random(z.name).Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes
}

// emptier tells whether a, with one partition more, is filled less than b with one more: (a+1)/ca < (b+1)/cb.
func emptier(a int, ca int64, b int, cb int64) bool {
	hiA, loA := bits.Mul64(uint64(a+1), uint64(cb))
	hiB, loB := bits.Mul64(uint64(b+1), uint64(ca))
	return hiA < hiB || hiA == hiB && loA < loB
}

// random is a generator that always gives the same numbers for a name.
func random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return rand.New(rand.NewPCG(h.Sum64(), 0))
}

// quotas is how many partitions each zone holds when the zones are filled alike.
func (p *problem) quotas() []int {
	quotas := make([]int, len(p.zones))
	for range p.in.Copies * p.in.Partitions {
		best := -1
		for z := range p.zones {
			if quotas[z] < p.zones[z].most && (best < 0 || emptier(quotas[z], p.zones[z].capacity, quotas[best], p.zones[best].capacity)) {
				best = z
			}
		}
		quotas[best]++
	}
	return quotas
}

// preferences is, for each partition, the order in which to try the zones. When nothing binds the partition to where it
// was, the first of them make an assignment that fills the quotas exactly: always taking the zones with most of their
// quota left ends with nothing left (the greedy proof of Gale and Ryser's theorem).
func (p *problem) preferences() [][]int {
	left := p.quotas()
	rng := random("preferences")
	order := make([][]int, p.in.Partitions)
	for i := range order {
		zones := rng.Perm(len(p.zones))
		slices.SortStableFunc(zones, func(a, b int) int { return left[b] - left[a] })
		for _, z := range zones[:p.in.Copies] {
			left[z]--
		}
		order[i] = zones
	}
	return order
}
