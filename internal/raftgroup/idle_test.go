package raftgroup_test

import (
	"runtime"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/kv"
)

// A node with the system group and 16 index groups, idle, stays small.
func TestIdleNodeIsSmall(t *testing.T) {
	store, err := kv.Open(t.TempDir(), kv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	groups := []id.Group{1}
	for g := range id.Group(16) {
		groups = append(groups, group+g)
	}
	n := start(t, store, 1, 1, nil, groups...)
	for range 100 {
		n.put("k", string(make([]byte, 4096)))
	}
	time.Sleep(200 * time.Millisecond)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("heap in use %d KiB, %d goroutines", m.HeapInuse>>10, runtime.NumGoroutine())
	if m.HeapInuse > 25<<20 {
		t.Errorf("an idle node uses %d KiB of heap, want less than 25 MiB", m.HeapInuse>>10)
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}
