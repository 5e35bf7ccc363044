package worker

import (
	"errors"
	"testing"

	"grange/internal/kv/mem"
)

func FuzzSettings(f *testing.F) {
	for _, s := range []settings{{}, {paused: true}, {tranquility: 2.5}, {true, TranquilityMax}} {
		raw, err := encodeSettings(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := decodeSettings(raw)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := encodeSettings(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeSettings(again); err != nil || got != s {
			t.Fatalf("decoded %+v, then %+v, %v", s, got, err)
		}
	})
}

func TestUnreadableSettingsStopTheStart(t *testing.T) {
	store := mem.New()
	b := store.NewWriteBatch()
	if err := errors.Join(b.Set(table().Key([]byte("scrub")), []byte{8, 2}), b.Commit(true), b.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSettings(store, "scrub", settings{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("load: %v, want %v", err, ErrCorrupt)
	}
}
