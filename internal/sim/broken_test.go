package sim

import (
	"testing"
)

// The negative controls: with one rule switched off, the simulator must notice within a number of seeds. If one of
// these fails after a change of the faults, the faults have become too weak to find bugs of that kind.
func TestEachBrokenRuleIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		nodes  int
		broken Broken
		budget uint64
	}{
		"promises before the sync":                {3, Broken{RespondBeforeSync: true}, 30},
		"a disk that lies about syncs":            {3, Broken{LoseSyncedWrites: true}, 10},
		"a lying disk under a single node":        {1, Broken{LoseSyncedWrites: true}, 10},
		"a stale tail behind overwritten entries": {3, Broken{KeepStaleTail: true}, 150},
		"an applied index apart from the state":   {3, Broken{AppliedNotAtomic: true}, 30},
		"commands without deduplication":          {3, Broken{NoDedupe: true}, 30},
		"reads without a barrier":                 {3, Broken{ReadWithoutBarrier: true}, 10},
		"reads of a single node at its start":     {1, Broken{ReadOnceCommitted: true}, 100},
		"reads by a leader that asks nobody":      {3, Broken{ReadOnceCommitted: true}, 150},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= test.budget; seed++ {
				cfg := stormy(seed, test.nodes)
				cfg.Broken = test.broken
				if _, err := run(t, cfg); err != nil {
					t.Logf("noticed with seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("not noticed in %d seeds", test.budget)
		})
	}
}
