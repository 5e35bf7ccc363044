package sim

import (
	"fmt"
	"time"

	"grange/internal/id"
	"grange/internal/raftgroup/core"
)

// Faults are the probabilities of what may go wrong. The first four hold for each frame or write; the others weigh the
// faults that come every second or so.
type Faults struct {
	Loss, Double, Straggler, SlowDisk float64

	Crash     float64 // a node loses power, and with it what was not synced
	CrashAll  float64 // all nodes lose power at once
	Pause     float64 // a node stands still
	Cut       float64 // one link, one direction
	Isolate   float64 // one node, both directions
	Transfer  float64 // the leader is asked to hand over
	Compound  float64 // a follower is cut off until the log is truncated, then the leader crashes and the cut heals
	Deposed   float64 // the leader is cut off from the others and then crashes, or not
	NoHealing bool    // links that were cut stay cut until the end
}

// Stormy is a world with all faults.
func Stormy() Faults {
	return Faults{
		Loss: 0.02, Double: 0.02, Straggler: 0.01, SlowDisk: 0.01,
		Crash: 3, CrashAll: 0.5, Pause: 2, Cut: 2, Isolate: 2, Transfer: 2, Compound: 2, Deposed: 2,
	}
}

// scheduleFault lets the next fault come.
func (w *World) scheduleFault() {
	w.after(w.between(200*time.Millisecond, 2*time.Second), "fault", func() {
		if !w.faulty {
			return
		}
		w.fault()
		w.scheduleFault()
	})
}

func (w *World) fault() {
	f := w.cfg.Faults
	kinds := []struct {
		weight float64
		do     func()
	}{
		{f.Crash, func() { w.crash(w.anyNode()) }},
		{f.CrashAll, w.crashAll},
		{f.Pause, func() { w.pause(w.anyNode()) }},
		{f.Cut, func() { w.cut(w.rng.IntN(len(w.nodes)), w.rng.IntN(len(w.nodes))) }},
		{f.Isolate, func() { w.isolate(w.anyNode().n, w.between(time.Second, 8*time.Second)) }},
		{f.Transfer, w.transfer},
		{f.Compound, w.compound},
		{f.Deposed, w.depose},
	}
	total := 0.0
	for _, k := range kinds {
		total += k.weight
	}
	at := w.rng.Float64() * total
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			k.do()
			return
		}
	}
}

func (w *World) anyNode() *node { return w.nodes[w.rng.IntN(len(w.nodes))] }

// leaderNode is a node that thinks that it leads, or nil.
func (w *World) leaderNode() *node {
	for _, n := range w.nodes {
		if n.up && n.core != nil && n.core.Leading() {
			return n
		}
	}
	return nil
}

func (w *World) crash(n *node) {
	if !n.up || n.core == nil {
		return
	}
	w.note("crash %d\n", n.n)
	n.crash()
	w.after(w.between(50*time.Millisecond, 4*time.Second), fmt.Sprint("start ", n.n), func() {
		if !n.up {
			n.start()
		}
	})
}

func (w *World) crashAll() {
	for _, n := range w.nodes {
		w.crash(n)
	}
}

func (w *World) pause(n *node) {
	n.paused = w.now + w.between(200*time.Millisecond, 5*time.Second)
}

func (w *World) cut(from, to int) {
	link := [2]int{from, to}
	w.net.cut[link] = true
	w.healLater(w.between(500*time.Millisecond, 6*time.Second), func() { delete(w.net.cut, link) })
}

func (w *World) healLater(d time.Duration, heal func()) {
	w.after(d, "heal", func() {
		if !w.cfg.Faults.NoHealing || !w.faulty {
			heal()
		}
	})
}

func (w *World) isolate(n int, d time.Duration) {
	for other := range w.nodes {
		if other == n {
			continue
		}
		w.net.cut[[2]int{n, other}], w.net.cut[[2]int{other, n}] = true, true
		w.healLater(d, func() {
			delete(w.net.cut, [2]int{n, other})
			delete(w.net.cut, [2]int{other, n})
		})
	}
}

func (w *World) transfer() {
	n := w.leaderNode()
	to := id.Replica(w.rng.IntN(len(w.nodes)) + 1)
	if n == nil || n.paused > w.now || to == n.id() {
		return
	}
	n.guard("transfer", func() error { return n.core.Transfer(to) })
	n.ready()
}

// compound cuts a follower off for so long that the log moves past it, crashes the leader, and heals.
func (w *World) compound() {
	lead := w.leaderNode()
	if lead == nil {
		return
	}
	behind := w.anyNode()
	if behind == lead {
		return
	}
	d := w.between(3*time.Second, 8*time.Second)
	w.isolate(behind.n, d)
	w.after(d-w.between(0, 100*time.Millisecond), "compound crash", func() {
		if n := w.leaderNode(); n != nil && w.faulty {
			w.crash(n)
		}
		if w.chance(0.3) && w.faulty {
			w.crash(behind)
		}
	})
}

// depose cuts the leader off with a burst of writes in its hands: entries which nobody else gets, and which are
// overwritten by fewer.
func (w *World) depose() {
	lead := w.leaderNode()
	if lead == nil {
		return
	}
	d := w.between(1500*time.Millisecond, 5*time.Second)
	w.isolate(lead.n, d)
	w.burst(lead)
	if w.chance(0.5) {
		w.after(d+w.between(0, 500*time.Millisecond), "deposed crash", func() {
			if w.faulty {
				w.crash(lead)
			}
		})
	}
}

// heal ends all faults.
func (w *World) heal() {
	w.faulty = false
	clear(w.net.cut)
	for _, n := range w.nodes {
		n.paused = min(n.paused, w.now)
		if !n.up {
			n.start()
		}
	}
}

// burst lets many clients write through one node and not wait.
func (w *World) burst(n *node) {
	if n.paused > w.now {
		return
	}
	for range w.rng.IntN(16) {
		w.check.lastOp++
		in, called := input{register: w.rng.IntN(registers), write: w.check.lastOp}, w.now
		n.propose(command(in.register, in.write), func(d core.Done) {
			out := output{}
			if d.Err == nil {
				w.check.acknowledged(n, in.write)
				out = output{value(d.Result), true}
			}
			w.check.history(-int(in.write), in, out, called)
		})
	}
}
