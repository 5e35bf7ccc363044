package mem_test

import (
	"testing"

	"grange/internal/block"
	"grange/internal/block/blocktest"
	"grange/internal/block/mem"
)

func TestKeepsTheContractOfBlockStores(t *testing.T) {
	blocktest.Run(t, func(*testing.T) block.Store { return mem.New() })
}
