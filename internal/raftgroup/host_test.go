package raftgroup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup"
	"grange/internal/raftgroup/core"
	"grange/internal/transport"
)

const group = id.Group(16)

// register is a state machine for tests: a command "key=value" sets a key, and its result is the key's old value.
// A command "panic" and "fail" do what they say.
type register struct{ group id.Group }

func (m register) Apply(b kv.Batch, e raftgroup.Entry) ([]byte, error) {
	switch string(e.Command) {
	case "panic":
		panic("told to")
	case "fail":
		return nil, errors.New("told to")
	}
	name, value, _ := bytes.Cut(e.Command, []byte("="))
	key := raftgroup.StateSpace(m.group).Key(name)
	old, err := b.Get(key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	return old, b.Set(key, value)
}

// node is a host under test.
type node struct {
	t     testing.TB
	host  *raftgroup.Host
	store kv.Store
	stop  func() error
}

func nodeID(n int) id.Node { return id.Node{15: byte(n)} }

func members(n int) []raftgroup.Member {
	var out []raftgroup.Member
	for i := 1; i <= n; i++ {
		out = append(out, raftgroup.Member{Replica: id.Replica(i), Node: nodeID(i)})
	}
	return out
}

// start runs a host with one group.
func start(t testing.TB, store kv.Store, self, voters int, tr transport.Sender, groups ...id.Group) *node {
	t.Helper()
	h := raftgroup.NewHost(raftgroup.Options{
		Store: store, Node: nodeID(self), Transport: tr, Tick: 10 * time.Millisecond,
		Core: core.Config{RetryTicks: 5, TruncateBytes: 64 << 10},
	})
	if len(groups) == 0 {
		groups = []id.Group{group}
	}
	for _, g := range groups {
		err := h.AddGroup(raftgroup.GroupConfig{ID: g, StateMachine: register{g}, Members: members(voters)})
		if err != nil {
			t.Fatal(err)
		}
	}
	return run(t, h, store)
}

func run(t testing.TB, h *raftgroup.Host, store kv.Store) *node {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	n := &node{t: t, host: h, store: store}
	var result error
	var stopped bool
	n.stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-ended
		}
		return result
	}
	t.Cleanup(func() { _ = n.stop() })
	return n
}

func openStore(t testing.TB, fs vfs.FS) *kv.DB {
	t.Helper()
	db, err := kv.Open("db", kv.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func withTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (n *node) put(key, value string) string {
	n.t.Helper()
	old, err := n.host.Propose(withTimeout(n.t), group, []byte(key+"="+value))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(old)
}

func (n *node) get(key string) string {
	n.t.Helper()
	if err := n.host.Barrier(withTimeout(n.t), group); err != nil {
		n.t.Fatal(err)
	}
	v, err := n.store.Get(raftgroup.StateSpace(group).Key([]byte(key)))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		n.t.Fatal(err)
	}
	return string(v)
}

func TestSingleNodeAnswersAtOnce(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	began := time.Now()
	n := start(t, store, 1, 1, nil)
	if old := n.put("a", "1"); old != "" {
		t.Errorf("got %q, want no old value", old)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the first answer took %v", took)
	}
	if old := n.put("a", "2"); old != "1" {
		t.Errorf("got %q, want the first value", old)
	}
	if got := n.get("a"); got != "2" {
		t.Errorf("got %q, want 2", got)
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}

func TestStateSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	for i := range 5 {
		store := openStore(t, fs)
		n := start(t, store, 1, 1, nil)
		for j := range 50 {
			n.put("k", fmt.Sprint(i, j))
		}
		if i > 0 {
			if got := n.get(fmt.Sprint("last", i-1)); got != fmt.Sprint(i-1) {
				t.Errorf("round %d: got %q", i, got)
			}
		}
		n.put(fmt.Sprint("last", i), fmt.Sprint(i))
		if err := errors.Join(n.stop(), store.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStoppedHostSaysSo(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	n := start(t, store, 1, 1, nil)
	n.put("a", "1")
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.host.Propose(withTimeout(t), group, []byte("a=2")); !errors.Is(err, raftgroup.ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
	if err := n.host.Barrier(withTimeout(t), group); !errors.Is(err, raftgroup.ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}

func TestRefusalsBeforeTheFirstAttempt(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	n := start(t, store, 1, 1, nil)
	for name, test := range map[string]struct {
		group   id.Group
		command []byte
		want    error
	}{
		"unknown group":     {99, []byte("a=1"), raftgroup.ErrUnknownGroup},
		"too large command": {group, make([]byte, raftgroup.CommandBytesMax+1), raftgroup.ErrTooLarge},
	} {
		if _, err := n.host.Propose(withTimeout(t), test.group, test.command); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestFailingStateMachineSetsOnlyItsGroupAside(t *testing.T) {
	for _, command := range []string{"panic", "fail"} {
		t.Run(command, func(t *testing.T) {
			store := openStore(t, vfs.NewMem())
			defer store.Close()
			n := start(t, store, 1, 1, nil, group, group+1)
			n.put("a", "1")
			if _, err := n.host.Propose(withTimeout(t), group+1, []byte(command)); !errors.Is(err, raftgroup.ErrQuarantined) {
				t.Errorf("got %v, want ErrQuarantined", err)
			}
			if err := n.host.Barrier(withTimeout(t), group+1); !errors.Is(err, raftgroup.ErrQuarantined) {
				t.Errorf("barrier: got %v, want ErrQuarantined", err)
			}
			if old := n.put("a", "2"); old != "1" {
				t.Errorf("the other group: got %q, want 1", old)
			}
		})
	}
}

func TestLogOfAQuietSingleNodeIsTruncated(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	n := start(t, store, 1, 1, nil)
	big := string(make([]byte, 16<<10))
	for range 64 {
		n.put("a", big)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s, err := n.host.Status(withTimeout(t), group)
		if err != nil {
			t.Fatal(err)
		}
		if s.LogBytes < 128<<10 && s.First > 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log still holds %d bytes from %d on", s.LogBytes, s.First)
		}
	}
}
