package index

import (
	"bytes"
	"errors"

	"grange/internal/block"
	"grange/internal/index/indexpb"
)

// forgetMin is how many outlived dooms every Doom forgets besides as many as twice its own blocks, so that the table shrinks
// whatever the pace.
const forgetMin = 64

// doom decides that blocks which nothing names are deleted from the disks, in a new epoch.
func (c *change) doom(p *indexpb.DoomBlocks) (*indexpb.Result, error) {
	blocks, err := addressesFromPB(p.GetBlocks())
	if err != nil {
		return refuse(Invalid), nil //nolint:nilerr // the command is at fault, not this replica
	}
	c.group.epoch++
	var doomed []block.Address
	for _, a := range blocks {
		ok, err := c.doomOne(a)
		if err != nil {
			return nil, err
		}
		if ok {
			doomed = append(doomed, a)
		}
	}
	if c.group.epoch > p.GetKeepEpochs() {
		c.group.floor = max(c.group.floor, c.group.epoch-p.GetKeepEpochs())
	}
	if err := c.forgetOutlived(forgetMin + 2*len(blocks)); err != nil {
		return nil, err
	}
	return &indexpb.Result{Code: uint32(OK), Doomed: addressesToPB(doomed)}, nil
}

// doomOne dooms a block in the current epoch, unless a payload names it.
func (c *change) doomOne(a block.Address) (bool, error) {
	old, err := c.reference(a)
	if err != nil || old.GetCount() > 0 {
		return false, err
	}
	if err := c.unlist(a, old); err != nil {
		return false, err
	}
	return true, c.setDoom(a, &indexpb.Reference{Size: old.GetSize(), Doom: c.group.epoch})
}

func (c *change) setDoom(a block.Address, ref *indexpb.Reference) error {
	table, at := list(ref)
	if err := c.batch.Set(c.keys.ofBlockAt(table, at, a), []byte{format}); err != nil {
		return err
	}
	return c.set(c.keys.reference(a), ref)
}

// buried notes that the copies are gone. The dooms are remembered until the floor has passed them: a writer that stored such a
// block before may still ask for it.
func (c *change) buried(p *indexpb.Buried) (*indexpb.Result, error) {
	blocks, err := addressesFromPB(p.GetBlocks())
	if err != nil {
		return refuse(Invalid), nil //nolint:nilerr // the command is at fault, not this replica
	}
	for _, a := range blocks {
		if err := c.bury(a, p.GetEpoch()); err != nil {
			return nil, err
		}
	}
	return accept(), nil
}

func (c *change) bury(a block.Address, epoch uint64) error {
	ref, err := c.reference(a)
	if err != nil || ref.GetDoom() == 0 || ref.Buried || ref.Doom > epoch {
		return err
	}
	if err := c.unlist(a, ref); err != nil {
		return err
	}
	if ref.Doom <= c.group.floor {
		return c.batch.Delete(c.keys.reference(a))
	}
	ref.Buried = true
	return c.setDoom(a, ref)
}

// forgetOutlived forgets up to limit buried dooms that the floor has passed: no accepted writer can be older than those. It begins where
// it last ended, not to step over all that was deleted since.
func (c *change) forgetOutlived(limit int) error {
	type buried struct {
		row []byte
		block.Address
	}
	var gone []buried
	next := c.group.floor + 1
	lower := c.keys.ofBlockAt(tableBuried, c.group.forgot, block.Address{})
	upper := c.keys.ofBlockAt(tableBuried, next, block.Address{})
	err := c.walk(lower, upper, func(row, _ []byte) (bool, error) {
		epoch, a, err := parseAddressAt(c.keys.tail(row))
		if err != nil {
			return false, err
		}
		if len(gone) == limit {
			next = epoch
			return false, nil
		}
		gone = append(gone, buried{bytes.Clone(row), a})
		return true, nil
	})
	if err != nil {
		return err
	}
	c.group.forgot = next
	for _, b := range gone {
		if err := errors.Join(c.batch.Delete(b.row), c.batch.Delete(c.keys.reference(b.Address))); err != nil {
			return err
		}
	}
	return nil
}
