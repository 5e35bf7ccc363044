package core

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/grouppb"
)

// SessionsMax is how many sessions a group holds; see the package comment.
const SessionsMax = 1024

// Entry is one committed command as a state machine sees it.
type Entry struct {
	Index   uint64 // place in the group's log
	Command []byte // as it was proposed; must not be kept or changed
}

// StateMachine is what a group replicates; see raftgroup.StateMachine for the contract.
type StateMachine interface {
	Apply(b kv.Batch, e Entry) (result []byte, err error)
}

// Apply is a run of committed entries.
type Apply struct {
	entries   []*raftpb.Entry
	responses []*raftpb.Message
}

// Each visits the entries, for whoever watches.
func (a *Apply) Each(visit func(index, term uint64, data []byte)) { eachEntry(a.entries, visit) }

// Applied is what came of an Apply.
type Applied struct {
	place    place
	changes  []*raftpb.ConfChangeV2 // those that took effect
	outcomes []outcome
}

// Index is the place of the state machine after the apply.
func (a *Applied) Index() uint64 { return a.place.index }

// outcome is what came of one entry.
type outcome struct {
	name      name
	open      *grouppb.OpenSession // the entry opened session name.session
	result    []byte
	refused   bool // a change of membership that was not made
	expired   bool // the session is not known
	forgotten bool // the session said that it does not want the result any more
}

// Applier runs the state machine of one replica. It belongs to one goroutine.
type Applier struct {
	keys     keys
	sm       StateMachine
	loaded   bool
	place    place
	sessions map[uint64]*sessionState
	dirty    []uint64 // sessions to write, in order of first use in the batch
}

// sessionState is a session as it stands in the batch.
type sessionState struct {
	low, used uint64
	results   []uint64 // numbers whose results are stored, ascending; nil before they were looked up
	looked    bool
	dirty     bool
}

// NewApplier makes the applier of a group.
func NewApplier(g id.Group, sm StateMachine) *Applier { return &Applier{keys: keysOf(g), sm: sm} }

// Apply applies entries into b, with the place, the sessions and the results. The caller commits b; if it does not,
// or after an error, the applier cannot be used again.
func (a *Applier) Apply(b kv.Batch, work *Apply) (*Applied, error) {
	if !a.loaded || work.entries[0].GetIndex() != a.place.index+1 {
		if err := a.load(b); err != nil {
			return nil, err
		}
	}
	res := &Applied{outcomes: make([]outcome, 0, len(work.entries))}
	for _, e := range work.entries {
		if e.GetIndex() != a.place.index+1 {
			return nil, fmt.Errorf("%w: entry %d after %d was applied", ErrCorrupt, e.GetIndex(), a.place.index)
		}
		a.place.index, a.place.term = e.GetIndex(), e.GetTerm()
		if err := a.applyEntry(b, e, res); err != nil {
			return nil, fmt.Errorf("apply entry %d: %w", e.GetIndex(), err)
		}
	}
	if err := a.flush(b); err != nil {
		return nil, err
	}
	res.place = a.place
	return res, nil
}

// load reads the state from which to go on: at the start, and after a snapshot was installed.
func (a *Applier) load(r kv.Reader) (err error) {
	if a.place, err = readPlace(r, a.keys); err != nil {
		return err
	}
	a.sessions = map[uint64]*sessionState{}
	it, err := r.NewIter(a.keys.space.Sub(tableSession).Bounds())
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		var rec grouppb.Session
		if err := decodeRecord(it.Value(), &rec); err != nil {
			return errors.Join(err, it.Close())
		}
		a.sessions[lastNumber(it.Key())] = &sessionState{low: rec.GetLow(), used: rec.GetUsed()}
	}
	a.loaded = true
	return errors.Join(it.Error(), it.Close())
}

