package tlsnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
	"grange/internal/transport"
	tlsnet "grange/internal/transport/tls"
	"grange/internal/transport/transporttest"
)

const group = id.Group(16)

// register is a state machine: a command "key=value" sets a key.
type register struct{}

func (register) Apply(b kv.Batch, e raftgroup.Entry) ([]byte, error) {
	name, value, _ := bytes.Cut(e.Command, []byte("="))
	return nil, b.Set(raftgroup.StateSpace(group).Key(name), value)
}

// late is a sender that is made after its user.
type late struct{ transport.Sender }

// raftNode is a host on a TLS node.
type raftNode struct {
	host  *raftgroup.Host
	net   *tlsnet.Node
	store kv.Store
	kill  func()
}

// startRaft runs a host over TLS. Its kill ends the network first, as a power cut does: no leadership is handed over.
func startRaft(t *testing.T, n byte, o tlsnet.Options) *raftNode {
	t.Helper()
	r := &raftNode{store: mem.New()}
	sender := new(late)
	r.host = raftgroup.NewHost(raftgroup.Options{Store: r.store, Node: nodeID(n), Transport: sender, Tick: 10 * time.Millisecond})
	var members []raftgroup.Member
	for i := range byte(3) {
		members = append(members, raftgroup.Member{Replica: id.Replica(i + 1), Node: nodeID(i + 1)})
	}
	err := r.host.AddGroup(raftgroup.GroupConfig{ID: group, StateMachine: register{}, Members: members})
	if err != nil {
		t.Fatal(err)
	}
	if r.net, err = tlsnet.New(o); err != nil {
		t.Fatal(err)
	}
	sender.Sender = r.net
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.host.Run(ctx) }()
	stopNet := transporttest.Start(t, end(r.net), r.host)
	r.kill = func() {
		stopNet()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(r.kill)
	return r
}

func (r *raftNode) put(t *testing.T, key, value string) {
	t.Helper()
	if _, err := r.host.Propose(withTimeout(t), group, []byte(key+"="+value)); err != nil {
		t.Fatal(err)
	}
}

func (r *raftNode) get(t *testing.T, key string) string {
	t.Helper()
	if err := r.host.Barrier(withTimeout(t), group); err != nil {
		t.Fatal(err)
	}
	v, err := r.store.Get(raftgroup.StateSpace(group).Key([]byte(key)))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		t.Fatal(err)
	}
	return string(v)
}

func (r *raftNode) leads(t *testing.T) bool {
	t.Helper()
	s, err := r.host.Status(withTimeout(t), group)
	if err != nil {
		t.Fatal(err)
	}
	return s.Leading
}

func TestThreeHostsOverTLSSurviveTheLossOfTheLeader(t *testing.T) {
	w := newWorld(t)
	options := map[byte]tlsnet.Options{}
	for n := byte(1); n <= 3; n++ {
		options[n] = w.options(n)
	}
	nodes := map[byte]*raftNode{}
	for n, o := range options {
		nodes[n] = startRaft(t, n, o)
	}
	for i := range 30 {
		n := byte(i%3 + 1)
		nodes[n].put(t, "k", fmt.Sprint(i))
		if got := nodes[n%3+1].get(t, "k"); got != fmt.Sprint(i) {
			t.Fatalf("write %d through one node reads as %q through the next", i, got)
		}
	}
	var leader byte
	eventually(t, "a leader", func() bool {
		for n, r := range nodes {
			if r.leads(t) {
				leader = n
			}
		}
		return leader != 0
	})
	began := time.Now()
	nodes[leader].kill()
	survivor := leader%3 + 1
	nodes[survivor].put(t, "k", "after")
	t.Logf("the first write after the loss of the leader took %v", time.Since(began))
	if got := nodes[survivor%3+1].get(t, "k"); got != "after" {
		t.Errorf("the other survivor reads %q", got)
	}
}
