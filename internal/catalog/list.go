package catalog

import (
	"grange/internal/catalog/catalogpb"
)

// Page asks for a part of a list. The zero Page is the beginning.
type Page struct {
	Prefix string // only what begins with it
	After  string // only what comes after it, in byte order
	Max    int    // entries; 0 or more than PageMax: PageMax
}

func (p Page) limit() int {
	if p.Max <= 0 || p.Max > PageMax {
		return PageMax
	}
	return p.Max
}

// list reads one page of a table whose keys are under base. load makes an entry of a record; an entry that load does
// not find was deleted since, and is left out. next is the After of the next page, "" at the end of the list.
func list[T any](s state, base []byte, p Page, load func(name string, value []byte) (T, error)) (entries []T, next string, err error) {
	limit, last := p.limit(), ""
	err = s.walk(base, p.Prefix, p.After, func(name string, value []byte) (bool, error) {
		if len(entries) == limit {
			next = last
			return false, nil
		}
		entry, err := load(name, value)
		if ok, err := found(err); err != nil {
			return false, err
		} else if ok {
			entries = append(entries, entry)
		}
		last = name
		return true, nil
	})
	return entries, next, err
}

// all reads a whole table, which its limit keeps small.
func all[T any](s state, table byte, load func(value []byte) (T, error)) (entries []T, err error) {
	err = s.walk(s.key(table), "", "", func(_ string, value []byte) (bool, error) {
		entry, err := load(value)
		entries = append(entries, entry)
		return true, err
	})
	return entries, err
}

// nodes lists the nodes by id; there are at most NodesMax.
func (s state) nodes() ([]Node, error) {
	return all(s, tableNodes, func(value []byte) (Node, error) {
		var m catalogpb.Node
		if err := decode(value, &m); err != nil {
			return Node{}, err
		}
		return fromNode(&m)
	})
}

// groups lists the groups by number; there are at most GroupsMax.
func (s state) groups() ([]Group, error) {
	return all(s, tableGroups, func(value []byte) (Group, error) {
		var m catalogpb.Group
		if err := decode(value, &m); err != nil {
			return Group{}, err
		}
		g, err := fromGroup(&m)
		return g.Group, err
	})
}

// layouts lists the kept layouts, oldest first; there are at most LayoutsMax.
func (s state) layouts() ([]Layout, error) {
	return all(s, tableLayouts, func(value []byte) (Layout, error) {
		var m catalogpb.Layout
		if err := decode(value, &m); err != nil {
			return Layout{}, err
		}
		return fromLayout(&m)
	})
}
