package layout_test

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grange/internal/id"
	"grange/internal/layout"
)

// node is number i of a zone.
func node(i int, zone string, capacity int64) layout.Node {
	return layout.Node{ID: id.Node{byte(i >> 8), byte(i)}, Zone: zone, Capacity: capacity}
}

func mustCompute(t testing.TB, in layout.Input) *layout.Plan {
	t.Helper()
	p, err := layout.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	check(t, in, p)
	return p
}

// check holds a plan against everything that it promises but the optimum.
func check(t testing.TB, in layout.Input, p *layout.Plan) {
	t.Helper()
	nodes := make(map[id.Node]layout.Node)
	for _, n := range in.Nodes {
		nodes[n.ID] = n
	}
	if len(p.Partitions) != in.Partitions {
		t.Fatalf("%d partitions, want %d", len(p.Partitions), in.Partitions)
	}
	held, zones := make(map[id.Node]int), make(map[string]bool)
	for i, holders := range p.Partitions {
		clear(zones)
		for _, n := range holders {
			held[n]++
			zones[nodes[n].Zone] = true
		}
		if len(holders) != in.Copies || len(zones) != in.Copies {
			t.Fatalf("partition %d is held by %v in %d zones", i, holders, len(zones))
		}
	}
	for n, partitions := range held {
		if p.PartitionSize < 1 || int64(partitions) > nodes[n].Capacity/p.PartitionSize {
			t.Fatalf("node %s of capacity %d holds %d partitions of %d", n.Short(), nodes[n].Capacity, partitions, p.PartitionSize)
		}
	}
	gains := 0
	for _, use := range p.Nodes {
		gains += use.Gains
		if use.Partitions != held[use.ID] {
			t.Fatalf("node %s: told %d partitions, holds %d", use.ID.Short(), use.Partitions, held[use.ID])
		}
	}
	if gains != p.Moves {
		t.Fatalf("%d moves, but nodes gain %d", p.Moves, gains)
	}
}

// twin finds the best size and the fewest moves by trying everything.
type twin struct {
	in     layout.Input
	counts []int
	choice [][]int // sets of nodes that may hold a partition
	size   int64
	moves  int
}

func solveSlowly(in layout.Input) *twin {
	w := &twin{in: in, counts: make([]int, len(in.Nodes))}
	for set := range 1 << len(in.Nodes) {
		var nodes []int
		zones := make(map[string]bool)
		for i, n := range in.Nodes {
			if set>>i&1 == 1 && n.Capacity > 0 {
				nodes = append(nodes, i)
				zones[n.Zone] = true
			}
		}
		if len(nodes) == in.Copies && len(zones) == in.Copies {
			w.choice = append(w.choice, nodes)
		}
	}
	w.try(0, 0)
	return w
}

func (w *twin) try(partition, moves int) {
	if partition < w.in.Partitions {
		for _, nodes := range w.choice {
			gained := 0
			for _, n := range nodes {
				w.counts[n]++
				if !w.held(partition, n) {
					gained++
				}
			}
			w.try(partition+1, moves+gained)
			for _, n := range nodes {
				w.counts[n]--
			}
		}
		return
	}
	size := int64(layout.CapacityMax)
	for n, count := range w.counts {
		if count > 0 {
			size = min(size, w.in.Nodes[n].Capacity/int64(count))
		}
	}
	if size > w.size || size == w.size && size > 0 && moves < w.moves {
		w.size, w.moves = size, moves
	}
}

func (w *twin) held(partition, n int) bool {
	if len(w.in.Previous) == 0 {
		return false
	}
	return slices.Contains(w.in.Previous[partition*len(w.in.Previous)/w.in.Partitions], w.in.Nodes[n].ID)
}

