package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"grange/internal/kv"
	"grange/internal/raftgroup"
	"grange/internal/raftgroup/core"
)

var errCrashed = errors.New("sim: the node crashed")

const (
	registers    = 3
	commandBytes = 64
)

// machine is the state machine of the simulation: a few registers. A command sets one, and its result is the old
// value. It also counts how often each command was applied.
type machine struct{ check *checker }

// command is {register (1), operation number (8), padding}.
func command(register int, op uint64) []byte {
	c := make([]byte, commandBytes)
	c[0] = byte(register)
	binary.BigEndian.PutUint64(c[1:], op)
	return c
}

func registerKey(register int) []byte {
	return raftgroup.StateSpace(group).Key([]byte{'r', byte(register)})
}

// Apply sets a register.
func (m machine) Apply(b kv.Batch, e core.Entry) ([]byte, error) {
	op := binary.BigEndian.Uint64(e.Command[1:])
	seen := raftgroup.StateSpace(group).Key([]byte{'o'}, e.Command[1:9])
	if _, err := b.Get(seen); err == nil {
		m.check.fail("operation %d is applied a second time, at index %d", op, e.Index)
	}
	key := registerKey(int(e.Command[0]))
	old, err := b.Get(key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	return old, errors.Join(
		b.Set(seen, binary.BigEndian.AppendUint64(nil, e.Index)),
		b.Set(key, binary.BigEndian.AppendUint64(nil, op)))
}

func value(raw []byte) uint64 {
	if len(raw) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(raw)
}

// client does one operation after the other, each through any node.
type client struct {
	w    *World
	n    int
	busy uint64 // the operation that is under way; 0 when none is
}

// input is what an operation asks for: to read a register, or to set it to the operation's number.
type input struct {
	register int
	write    uint64 // 0 reads
}

// output is the value read, or the value before the write. Unknown when the operation had no answer.
type output struct {
	value uint64
	known bool
}

func newClient(w *World, n int) *client {
	c := &client{w: w, n: n}
	c.next()
	return c
}

func (c *client) next() {
	c.w.after(c.w.between(time.Millisecond, 300*time.Millisecond), fmt.Sprint("client ", c.n), c.begin)
}

func (c *client) begin() {
	w := c.w
	if w.quiet {
		return
	}
	n := w.anyNode()
	if !n.up || n.core == nil || n.paused > w.now {
		c.next()
		return
	}
	w.check.lastOp++
	op := w.check.lastOp
	c.busy = op
	in := input{register: w.rng.IntN(registers)}
	called := w.now
	finish := func(d core.Done, read func() uint64) {
		if c.busy != op {
			return
		}
		c.busy = 0
		out := output{}
		if d.Err == nil {
			out = output{read(), true}
			w.ops++
		}
		w.check.history(c.n, in, out, called)
		c.next()
	}
	if w.chance(0.5) {
		in.write = op
		n.propose(command(in.register, op), func(d core.Done) {
			if d.Err == nil {
				w.check.acknowledged(n, op)
			}
			finish(d, func() uint64 { return value(d.Result) })
		})
	} else {
		c.read(n, in, finish)
	}
	// A client that hears nothing gives up and turns to another node: the outcome stays open.
	w.after(w.between(3*time.Second, 8*time.Second), fmt.Sprint("give up ", c.n), func() {
		finish(core.Done{Err: errCrashed}, nil)
	})
}

// read reads a register, by the rules or by a broken one.
func (c *client) read(n *node, in input, finish func(core.Done, func() uint64)) {
	now := func() uint64 {
		raw, err := n.disk.db.Get(registerKey(in.register))
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			n.fail("read: %v", err)
		}
		return value(raw)
	}
	switch s := n.core.Status(); {
	case c.w.cfg.Broken.ReadWithoutBarrier:
		finish(core.Done{}, now)
	case c.w.cfg.Broken.ReadOnceCommitted && s.Leading && s.Applied >= s.Commit:
		finish(core.Done{}, now)
	default:
		n.barrier(func(d core.Done) { finish(d, now) })
	}
}

// history remembers an operation for the check at the end.
func (k *checker) history(client int, in input, out output, called time.Duration) {
	returned := int64(k.w.now)
	if !out.known {
		if in.write == 0 {
			return // a read without an answer says nothing
		}
		returned = math.MaxInt64
		client = 1000 + int(in.write) // it may still happen, whatever its client does now
	}
	k.ops = append(k.ops, porcupine.Operation{
		ClientId: client, Input: in, Output: out, Call: int64(called), Return: returned,
	})
}

// model is a set of registers.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, registers)
		for _, op := range history {
			r := op.Input.(input).register
			parts[r] = append(parts[r], op)
		}
		return parts
	},
	Init: func() any { return uint64(0) },
	Step: func(state, in, out any) (bool, any) {
		s, i, o := state.(uint64), in.(input), out.(output)
		if o.known && o.value != s {
			return false, s
		}
		if i.write != 0 {
			return true, i.write
		}
		return true, s
	},
}
