package index

import (
	"fmt"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// named is a block that a payload names, with what the index knows of it.
type named struct {
	block.Address
	extents uint64 // of the payload
	size    uint32
	ref     *indexpb.Reference // nil when there is none
}

// isProven tells that the block was named before and not doomed since, be its count zero: its copies are on the disks.
func (n *named) isProven() bool { return n.ref != nil && n.ref.Doom == 0 }

// collect gathers the blocks of extents: each once, in the order of their first use.
func (c *change) collect(b id.Bucket, extents []Extent) ([]*named, error) {
	blocks := make([]*named, 0, len(extents))
	seen := make(map[id.Hash]*named, len(extents))
	for i := range extents {
		e := &extents[i]
		n := seen[e.Hash]
		if n == nil {
			n = &named{Address: block.Address{Bucket: b, Hash: e.Hash}, size: e.Size}
			seen[e.Hash] = n
			blocks = append(blocks, n)
			var err error
			if n.ref, err = c.reference(n.Address); err != nil {
				return nil, err
			}
		}
		n.extents++
	}
	return blocks, nil
}

// claim finds out whether a payload may name its blocks; a result is the refusal. Package block has the argument.
//
// A block that is not proven must have been put in an epoch in which it was not yet doomed; below the floor, dooms are forgotten.
func (c *change) claim(extents []Extent, epoch uint64, copied bool) (blocks []*named, refusal *indexpb.Result, err error) {
	if blocks, err = c.collect(c.bucket, extents); err != nil {
		return nil, nil, err
	}
	var missing [][]byte
	for _, n := range blocks {
		switch {
		case copied && n.ref.GetCount() == 0:
			return nil, refuse(SourceChanged), nil
		case copied || n.isProven():
		case epoch < c.group.floor || epoch < n.ref.GetDoom():
			missing = append(missing, n.Hash[:])
		}
	}
	if missing != nil {
		return nil, &indexpb.Result{Code: uint32(EpochTooOld), Missing: missing}, nil
	}
	return blocks, nil, nil
}

// addReferences counts the extents of claimed blocks.
func (c *change) addReferences(blocks []*named) error {
	for _, n := range blocks {
		if err := c.unlist(n.Address, n.ref); err != nil {
			return err
		}
		ref := &indexpb.Reference{Count: n.ref.GetCount() + n.extents, Size: n.size}
		if err := c.set(c.keys.reference(n.Address), ref); err != nil {
			return err
		}
	}
	return nil
}

// unlist takes a block off the list that it stands on with the given reference: garbage, doomed, buried, or none.
func (c *change) unlist(a block.Address, ref *indexpb.Reference) error {
	if ref == nil || ref.Count > 0 {
		return nil
	}
	table, at := list(ref)
	return c.batch.Delete(c.keys.ofBlockAt(table, at, a))
}

// list is the table that lists a block whose count is zero, and its place there.
func list(ref *indexpb.Reference) (table byte, at uint64) {
	switch {
	case ref.Doom == 0:
		return tableGarbage, ref.Fell
	case ref.Buried:
		return tableBuried, ref.Doom
	default:
		return tableDoomed, ref.Doom
	}
}

// dropReferences takes back the extents of a payload. Blocks that nothing names any more become garbage.
func (c *change) dropReferences(b id.Bucket, extents []Extent) error {
	blocks, err := c.collect(b, extents)
	if err != nil {
		return err
	}
	for _, n := range blocks {
		if n.ref.GetCount() < n.extents {
			return fmt.Errorf("%w: block %s of bucket %s is named %d times, and %d are to go", ErrCorrupt, n.Hash, b, n.ref.GetCount(), n.extents)
		}
		n.ref.Count -= n.extents
		if n.ref.Count == 0 {
			n.ref.Fell = c.index
			garbage := &indexpb.Garbage{Size: n.ref.Size, Epoch: c.group.epoch, Time: c.now}
			if err := c.set(c.keys.ofBlockAt(tableGarbage, c.index, n.Address), garbage); err != nil {
				return err
			}
		}
		if err := c.set(c.keys.reference(n.Address), n.ref); err != nil {
			return err
		}
	}
	return nil
}