func (a *Applier) applyEntry(b kv.Batch, e *raftpb.Entry, res *Applied) error {
	if e.GetType() == raftpb.EntryConfChangeV2 {
		return a.applyChange(b, e, res)
	}
	if len(e.GetData()) == 0 {
		return nil // a leader's first entry
	}
	env, err := decodeEnvelope(e.GetData())
	if err != nil {
		return err
	}
	if env.open != nil {
		return a.open(b, env.open, res)
	}
	return a.once(b, env, res, func() (*grouppb.Result, error) {
		payload, err := a.sm.Apply(b, Entry{Index: e.GetIndex(), Command: env.command})
		return &grouppb.Result{Version: recordVersion, Payload: payload}, err
	})
}

// open begins a session, and expires the least recently used one if there are too many.
func (a *Applier) open(b kv.Batch, open *grouppb.OpenSession, res *Applied) error {
	if len(open.GetNode()) != len(id.Node{}) {
		return fmt.Errorf("%w: session of node %x", ErrCorrupt, open.GetNode())
	}
	session := a.place.index
	a.sessions[session] = &sessionState{low: 1, looked: true}
	a.touch(session)
	res.outcomes = append(res.outcomes, outcome{name: name{session: session}, open: open})
	if len(a.sessions) <= SessionsMax {
		return nil
	}
	oldest := session
	for s, state := range a.sessions {
		if state.used < a.sessions[oldest].used {
			oldest = s // no two sessions have the same place of last use
		}
	}
	delete(a.sessions, oldest)
	lower, upper := a.keys.results(oldest).Bounds()
	return errors.Join(b.Delete(a.keys.session(oldest)), b.DeleteRange(lower, upper))
}

func (a *Applier) touch(session uint64) *sessionState {
	s := a.sessions[session]
	s.used = a.place.index
	if !s.dirty {
		s.dirty = true
		a.dirty = append(a.dirty, session)
	}
	return s
}

// once runs a command unless one of its name was run before, and keeps its result.
func (a *Applier) once(b kv.Batch, env envelope, res *Applied, run func() (*grouppb.Result, error)) error {
	o := outcome{name: name{env.session, env.seq}}
	result, err := a.onceResult(b, env, &o, run)
	if err != nil {
		return err
	}
	o.result, o.refused = result.GetPayload(), result.GetRefused()
	res.outcomes = append(res.outcomes, o)
	return nil
}

func (a *Applier) onceResult(
	b kv.Batch, env envelope, o *outcome, run func() (*grouppb.Result, error),
) (*grouppb.Result, error) {
	if a.sessions[env.session] == nil {
		o.expired = true
		return nil, nil
	}
	s := a.touch(env.session)
	if err := a.lookUp(b, env.session, s); err != nil {
		return nil, err
	}
	if err := a.raiseLow(b, env.session, s, min(env.low, env.seq)); err != nil {
		return nil, err
	}
	if env.seq < s.low || env.seq >= s.low+WindowMax {
		o.forgotten = true
		return nil, nil
	}
	at, found := slices.BinarySearch(s.results, env.seq)
	if found {
		result := new(grouppb.Result)
		return result, getRecord(b, a.keys.result(env.session, env.seq), result)
	}
	result, err := run()
	if err != nil {
		return nil, err
	}
	s.results = slices.Insert(s.results, at, env.seq)
	return result, setRecord(b, a.keys.result(env.session, env.seq), result)
}

// lookUp finds which results of a session are stored.
func (a *Applier) lookUp(b kv.Batch, session uint64, s *sessionState) error {
	if s.looked {
		return nil
	}
	it, err := b.NewIter(a.keys.results(session).Bounds())
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		s.results = append(s.results, lastNumber(it.Key()))
	}
	s.looked = true
	return errors.Join(it.Error(), it.Close())
}

// raiseLow forgets the results that the session does not want any more.
func (a *Applier) raiseLow(b kv.Batch, session uint64, s *sessionState, low uint64) error {
	if low <= s.low {
		return nil
	}
	s.low = low
	n, _ := slices.BinarySearch(s.results, low)
	for _, seq := range s.results[:n] {
		if err := b.Delete(a.keys.result(session, seq)); err != nil {
			return err
		}
	}
	s.results = slices.Delete(s.results, 0, n)
	return nil
}

