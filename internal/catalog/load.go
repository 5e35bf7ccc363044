package catalog

import (
	"fmt"
	"slices"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// loads reads how many buckets each index group holds.
func (s state) loads() (*catalogpb.Loads, error) {
	m := &catalogpb.Loads{Version: recordVersion}
	_, err := s.get(s.key(tableLoads), m)
	return m, err
}

// addGroups lets buckets be put into new index groups.
func (t *tx) addGroups(groups ...id.Group) error {
	m, err := t.loads()
	if err != nil {
		return err
	}
	for _, g := range groups {
		m.Loads = append(m.Loads, &catalogpb.Load{Group: uint32(g)})
	}
	t.set(t.key(tableLoads), m)
	return nil
}

// takeLoad counts one more bucket in the index group with the fewest buckets, of those the one with the lowest number.
func (t *tx) takeLoad() (id.Group, error) {
	m, err := t.loads()
	if err != nil {
		return 0, err
	}
	if len(m.GetLoads()) == 0 {
		return 0, fmt.Errorf("%w: no index groups", ErrCorrupt)
	}
	least := m.GetLoads()[0]
	for _, l := range m.GetLoads() {
		if l.GetBuckets() < least.GetBuckets() {
			least = l
		}
	}
	least.Buckets++
	t.set(t.key(tableLoads), m)
	return id.Group(least.GetGroup()), nil
}

// dropLoad counts a bucket no longer, in any of the groups of its ranges.
func (t *tx) dropLoad(b Bucket) error {
	m, err := t.loads()
	if err != nil {
		return err
	}
	for _, l := range m.GetLoads() {
		if slices.ContainsFunc(b.Ranges, func(r KeyRange) bool { return r.Group == id.Group(l.GetGroup()) }) {
			l.Buckets--
		}
	}
	t.set(t.key(tableLoads), m)
	return nil
}
