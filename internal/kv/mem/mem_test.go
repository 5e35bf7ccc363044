package mem_test

import (
	"errors"
	"testing"

	"grange/internal/kv"
	"grange/internal/kv/kvtest"
	"grange/internal/kv/mem"
)

func TestMemKeepsTheContract(t *testing.T) {
	kvtest.Run(t, func(*testing.T) kv.Store { return mem.New() })
}

func TestForkGoesItsOwnWay(t *testing.T) {
	a := mem.New()
	set(t, a, "k", "1")
	b := a.Fork()
	set(t, a, "k", "2")
	set(t, b, "other", "3")
	if v, err := b.Get([]byte("k")); err != nil || string(v) != "1" {
		t.Errorf("fork: got %q, %v, want the value before the fork", v, err)
	}
	if _, err := a.Get([]byte("other")); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("got %v, want the fork's write to stay with the fork", err)
	}
}

func set(t *testing.T, d *mem.DB, key, value string) {
	t.Helper()
	b := d.NewWriteBatch()
	if err := errors.Join(b.Set([]byte(key), []byte(value)), b.Commit(true), b.Close()); err != nil {
		t.Fatal(err)
	}
}