// flush writes what goes with every batch.
func (a *Applier) flush(b kv.Batch) error {
	for _, session := range a.dirty {
		s := a.sessions[session]
		if s == nil {
			continue // opened and expired in one batch
		}
		s.dirty = false
		rec := &grouppb.Session{Version: recordVersion, Low: s.low, Used: s.used}
		if err := setRecord(b, a.keys.session(session), rec); err != nil {
			return err
		}
	}
	a.dirty = a.dirty[:0]
	return setRecord(b, a.keys.applied(), a.place.record())
}

// applyChange makes a change of membership, or refuses it, alike on all replicas.
func (a *Applier) applyChange(b kv.Batch, e *raftpb.Entry, res *Applied) error {
	cc, err := decodeChange(e.GetData())
	if err != nil {
		return err
	}
	if len(cc.GetContext()) == 0 { // raft's own entry that leaves a joint membership
		if !a.change(cc, nil, res) {
			return fmt.Errorf("%w: cannot leave membership %v", ErrCorrupt, a.place.conf)
		}
		return nil
	}
	env, err := decodeEnvelope(cc.GetContext())
	if err != nil {
		return err
	}
	members, err := decodeMembers(env.members)
	if err != nil {
		return err
	}
	return a.once(b, env, res, func() (*grouppb.Result, error) {
		return &grouppb.Result{Version: recordVersion, Refused: !a.change(cc, members, res)}, nil
	})
}

func decodeChange(raw []byte) (*raftpb.ConfChangeV2, error) {
	cc := new(raftpb.ConfChangeV2)
	if err := proto.Unmarshal(raw, cc); err != nil {
		return nil, fmt.Errorf("%w: change of membership: %w", ErrCorrupt, err)
	}
	return cc, nil
}

// change moves the membership. It returns false when the change does not fit.
func (a *Applier) change(cc *raftpb.ConfChangeV2, added Members, res *Applied) bool {
	next := a.place.members.clone()
	replicaMax := a.place.replicaMax
	for _, c := range cc.GetChanges() {
		r := id.Replica(c.GetNodeId())
		if c.GetType() == raftpb.ConfChangeRemoveNode {
			continue
		}
		if _, member := next[r]; member {
			continue
		}
		node, ok := added[r]
		if !ok || uint64(r) <= a.place.replicaMax {
			return false
		}
		next[r] = node
		replicaMax = max(replicaMax, uint64(r))
	}
	conf, err := nextConf(a.place.conf, cc)
	if err != nil {
		return false
	}
	keep := map[id.Replica]bool{}
	for _, list := range [][]uint64{conf.Voters, conf.Learners, conf.VotersOutgoing, conf.LearnersNext} {
		for _, r := range list {
			keep[id.Replica(r)] = true
		}
	}
	for r := range next {
		if !keep[r] {
			delete(next, r)
		}
	}
	a.place.conf, a.place.members, a.place.replicaMax = conf, next, replicaMax
	res.changes = append(res.changes, cc)
	return true
}

// nextConf is the membership after a change, as raft will compute it.
func nextConf(conf *raftpb.ConfState, cc *raftpb.ConfChangeV2) (*raftpb.ConfState, error) {
	changer := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: 1}
	cfg, progress, err := confchange.Restore(changer, conf)
	if err != nil {
		return nil, err
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	if cc.LeaveJoint() {
		cfg, _, err = changer.LeaveJoint()
	} else if auto, joint := cc.EnterJoint(); joint {
		cfg, _, err = changer.EnterJoint(auto, cc.GetChanges()...)
	} else {
		cfg, _, err = changer.Simple(cc.GetChanges()...)
	}
	if err != nil {
		return nil, err
	}
	after := tracker.ProgressTracker{Config: cfg}
	return after.ConfState(), nil
}
