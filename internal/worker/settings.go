package worker

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"grange/internal/kv"
	"grange/internal/worker/workerpb"
)

const settingsVersion = 1

// TranquilityMax is the highest tranquility: a hundred times as much sleep as work.
const TranquilityMax = 100

// settings are what an operator may change.
type settings struct {
	paused      bool
	tranquility float64
}

// table is where the settings of the workers are.
func table() kv.Space { return kv.NodeSpace().Sub('w') }

func encodeSettings(s settings) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&workerpb.Settings{
		Version: settingsVersion, Paused: s.paused, Tranquility: s.tranquility,
	})
}

func decodeSettings(raw []byte) (settings, error) {
	var m workerpb.Settings
	if err := proto.Unmarshal(raw, &m); err != nil {
		return settings{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if v := m.GetVersion(); v != settingsVersion {
		return settings{}, fmt.Errorf("%w: version %d, this program knows %d", ErrCorrupt, v, settingsVersion)
	}
	s := settings{paused: m.GetPaused(), tranquility: m.GetTranquility()}
	if !validTranquility(s.tranquility) {
		return settings{}, fmt.Errorf("%w: tranquility %v", ErrCorrupt, s.tranquility)
	}
	return s, nil
}

func validTranquility(t float64) bool { return !math.IsNaN(t) && t >= 0 && t <= TranquilityMax }

// loadSettings reads the settings of a worker; initial are those of one that has none stored.
func loadSettings(store kv.Reader, name string, initial settings) (settings, error) {
	raw, err := store.Get(table().Key([]byte(name)))
	if errors.Is(err, kv.ErrNotFound) {
		return initial, nil
	}
	if err != nil {
		return settings{}, fmt.Errorf("read settings of worker %s: %w", name, err)
	}
	s, err := decodeSettings(raw)
	if err != nil {
		return settings{}, fmt.Errorf("read settings of worker %s: %w", name, err)
	}
	return s, nil
}

// saveSettings stores the settings of a worker durably.
func saveSettings(store kv.Store, name string, s settings) (err error) {
	raw, err := encodeSettings(s)
	if err != nil {
		return fmt.Errorf("encode settings of worker %s: %w", name, err)
	}
	b := store.NewWriteBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.Set(table().Key([]byte(name)), raw); err != nil {
		return fmt.Errorf("store settings of worker %s: %w", name, err)
	}
	if err := b.Commit(true); err != nil {
		return fmt.Errorf("store settings of worker %s: %w", name, err)
	}
	return nil
}
