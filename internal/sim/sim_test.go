package sim

import (
	"flag"
	"os"
	"strconv"
	"testing"
	"testing/cryptotest"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run only this seed")
	seedsFlag = flag.Uint64("seeds", 0, "run so many seeds, from -from on")
	fromFlag  = flag.Uint64("from", 1, "first seed")
)

// seedsThatFoundBugs run first, always.
var seedsThatFoundBugs = []uint64{}

func seeds(t *testing.T, count uint64) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	if *seedsFlag != 0 {
		count = *seedsFlag
	} else if env, err := strconv.ParseUint(os.Getenv("GRANGE_SIM_SEEDS"), 10, 64); err == nil {
		count = env
	}
	list := append([]uint64(nil), seedsThatFoundBugs...)
	for i := range count {
		list = append(list, *fromFlag+i)
	}
	return list
}

func run(t *testing.T, cfg Config) (*World, error) {
	cryptotest.SetGlobalRandom(t, cfg.Seed)
	w := New(cfg)
	return w, w.Run()
}

func stormy(seed uint64, nodes int) Config {
	return Config{Seed: seed, Nodes: nodes, Faulty: 20 * time.Second, Faults: Stormy()}
}

func TestCalmWorldIsLive(t *testing.T) {
	for _, nodes := range []int{1, 3, 5} {
		w, err := run(t, Config{Seed: 1, Nodes: nodes, Healing: 10 * time.Second})
		if err != nil {
			t.Fatalf("%d nodes: %v", nodes, err)
		}
		if w.Ops() < 150 {
			t.Errorf("%d nodes: only %d operations in 10 s", nodes, w.Ops())
		}
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		var traces [2]uint64
		for i := range traces {
			w, err := run(t, stormy(seed, 3))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			traces[i] = w.Trace()
		}
		if traces[0] != traces[1] {
			t.Errorf("seed %d: traces %x and %x differ", seed, traces[0], traces[1])
		}
	}
}

func TestClusterSurvivesStorms(t *testing.T) {
	ops, snapshots := 0, 0
	for _, nodes := range []int{1, 3, 5} {
		count := map[int]uint64{1: 30, 3: 100, 5: 20}[nodes]
		for _, seed := range seeds(t, count) {
			w, err := run(t, stormy(seed, nodes))
			if err != nil {
				t.Fatalf("%d nodes, rerun with -seed=%d: %v", nodes, seed, err)
			}
			ops += w.Ops()
			snapshots += w.check.snapshots
		}
	}
	t.Logf("%d operations, %d snapshots", ops, snapshots)
	if *seedFlag == 0 && snapshots == 0 {
		t.Error("no snapshot was ever sent: the faults are too mild")
	}
}
