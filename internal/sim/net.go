package sim

import (
	"fmt"
	"time"

	"grange/internal/raftgroup/core"
)

// network decides what becomes of frames.
type network struct {
	cut map[[2]int]bool // directed links that carry nothing
}

// transmit sends a frame, which may be lost, doubled, or come late.
func (w *World) transmit(from, to int, parcels []core.Parcel) {
	raw, err := core.EncodeFrame(parcels)
	if err != nil {
		w.check.fail("encode: %v", err)
		return
	}
	f := w.cfg.Faults
	if w.faulty && w.chance(f.Loss) {
		return
	}
	copies := 1
	if w.faulty && w.chance(f.Double) {
		copies = 2
	}
	for range copies {
		delay := w.between(time.Millisecond, 8*time.Millisecond)
		if w.faulty && w.chance(f.Straggler) {
			delay = w.between(500*time.Millisecond, 6*time.Second)
		}
		w.deliver(from, to, delay, raw)
	}
}

// transmitOrdered sends a frame of the bulk class: it is lost or it comes in order.
func (w *World) transmitOrdered(from, to int, parcels []core.Parcel) {
	raw, err := core.EncodeFrame(parcels)
	if err != nil {
		w.check.fail("encode: %v", err)
		return
	}
	if w.faulty && w.chance(w.cfg.Faults.Loss/4) {
		return
	}
	w.deliver(from, to, 10*time.Millisecond, raw)
}

func (w *World) deliver(from, to int, delay time.Duration, raw []byte) {
	w.note("send %d %d %x\n", from, to, raw)
	n := w.nodes[to]
	var arrive func()
	arrive = func() {
		switch {
		case w.net.cut[[2]int{from, to}] || !n.up || n.core == nil:
		case n.paused > w.now:
			w.after(n.paused-w.now, fmt.Sprint("late ", to), arrive)
		default:
			n.receive(from, raw)
		}
	}
	w.after(delay, fmt.Sprint("arrive ", from, to), arrive)
}