// TestPlansAreAsGoodAsTryingEverything compares size and moves on thousands of small clusters.
func TestPlansAreAsGoodAsTryingEverything(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	solved, moved := 0, 0
	for range 4000 {
		in := layout.Input{Partitions: 1 << rng.IntN(3), Copies: 1 + rng.IntN(3)}
		for i := range 1 + rng.IntN(5) {
			in.Nodes = append(in.Nodes, node(i, string(rune('a'+rng.IntN(4))), int64(rng.IntN(9))))
		}
		if rng.IntN(3) > 0 {
			in.Previous = make([][]id.Node, 1<<rng.IntN(1+bits.Len(uint(in.Partitions))-1))
			for i := range in.Previous {
				for _, n := range rng.Perm(6)[:rng.IntN(4)] {
					in.Previous[i] = append(in.Previous[i], node(n, "", 0).ID)
				}
			}
		}
		want := solveSlowly(in)
		got, err := layout.Compute(in)
		if want.size == 0 {
			if !errors.Is(err, layout.ErrImpossible) {
				t.Fatalf("%+v: %v, want %v", in, err, layout.ErrImpossible)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%+v: %v", in, err)
		}
		check(t, in, got)
		if got.PartitionSize != want.size || got.Moves != want.moves {
			t.Fatalf("%+v: size %d and %d moves, want %d and %d", in, got.PartitionSize, got.Moves, want.size, want.moves)
		}
		solved++
		if got.Moves < in.Partitions*in.Copies {
			moved++
		}
	}
	if solved < 1000 || moved < 300 {
		t.Errorf("%d solved, %d with something kept: the test shows little", solved, moved)
	}
}

// bigCluster has 300 nodes of very different sizes.
func bigCluster(rng *rand.Rand, zones int) layout.Input {
	in := layout.Input{Partitions: 256, Copies: 3}
	for i := range 300 {
		in.Nodes = append(in.Nodes, node(i, fmt.Sprintf("zone-%d", i%zones), int64(1+rng.IntN(20))<<38))
	}
	return in
}

func TestBigClustersAreSolvedInASecond(t *testing.T) {
	for _, zones := range []int{3, 5, 40, 300} {
		t.Run(fmt.Sprintf("%d zones", zones), func(t *testing.T) {
			in := bigCluster(rand.New(rand.NewPCG(uint64(zones), 0)), zones)
			start := time.Now()
			first := mustCompute(t, in)
			in.Previous = first.Partitions

			if again := mustCompute(t, in); again.Moves != 0 {
				t.Errorf("%d moves without a change", again.Moves)
			}
			in.Nodes = slices.Delete(in.Nodes, 7, 8)
			without := mustCompute(t, in)
			in.Previous = without.Partitions
			in.Nodes = append(in.Nodes, node(999, "zone-1", 5<<38))
			with := mustCompute(t, in)
			t.Logf("%d, %d, %d moves of %d copies in %v", first.Moves, without.Moves, with.Moves, 3*256, time.Since(start))
			if without.Moves > 200 || with.Moves > 200 {
				t.Errorf("%d moves when a node leaves, %d when one comes", without.Moves, with.Moves)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("four plans took %v", took)
			}
		})
	}
}

func TestTheOrderOfNodesDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	in := bigCluster(rng, 7)
	first := mustCompute(t, in)
	for range 3 {
		rng.Shuffle(len(in.Nodes), func(i, j int) { in.Nodes[i], in.Nodes[j] = in.Nodes[j], in.Nodes[i] })
		if diff := cmp.Diff(first, mustCompute(t, in)); diff != "" {
			t.Fatalf("another plan:\n%s", diff)
		}
	}
}

// Where capacity is to spare, nodes are filled alike: a small node is not filled up beside a large empty one.
func TestNodesAreFilledAlike(t *testing.T) {
	p := mustCompute(t, layout.Input{Partitions: 256, Copies: 3, Nodes: []layout.Node{
		node(1, "a", 1<<40), node(2, "b", 1<<40), node(3, "c", 1<<40), node(4, "c", 7<<40),
	}})
	held := make(map[byte]int)
	for _, n := range p.Nodes {
		held[n.ID[1]] = n.Partitions
	}
	if diff := cmp.Diff(map[byte]int{1: 256, 2: 256, 3: 32, 4: 224}, held); diff != "" {
		t.Errorf("partitions, want and got:\n%s", diff)
	}
}

// The copies of what one node holds are spread over many others, so that all of them help when it is lost.
func TestCopiesOfOneNodeAreSpread(t *testing.T) {
	in := layout.Input{Partitions: 256, Copies: 3}
	for i := range 30 {
		in.Nodes = append(in.Nodes, node(i, string(rune('a'+i%3)), 1<<40))
	}
	p := mustCompute(t, in)
	partners := make(map[id.Node]bool)
	for _, holders := range p.Partitions {
		if slices.Contains(holders, in.Nodes[0].ID) {
			for _, n := range holders {
				partners[n] = true
			}
		}
	}
	if len(partners) < 15 {
		t.Errorf("copies of one node on %d others, want most of 20", len(partners)-1)
	}
}

func TestMorePartitionsMoveNothing(t *testing.T) {
	in := layout.Input{Partitions: 4, Copies: 2}
	for i := range 4 {
		in.Nodes = append(in.Nodes, node(i, string(rune('a'+i)), 1<<30))
	}
	in.Previous = mustCompute(t, in).Partitions
	in.Partitions = 16
	p := mustCompute(t, in)
	if p.Moves != 0 {
		t.Errorf("%d moves when each partition is cut in four", p.Moves)
	}
	in.Partitions, in.Previous = 4, p.Partitions
	if back := mustCompute(t, in); back.Moves != 0 {
		t.Errorf("%d moves when they are joined again", back.Moves)
	}
}

