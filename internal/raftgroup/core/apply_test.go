package core

import (
	"fmt"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup/grouppb"
)

// applyBench applies entries one after the other.
type applyBench struct {
	t       *testing.T
	db      *mem.DB
	applier *Applier
	index   uint64
}

func newApplyBench(t *testing.T) *applyBench {
	return &applyBench{t: t, db: mem.New(), applier: NewApplier(scriptGroup, scriptMachine{})}
}

func (a *applyBench) apply(e envelope) outcome {
	a.t.Helper()
	data, err := e.encode()
	if err != nil {
		a.t.Fatal(err)
	}
	a.index++
	work := &Apply{entries: []*raftpb.Entry{{
		Type: raftpb.EntryNormal.Enum(), Index: new(a.index), Term: new(uint64(1)), Data: data,
	}}}
	b := a.db.NewBatch()
	res, err := a.applier.Apply(b, work)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := b.Commit(false); err != nil {
		a.t.Fatal(err)
	}
	return res.outcomes[0]
}

func (a *applyBench) open() uint64 {
	o := a.apply(envelope{open: &grouppb.OpenSession{Node: nodeBytes(id.Node{1}), Nonce: a.index}})
	return o.name.session
}

func (a *applyBench) count(space kv.Space) (n int) {
	a.t.Helper()
	it, err := a.db.NewIter(space.Bounds())
	if err != nil {
		a.t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	return n
}

func TestSecondCopyOfACommandGetsTheFirstResult(t *testing.T) {
	a := newApplyBench(t)
	s := a.open()
	for range 3 {
		if o := a.apply(envelope{session: s, seq: 1, low: 1, command: []byte("k=v")}); string(o.result) != "1" {
			t.Errorf("got %q, want the first result", o.result)
		}
	}
	a.applier = NewApplier(scriptGroup, scriptMachine{}) // as after a restart
	if o := a.apply(envelope{session: s, seq: 1, low: 1, command: []byte("k=v")}); string(o.result) != "1" {
		t.Errorf("after a restart: got %q, want the first result", o.result)
	}
	if o := a.apply(envelope{session: s, seq: 2, low: 1, command: []byte("k=v")}); string(o.result) != "2" {
		t.Errorf("the next command: got %q, want 2", o.result)
	}
}

func TestResultsBelowTheWatermarkAreForgotten(t *testing.T) {
	a := newApplyBench(t)
	s := a.open()
	for seq := uint64(1); seq <= 50; seq++ {
		a.apply(envelope{session: s, seq: seq, low: max(4, seq) - 3, command: []byte("k=v")})
	}
	if n := a.count(keysOf(scriptGroup).results(s)); n != 4 {
		t.Errorf("%d results are kept, want 4", n)
	}
	if o := a.apply(envelope{session: s, seq: 5, low: 1, command: []byte("k=v")}); !o.forgotten {
		t.Error("an old copy of a forgotten command was applied")
	}
}

func TestCommandsBeyondTheWindowAreNotApplied(t *testing.T) {
	a := newApplyBench(t)
	s := a.open()
	if o := a.apply(envelope{session: s, seq: 1 + WindowMax, low: 1, command: []byte("k=v")}); !o.forgotten {
		t.Error("a command beyond the window was applied")
	}
	if o := a.apply(envelope{session: s, seq: WindowMax, low: 1, command: []byte("k=v")}); o.forgotten {
		t.Error("the last command of the window was not applied")
	}
}

func TestLeastRecentlyUsedSessionIsExpired(t *testing.T) {
	a := newApplyBench(t)
	first, second := a.open(), a.open()
	a.apply(envelope{session: second, seq: 1, low: 1, command: []byte("k=v")})
	a.apply(envelope{session: first, seq: 1, low: 1, command: []byte("k=v")}) // used later than the second
	for range SessionsMax - 1 {
		a.open()
	}
	if n := a.count(kv.GroupSpace(scriptGroup).Sub(tableSession)); n != SessionsMax {
		t.Errorf("%d sessions are kept, want %d", n, SessionsMax)
	}
	if o := a.apply(envelope{session: second, seq: 2, low: 1, command: []byte("k=v")}); !o.expired {
		t.Error("the least recently used session still works")
	}
	if o := a.apply(envelope{session: first, seq: 2, low: 1, command: []byte("k=v")}); o.expired {
		t.Error("a session that was used lately is expired")
	}
	if n := a.count(keysOf(scriptGroup).results(second)); n != 0 {
		t.Errorf("%d results of the expired session are kept", n)
	}
}

// What the applier computes for a change of membership is what raft computes.
func TestMembershipRefusesWhatDoesNotFit(t *testing.T) {
	node := id.Node{9}
	single := func(kind raftpb.ConfChangeType, r uint64) *raftpb.ConfChangeV2 {
		return &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{{Type: kind.Enum(), NodeId: new(r)}}}
	}
	start := place{
		conf:    &raftpb.ConfState{Voters: []uint64{1, 2}, Learners: []uint64{3}},
		members: Members{1: node, 2: node, 3: node}, replicaMax: 5,
	}
	for name, test := range map[string]struct {
		change *raftpb.ConfChangeV2
		added  Members
		want   bool
		voters string
	}{
		"a learner becomes a voter":        {single(raftpb.ConfChangeAddNode, 3), nil, true, "[1 2 3]"},
		"a new replica":                    {single(raftpb.ConfChangeAddNode, 6), Members{6: node}, true, "[1 2 6]"},
		"a number given before":            {single(raftpb.ConfChangeAddNode, 5), Members{5: node}, false, "[1 2]"},
		"a new replica on no node":         {single(raftpb.ConfChangeAddNode, 6), nil, false, "[1 2]"},
		"a voter leaves":                   {single(raftpb.ConfChangeRemoveNode, 2), nil, true, "[1]"},
		"leaving a joint one that is none": {&raftpb.ConfChangeV2{}, nil, false, "[1 2]"},
	} {
		a := &Applier{place: place{conf: start.conf, members: start.members.clone(), replicaMax: start.replicaMax}}
		res := &Applied{}
		got := a.change(test.change, test.added, res)
		if voters := fmt.Sprint(a.place.conf.GetVoters()); got != test.want || voters != test.voters {
			t.Errorf("%s: got %v, voters %s, want %v, %s", name, got, voters, test.want, test.voters)
		}
		if len(res.changes) != 0 != test.want {
			t.Errorf("%s: %d changes are given to raft", name, len(res.changes))
		}
	}
}

