package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/grouppb"
)

// ErrCorrupt reports a stored record that cannot be read, or a log with a hole.
var ErrCorrupt = errors.New("raftgroup: corrupt record")

// ErrNewerFormat reports a record that was written by a newer program.
var ErrNewerFormat = errors.New("raftgroup: record of a newer version")

const (
	recordVersion   = 1
	entryFormat     = 1
	entryHeaderSize = 1 + 1 + 8
)

// versioned is a record that names its version.
type versioned interface {
	proto.Message
	GetVersion() uint32
}

// getRecord reads one record. It returns kv.ErrNotFound when there is none.
func getRecord(r kv.Reader, key []byte, into versioned) error {
	raw, err := r.Get(key)
	if err != nil {
		return err
	}
	return decodeRecord(raw, into)
}

func decodeRecord(raw []byte, into versioned) error {
	if err := proto.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %T: %w", ErrCorrupt, into, err)
	}
	switch v := into.GetVersion(); {
	case v == 0:
		return fmt.Errorf("%w: %T without a version", ErrCorrupt, into)
	case v > recordVersion:
		return fmt.Errorf("%w: %T version %d", ErrNewerFormat, into, v)
	}
	return nil
}

func setRecord(w kv.Writer, key []byte, m versioned) error {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %T: %w", m, err)
	}
	return w.Set(key, raw)
}

// appendEntry appends the stored form of an entry. Its index is in the key.
func appendEntry(dst []byte, e *raftpb.Entry) []byte {
	dst = append(dst, entryFormat, byte(e.GetType()))
	dst = binary.BigEndian.AppendUint64(dst, e.GetTerm())
	return append(dst, e.GetData()...)
}

// decodeEntry reads the stored form. The entry shares the memory of raw.
func decodeEntry(index uint64, raw []byte) (*raftpb.Entry, error) {
	if len(raw) < entryHeaderSize {
		return nil, fmt.Errorf("%w: entry %d of %d bytes", ErrCorrupt, index, len(raw))
	}
	if raw[0] != entryFormat {
		return nil, fmt.Errorf("%w: entry %d has format %d", ErrNewerFormat, index, raw[0])
	}
	kind := raftpb.EntryType(raw[1])
	if kind != raftpb.EntryNormal && kind != raftpb.EntryConfChangeV2 {
		return nil, fmt.Errorf("%w: entry %d of type %d", ErrCorrupt, index, raw[1])
	}
	e := &raftpb.Entry{Type: kind.Enum(), Index: new(index), Term: new(binary.BigEndian.Uint64(raw[2:]))}
	if len(raw) > entryHeaderSize {
		e.Data = raw[entryHeaderSize:]
	}
	return e, nil
}

// Members says on which node each replica of a group lives.
type Members map[id.Replica]id.Node

func (m Members) clone() Members {
	out := make(Members, len(m))
	maps.Copy(out, m)
	return out
}

func (m Members) encode() []*grouppb.Member {
	replicas := make([]id.Replica, 0, len(m))
	for r := range m {
		replicas = append(replicas, r)
	}
	slices.Sort(replicas)
	out := make([]*grouppb.Member, 0, len(m))
	for _, r := range replicas {
		out = append(out, &grouppb.Member{Replica: uint64(r), Node: nodeBytes(m[r])})
	}
	return out
}

func decodeMembers(list []*grouppb.Member) (Members, error) {
	out := make(Members, len(list))
	for _, m := range list {
		if len(m.GetNode()) != len(id.Node{}) || m.GetReplica() == 0 {
			return nil, fmt.Errorf("%w: member %d on node %x", ErrCorrupt, m.GetReplica(), m.GetNode())
		}
		out[id.Replica(m.GetReplica())] = id.Node(m.GetNode())
	}
	return out, nil
}

func nodeBytes(n id.Node) []byte { return n[:] }

// place is what the table 'a' holds: how far the state machine is, and who the members are there.
type place struct {
	index, term uint64
	conf        *raftpb.ConfState
	members     Members
	replicaMax  uint64
}

func readPlace(r kv.Reader, k keys) (place, error) {
	var rec grouppb.Applied
	switch err := getRecord(r, k.applied(), &rec); {
	case errors.Is(err, kv.ErrNotFound):
		return place{conf: &raftpb.ConfState{}, members: Members{}}, nil
	case err != nil:
		return place{}, fmt.Errorf("read the applied index: %w", err)
	}
	return decodePlace(&rec)
}

