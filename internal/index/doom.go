package index

import (
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
	ref, err := c.reference(a)
	if err != nil || ref.GetCount() > 0 {
		return false, err
	}
	if ref != nil {
		if err := c.batch.Delete(c.keys.ofBlockAt(tableGarbage, ref.Fell, a)); err != nil {
			return false, err
		}
		if err := c.batch.Delete(c.keys.ofBlock(tableRef, a)); err != nil {
			return false, err
		}
	}
	old, err := c.doomOf(a)
	if err != nil {
		return false, err
	}
	if err := c.forget(a, old); err != nil {
		return false, err
	}
	return true, c.setDoom(a, &indexpb.Doom{Epoch: c.group.epoch})
}

func (c *change) setDoom(a block.Address, doom *indexpb.Doom) error {
	if err := c.batch.Set(c.keys.ofBlockAt(doomTable(doom), doom.Epoch, a), []byte{format}); err != nil {
		return err
	}
	return c.set(c.keys.ofBlock(tableDoom, a), doom)
}

// buried notes that the copies are gone. The dooms are remembered until the floor has passed them: a writer that stored such a
// block before may still ask for it.
func (c *change) buried(p *indexpb.Buried) (*indexpb.Result, error) {
	blocks, err := addressesFromPB(p.GetBlocks())
	if err != nil {
		return refuse(Invalid), nil //nolint:nilerr // the command is at fault, not this replica
	}
	for _, a := range blocks {
		doom, err := c.doomOf(a)
		if err != nil {
			return nil, err
		}
		if doom == nil || doom.Buried || doom.Epoch > p.GetEpoch() {
			continue
		}
		if err := c.forget(a, doom); err != nil {
			return nil, err
		}
		if doom.Epoch <= c.group.floor {
			continue
		}
		if err := c.setDoom(a, &indexpb.Doom{Epoch: doom.Epoch, Buried: true}); err != nil {
			return nil, err
		}
	}
	return accept(), nil
}

// forgetOutlived forgets up to limit buried dooms that the floor has passed: no accepted writer can be older than those. It begins where
// it last ended, not to step over all that was deleted since.
func (c *change) forgetOutlived(limit int) error {
	var gone []block.Address
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
		gone = append(gone, a)
		return true, nil
	})
	if err != nil {
		return err
	}
	c.group.forgot = next
	for _, a := range gone {
		doom, err := c.doomOf(a)
		if err != nil {
			return err
		}
		if err := c.forget(a, doom); err != nil {
			return err
		}
	}
	return nil
}
