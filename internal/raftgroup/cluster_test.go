package raftgroup_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
	"grange/internal/raftgroup/core"
	transportmem "grange/internal/transport/mem"
)

// cluster is a few hosts in one process.
type cluster struct {
	t     *testing.T
	net   *transportmem.Network
	nodes map[int]*node
	disks map[int]*mem.DB
	first int // how many members the group has at first
	tune  core.Config
}

func newCluster(t *testing.T, voters int) *cluster {
	c := &cluster{
		t: t, net: transportmem.New(), nodes: map[int]*node{}, disks: map[int]*mem.DB{}, first: voters,
		tune: core.Config{
			ElectionTicks: 10, HeartbeatTicks: 2, RetryTicks: 5,
			TruncateBytes: 4 << 10, LogBytesMax: 32 << 10, FollowerLogBytes: 8 << 10,
		},
	}
	for i := 1; i <= voters; i++ {
		c.start(i)
	}
	return c
}

// start runs a node on its disk. A node that is no first member joins as the replica of its number.
func (c *cluster) start(n int) {
	c.t.Helper()
	if c.disks[n] == nil {
		c.disks[n] = mem.New()
	}
	end := c.net.Join(nodeID(n), nil)
	h := raftgroup.NewHost(raftgroup.Options{
		Store: c.disks[n], Node: nodeID(n), Transport: end, Tick: 10 * time.Millisecond, Core: c.tune,
	})
	err := h.AddGroup(raftgroup.GroupConfig{
		ID: group, StateMachine: register{group}, Members: members(c.first), Replica: id.Replica(n),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	nd := run(c.t, h, c.disks[n])
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = end.Run(ctx, h) })
	stopHost := nd.stop
	nd.stop = func() error {
		err := stopHost()
		cancel()
		wg.Wait()
		return err
	}
	c.t.Cleanup(func() { _ = nd.stop() })
	c.nodes[n] = nd
}

func (c *cluster) stop(n int) {
	c.t.Helper()
	if err := c.nodes[n].stop(); err != nil {
		c.t.Fatal(err)
	}
	delete(c.nodes, n)
}

// eventually waits until a condition holds.
func (c *cluster) eventually(what string, holds func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("never: %s", what)
		}
	}
}