func decodePlace(rec *grouppb.Applied) (place, error) {
	members, err := decodeMembers(rec.GetMembers())
	if err != nil {
		return place{}, err
	}
	conf := &raftpb.ConfState{
		Voters: rec.GetVoters(), Learners: rec.GetLearners(),
		VotersOutgoing: rec.GetVotersOutgoing(), LearnersNext: rec.GetLearnersNext(),
	}
	if rec.GetAutoLeave() {
		conf.AutoLeave = new(true)
	}
	return place{rec.GetIndex(), rec.GetTerm(), conf, members, rec.GetReplicaMax()}, nil
}

func (p place) record() *grouppb.Applied {
	return &grouppb.Applied{
		Version: recordVersion, Index: p.index, Term: p.term,
		Voters: p.conf.GetVoters(), Learners: p.conf.GetLearners(),
		VotersOutgoing: p.conf.GetVotersOutgoing(), LearnersNext: p.conf.GetLearnersNext(),
		AutoLeave: p.conf.GetAutoLeave(), Members: p.members.encode(), ReplicaMax: p.replicaMax,
	}
}

// writeMark writes where a log begins: the replica's number, and the entry before the first.
func writeMark(w kv.Writer, k keys, replica id.Replica, truncated entryID) error {
	return errors.Join(
		setRecord(w, k.replica(), &grouppb.Replica{Version: recordVersion, Replica: uint64(replica)}),
		setRecord(w, k.truncated(), &grouppb.Truncated{
			Version: recordVersion, Index: truncated.index, Term: truncated.term,
		}))
}

// entryID names an entry.
type entryID struct{ index, term uint64 }

// Bootstrap writes the first records of a group: every first member begins with the same empty state, as if entry 1 of
// term 1 had made the membership. It refuses a keyspace that holds the group already.
func Bootstrap(s kv.Reader, w kv.Writer, g id.Group, self id.Replica, voters, learners []id.Replica, members Members) error {
	k := keysOf(g)
	if err := refuseExisting(s, k, self); err != nil {
		return err
	}
	p := place{index: 1, term: 1, conf: &raftpb.ConfState{}, members: members}
	for _, r := range voters {
		p.conf.Voters = append(p.conf.Voters, uint64(r))
		p.replicaMax = max(p.replicaMax, uint64(r))
	}
	for _, r := range learners {
		p.conf.Learners = append(p.conf.Learners, uint64(r))
		p.replicaMax = max(p.replicaMax, uint64(r))
	}
	return errors.Join(
		writeMark(w, k, self, entryID{1, 1}),
		setRecord(w, k.hardState(), &grouppb.HardState{Version: recordVersion, Term: 1, Commit: 1}),
		setRecord(w, k.applied(), p.record()))
}

// Join writes the first record of a replica that will get everything from the leader: it knows no membership yet.
func Join(s kv.Reader, w kv.Writer, g id.Group, self id.Replica) error {
	k := keysOf(g)
	if err := refuseExisting(s, k, self); err != nil {
		return err
	}
	return writeMark(w, k, self, entryID{})
}

// ErrExists reports a replica that this node holds already.
var ErrExists = errors.New("raftgroup: replica exists")

// ErrRemoved reports a replica number that was removed from this node: it must not come back.
var ErrRemoved = errors.New("raftgroup: replica was removed")

func refuseExisting(s kv.Reader, k keys, self id.Replica) error {
	var rec grouppb.Replica
	err := getRecord(s, k.replica(), &rec)
	if err == nil {
		return fmt.Errorf("%w: number %d", ErrExists, rec.GetReplica())
	}
	if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	var stone grouppb.Tombstone
	err = getRecord(s, k.tombstone(), &stone)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err == nil && uint64(self) < stone.GetReplicaMin() {
		return fmt.Errorf("%w: number %d, the lowest free one is %d", ErrRemoved, self, stone.GetReplicaMin())
	}
	return err
}

// Destroy removes a replica's data and leaves the tombstone that keeps its number from coming back.
func Destroy(w kv.Writer, g id.Group, replicaMin id.Replica) error {
	k := keysOf(g)
	lower, upper := k.space.Bounds()
	return errors.Join(
		w.DeleteRange(lower, upper),
		setRecord(w, k.tombstone(), &grouppb.Tombstone{Version: recordVersion, ReplicaMin: uint64(replicaMin)}))
}

// ReplicaOf is the number of the replica that this node holds of a group, or kv.ErrNotFound.
func ReplicaOf(r kv.Reader, g id.Group) (id.Replica, error) {
	var rec grouppb.Replica
	if err := getRecord(r, keysOf(g).replica(), &rec); err != nil {
		return 0, err
	}
	return id.Replica(rec.GetReplica()), nil
}