func TestImpossibleLayoutsAreExplained(t *testing.T) {
	cases := map[string]struct {
		in   layout.Input
		want string
	}{
		"no nodes":           {layout.Input{Partitions: 1, Copies: 1}, "1 copies need 1 zones that store blocks, and there are 0"},
		"too few zones":      {layout.Input{Partitions: 4, Copies: 3, Nodes: []layout.Node{node(1, "a", 9), node(2, "b", 9), node(3, "b", 9)}}, "3 copies need 3 zones that store blocks, and there are 2"},
		"a witness's zone":   {layout.Input{Partitions: 4, Copies: 2, Nodes: []layout.Node{node(1, "a", 9), node(2, "b", 0)}}, "2 copies need 2 zones that store blocks, and there are 1"},
		"too small":          {layout.Input{Partitions: 256, Copies: 1, Nodes: []layout.Node{node(1, "a", 255)}}, "too little capacity for 256 partitions"},
		"odd partitions":     {layout.Input{Partitions: 3, Copies: 1, Nodes: []layout.Node{node(1, "a", 255)}}, "must be a power of two"},
		"no copies":          {layout.Input{Partitions: 4, Nodes: []layout.Node{node(1, "a", 255)}}, "0 copies"},
		"negative capacity":  {layout.Input{Partitions: 4, Copies: 1, Nodes: []layout.Node{node(1, "a", -1)}}, "capacity of -1 bytes"},
		"a node named twice": {layout.Input{Partitions: 4, Copies: 1, Nodes: []layout.Node{node(1, "a", 9), node(1, "b", 9)}}, "named twice"},
		"odd previous":       {layout.Input{Partitions: 4, Copies: 1, Previous: make([][]id.Node, 3), Nodes: []layout.Node{node(1, "a", 9)}}, "3 previous partitions"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := layout.Compute(tc.in)
			if !errors.Is(err, layout.ErrImpossible) || !strings.Contains(fmt.Sprint(err), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestOneNodeHoldsEverything(t *testing.T) {
	p := mustCompute(t, layout.Input{Partitions: 256, Copies: 1, Nodes: []layout.Node{node(1, "home", 1<<40)}})
	want := "256 partitions of 4 GiB in 1 copies: 1 TiB usable, 256 copies of partitions move\n" +
		"00010000 in home: 256 partitions, 1 TiB of 1 TiB, fetches 256\n"
	if got := p.String(); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestPlansAreDescribed(t *testing.T) {
	in := layout.Input{Partitions: 4, Copies: 2, Nodes: []layout.Node{
		node(1, "barn", 4<<30), node(2, "home", 4<<30), node(3, "home", 100), node(4, "office", 0),
	}}
	in.Previous = [][]id.Node{{in.Nodes[0].ID, {9}}, {in.Nodes[0].ID, {9}}, {in.Nodes[0].ID, {9}}, {{9}}}
	want := `4 partitions of 1 GiB in 2 copies: 4 GiB usable, 5 copies of partitions move
00010000 in barn: 4 partitions, 4 GiB of 4 GiB, fetches 1
00020000 in home: 4 partitions, 4 GiB of 4 GiB, fetches 4
00030000 in home: 100 B, too small for one partition
00040000 in office: stores no blocks
09000000 has left, gives up 4
`
	lines := func(s string) []string { return slices.Sorted(slices.Values(strings.Split(s, "\n"))) }
	if diff := cmp.Diff(lines(want), lines(mustCompute(t, in).String())); diff != "" {
		t.Errorf("want and got:\n%s", diff)
	}
	if n := layout.Zones(in.Nodes); n != 2 {
		t.Errorf("%d zones, want 2", n)
	}
}

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 999 << 20: "999 MiB", 1000 << 20: "0.977 GiB", 1 << 60: "1 EiB"} {
		if got := layout.Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func BenchmarkCompute(b *testing.B) {
	for _, zones := range []int{3, 40, 300} {
		b.Run(fmt.Sprintf("300 nodes, %d zones", zones), func(b *testing.B) {
			in := bigCluster(rand.New(rand.NewPCG(1, 0)), zones)
			in.Previous = mustCompute(b, in).Partitions
			in.Nodes = slices.Delete(in.Nodes, 7, 8)
			for b.Loop() {
				mustCompute(b, in)
			}
		})
	}
}
