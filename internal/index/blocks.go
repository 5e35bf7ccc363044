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
	doom    *indexpb.Doom      // nil when there is none
}

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
// A block that has a reference row, be its count zero, was named before and was not doomed since: its copies are on the disks.
// Every other one must have been put in an epoch in which it was not yet doomed; below the floor, dooms are forgotten.
func (c *change) claim(extents []Extent, epoch uint64, copied bool) (blocks []*named, refusal *indexpb.Result, err error) {
	if blocks, err = c.collect(c.bucket, extents); err != nil {
		return nil, nil, err
	}
	var missing [][]byte
	for _, n := range blocks {
		if copied {
			if n.ref.GetCount() == 0 {
				return nil, refuse(SourceChanged), nil
			}
			continue
		}
		if n.ref != nil {
			continue
		}
		if n.doom, err = c.doomOf(n.Address); err != nil {
			return nil, nil, err
		}
		if epoch < c.group.floor || epoch < n.doom.GetEpoch() {
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
		ref := n.ref
		switch {
		case ref == nil:
			ref = &indexpb.Reference{Size: n.size}
			if err := c.forget(n.Address, n.doom); err != nil {
				return err
			}
		case ref.Count == 0:
			if err := c.batch.Delete(c.keys.ofBlockAt(tableGarbage, ref.Fell, n.Address)); err != nil {
				return err
			}
			ref.Fell = 0
		}
		ref.Count += n.extents
		if err := c.set(c.keys.ofBlock(tableRef, n.Address), ref); err != nil {
			return err
		}
	}
	return nil
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
		if err := c.set(c.keys.ofBlock(tableRef, n.Address), n.ref); err != nil {
			return err
		}
	}
	return nil
}

// forget takes back a doom; nil is none.
func (c *change) forget(a block.Address, doom *indexpb.Doom) error {
	if doom == nil {
		return nil
	}
	if err := c.batch.Delete(c.keys.ofBlockAt(doomTable(doom), doom.Epoch, a)); err != nil {
		return err
	}
	return c.batch.Delete(c.keys.ofBlock(tableDoom, a))
}

// doomTable is the table that orders the doom by epoch.
func doomTable(doom *indexpb.Doom) byte {
	if doom.Buried {
		return tableBuried
	}
	return tableDoomed
}