func TestRemovedReplicaCannotComeBack(t *testing.T) {
	db := mem.New()
	b := db.NewWriteBatch()
	if err := Destroy(b, scriptGroup, 4); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(true); err != nil {
		t.Fatal(err)
	}
	for r, want := range map[id.Replica]bool{3: false, 4: true} {
		if err := Join(db, db.NewWriteBatch(), scriptGroup, r); (err == nil) != want {
			t.Errorf("replica %d: %v", r, err)
		}
	}
}

func TestLogWithAHoleIsRefused(t *testing.T) {
	for name, write := range map[string]func(kv.Writer, keys) error{
		"a missing entry": func(w kv.Writer, k keys) error {
			return w.Set(k.entry(3), appendEntry(nil, &raftpb.Entry{Term: new(uint64(1))}))
		},
		"a term that falls": func(w kv.Writer, k keys) error {
			return w.Set(k.entry(2), appendEntry(nil, &raftpb.Entry{Term: new(uint64(0))}))
		},
		"an unreadable entry": func(w kv.Writer, k keys) error { return w.Set(k.entry(2), []byte{1}) },
	} {
		db := mem.New()
		b := db.NewWriteBatch()
		members := Members{1: {1}}
		if err := Bootstrap(db, b, scriptGroup, 1, []id.Replica{1}, nil, members); err != nil {
			t.Fatal(err)
		}
		if err := write(b, keysOf(scriptGroup)); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(true); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(Config{Group: scriptGroup, Reader: db}); err == nil {
			t.Errorf("%s: the log was loaded", name)
		}
	}
}
