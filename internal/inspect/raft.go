package inspect

import (
	"encoding/binary"
	"fmt"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/core"
)

// Group is how a stored replica stands.
type Group struct {
	ID       id.Group      `json:"id"`
	Replica  id.Replica    `json:"replica"`
	Term     uint64        `json:"term"`
	Commit   uint64        `json:"commit"`
	Applied  uint64        `json:"applied"`
	First    uint64        `json:"first"` // log index
	Last     uint64        `json:"last"`  // log index
	LogBytes int64         `json:"log_bytes"`
	Members  []core.Member `json:"members"`
}

// Groups lists the groups of which the node has a replica.
func Groups(r kv.Reader) (all []Group, err error) {
	for next := uint64(0); next < 1<<32; {
		it, err := r.NewIter(kv.GroupSpace(id.Group(next)), kv.PrefixEnd([]byte{'g'}))
		if err != nil {
			return nil, err
		}
		found := it.First()
		var g id.Group
		if found {
			g = id.Group(binary.BigEndian.Uint32(it.Key()[1:5]))
		}
		if err := it.Error(); err != nil {
			_ = it.Close()
			return nil, err
		}
		if err := it.Close(); err != nil || !found {
			return all, err
		}
		s, err := core.ReadStatus(r, g)
		if err != nil {
			return nil, err
		}
		all = append(all, Group{
			ID: g, Replica: s.Replica, Term: s.Term, Commit: s.Commit, Applied: s.Applied, First: s.First, Last: s.Last,
			LogBytes: s.LogBytes, Members: s.Members,
		})
		next = uint64(g) + 1
	}
	return all, nil
}

// Entry is an entry of a group's log.
type Entry struct {
	Index   uint64 `json:"index"`
	Term    uint64 `json:"term"`
	Kind    string `json:"kind"`
	Session uint64 `json:"session,omitempty"` // with Seq: under which id the command is applied once
	Seq     uint64 `json:"seq,omitempty"`
	Command string `json:"command,omitempty"`
}

// Log walks the stored log of a group.
func Log(r kv.Reader, g id.Group, f func(Entry) error) error {
	if _, err := core.ReplicaOf(r, g); err != nil {
		return fmt.Errorf("the node has no replica of it: %w", err)
	}
	return core.ReadLog(r, g, func(e core.LogEntry) error {
		out := Entry{Index: e.Index, Term: e.Term, Kind: e.Kind, Session: e.Session, Seq: e.Seq}
		if len(e.Command) > 0 {
			out.Command = describeCommand(g, e.Command)
		}
		return f(out)
	})
}