func (c *cluster) status(n int) core.Status {
	c.t.Helper()
	s, err := c.nodes[n].host.Status(withTimeout(c.t), group)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// leader is the number of the node that leads.
func (c *cluster) leader() (found int) {
	c.t.Helper()
	c.eventually("a leader", func() bool {
		for n := range c.nodes {
			if c.status(n).Leading {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

func TestEveryNodeServesWritesAndReads(t *testing.T) {
	c := newCluster(t, 3)
	for i := range 30 {
		c.nodes[i%3+1].put("k", fmt.Sprint(i))
		if got := c.nodes[(i+1)%3+1].get("k"); got != fmt.Sprint(i) {
			t.Fatalf("write %d through one node is not seen through the next: got %q", i, got)
		}
	}
}

func TestWritesSurviveTheLossOfTheLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.nodes[1].put("k", "0")
	for i := range 3 {
		lead := c.leader()
		c.net.Isolate(nodeID(lead), true)
		other := lead%3 + 1
		if old := c.nodes[other].put("k", fmt.Sprint(i+1)); old != fmt.Sprint(i) {
			t.Errorf("round %d: got %q before the write", i, old)
		}
		c.net.Isolate(nodeID(lead), false)
		if got := c.nodes[lead].get("k"); got != fmt.Sprint(i+1) {
			t.Errorf("round %d: the old leader reads %q", i, got)
		}
	}
}

func TestConcurrentWritersThroughAllNodesAreAppliedOnce(t *testing.T) {
	c := newCluster(t, 3)
	var wg sync.WaitGroup
	for w := range 9 {
		wg.Go(func() {
			key := fmt.Sprint("writer", w)
			for i := range 40 {
				old, err := c.nodes[w%3+1].host.Propose(withTimeout(t), group, fmt.Appendf(nil, "%s=%d", key, i))
				if want := fmt.Sprint(i - 1); err != nil || i > 0 && string(old) != want {
					t.Errorf("writer %d: got %q, %v, want %q", w, old, err, want)
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	lead := c.leader()
	ctx := withTimeout(t)
	if err := c.nodes[lead].host.Transfer(ctx, group, id.Replica(lead%3+1)); err != nil && !errors.Is(err, core.ErrNotLeader) {
		t.Error(err)
	}
	wg.Wait()
}

func TestStoppingLeaderHandsOver(t *testing.T) {
	c := newCluster(t, 3)
	c.nodes[1].put("k", "1")
	lead := c.leader()
	began := time.Now()
	c.stop(lead)
	c.nodes[lead%3+1].put("k", "2")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the hand-over took %v", took)
	}
}

func TestReplicaFarBehindGetsASnapshot(t *testing.T) {
	c := newCluster(t, 3)
	c.nodes[1].put("k", "0")
	c.stop(3)
	big := string(make([]byte, 4<<10))
	for i := range 100 {
		c.nodes[1].put(fmt.Sprint("k", i%20), big)
	}
	c.eventually("a truncated log", func() bool {
		return c.status(1).First > 50 && c.status(2).First > 50
	})
	c.nodes[1].put("last", "1")
	c.start(3)
	if got := c.nodes[3].get("last"); got != "1" {
		t.Errorf("got %q, want the write that was made meanwhile", got)
	}
	if got := c.nodes[3].get("k7"); got != big {
		t.Error("a value is missing after the snapshot")
	}
	c.nodes[3].put("k", "2")
}

func TestMembershipGrowsAndShrinks(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[1].put("k", "1")
	change := func(via int, changes ...core.Change) {
		t.Helper()
		if err := c.nodes[via].host.ChangeMembers(withTimeout(t), group, changes); err != nil {
			t.Fatal(err)
		}
	}
	for n := 2; n <= 3; n++ {
		c.start(n)
		change(1, core.Change{Kind: core.AddLearner, Replica: id.Replica(n), Node: nodeID(n)})
		c.eventually("the learner has caught up", func() bool {
			s, err := c.nodes[n].host.Status(withTimeout(t), group)
			return err == nil && s.Applied > 1
		})
	}
	if got := c.nodes[3].get("k"); got != "1" {
		t.Errorf("a learner reads %q, want 1", got)
	}
	change(1,
		core.Change{Kind: core.AddVoter, Replica: 2, Node: nodeID(2)},
		core.Change{Kind: core.AddVoter, Replica: 3, Node: nodeID(3)})
	c.nodes[2].put("k", "2")
	c.eventually("all are voters", func() bool {
		voters := 0
		for _, m := range c.status(c.leader()).Members {
			if m.Voter {
				voters++
			}
		}
		return voters == 3
	})
	change(2, core.Change{Kind: core.RemoveMember, Replica: 1})
	c.nodes[3].put("k", "3")
	c.eventually("the removed replica is gone", func() bool {
		return len(c.nodes[1].host.Groups()) == 0
	})
	if _, err := c.nodes[1].host.Propose(withTimeout(t), group, []byte("k=x")); !errors.Is(err, raftgroup.ErrUnknownGroup) {
		t.Errorf("got %v, want ErrUnknownGroup", err)
	}
	if got := c.nodes[2].get("k"); got != "3" {
		t.Errorf("got %q, want 3", got)
	}
	err := c.nodes[2].host.ChangeMembers(withTimeout(t), group, []core.Change{{Kind: core.AddLearner, Replica: 1, Node: nodeID(1)}})
	if !errors.Is(err, raftgroup.ErrChangeRefused) {
		t.Errorf("a replica's number is given twice: got %v, want ErrChangeRefused", err)
	}
	c.eventually("the tombstone", func() bool {
		err := c.nodes[1].host.AddGroup(raftgroup.GroupConfig{ID: group, StateMachine: register{group}, Replica: 1})
		return errors.Is(err, core.ErrRemoved)
	})
}
