package core

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"grange/internal/id"
	"grange/internal/raftgroup/grouppb"
	"grange/internal/transport"
)

// Parcel is a message with the group it belongs to, or one chunk of a snapshot.
type Parcel struct {
	Group   id.Group
	Message Message
	Chunk   *grouppb.Chunk // set instead of Message's body
}

// ErrBadFrame reports a frame that cannot be read.
var ErrBadFrame = errors.New("raftgroup: bad frame")

// EncodeFrame makes the bytes that carry parcels to one node. Heartbeats are put together in a compact form that
// keeps their read contexts.
func EncodeFrame(parcels []Parcel) ([]byte, error) {
	f := &grouppb.Frame{Version: recordVersion}
	for _, p := range parcels {
		if isHeartbeat(p.Message.Raft) {
			f.Heartbeats = append(f.Heartbeats, heartbeat(p))
			continue
		}
		m, err := encodeMessage(p)
		if err != nil {
			return nil, err
		}
		f.Messages = append(f.Messages, m)
	}
	raw, err := proto.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	return raw, nil
}

func isHeartbeat(m *raftpb.Message) bool {
	return m != nil && (m.GetType() == raftpb.MsgHeartbeat || m.GetType() == raftpb.MsgHeartbeatResp)
}

func heartbeat(p Parcel) *grouppb.Heartbeat {
	m := p.Message.Raft
	return &grouppb.Heartbeat{
		Group: uint32(p.Group), From: m.GetFrom(), To: m.GetTo(), Term: m.GetTerm(), Commit: m.GetCommit(),
		Context: m.GetContext(), Response: m.GetType() == raftpb.MsgHeartbeatResp,
	}
}

func encodeMessage(p Parcel) (*grouppb.Message, error) {
	out := &grouppb.Message{Group: uint32(p.Group), From: uint64(p.Message.From), To: uint64(p.Message.To)}
	switch {
	case p.Chunk != nil:
		out.Body = &grouppb.Message_Chunk{Chunk: p.Chunk}
	case p.Message.Raft != nil:
		raw, err := proto.Marshal(p.Message.Raft)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", p.Message.Raft.GetType(), err)
		}
		out.Body = &grouppb.Message_Raft{Raft: raw}
	case p.Message.Refused:
		out.Body = &grouppb.Message_Refused{Refused: &grouppb.Refused{}}
	default:
		fwd := &grouppb.Forward{}
		for _, e := range p.Message.Forward {
			fwd.Proposals = append(fwd.Proposals, &grouppb.Proposal{Type: uint32(e.GetType()), Data: e.GetData()})
		}
		out.Body = &grouppb.Message_Forward{Forward: fwd}
	}
	return out, nil
}

// DecodeFrame reads what EncodeFrame made, heartbeats first.
func DecodeFrame(raw []byte) ([]Parcel, error) {
	var f grouppb.Frame
	if err := proto.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	if f.GetVersion() != recordVersion {
		return nil, fmt.Errorf("%w: version %d, this program speaks %d", ErrBadFrame, f.GetVersion(), recordVersion)
	}
	out := make([]Parcel, 0, len(f.GetHeartbeats())+len(f.GetMessages()))
	for _, h := range f.GetHeartbeats() {
		out = append(out, decodeHeartbeat(h))
	}
	for _, m := range f.GetMessages() {
		p, err := decodeMessage(m)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func decodeHeartbeat(h *grouppb.Heartbeat) Parcel {
	m := &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: new(h.GetFrom()), To: new(h.GetTo()), Term: new(h.GetTerm()),
	}
	if h.GetResponse() {
		m.Type = raftpb.MsgHeartbeatResp.Enum()
	} else {
		m.Commit = new(h.GetCommit())
	}
	if len(h.GetContext()) > 0 {
		m.Context = h.GetContext()
	}
	return Parcel{
		Group:   id.Group(h.GetGroup()),
		Message: Message{From: id.Replica(h.GetFrom()), To: id.Replica(h.GetTo()), Raft: m},
	}
}

func decodeMessage(m *grouppb.Message) (Parcel, error) {
	p := Parcel{
		Group:   id.Group(m.GetGroup()),
		Message: Message{From: id.Replica(m.GetFrom()), To: id.Replica(m.GetTo())},
	}
	switch body := m.GetBody().(type) {
	case *grouppb.Message_Raft:
		p.Message.Raft = new(raftpb.Message)
		if err := proto.Unmarshal(body.Raft, p.Message.Raft); err != nil {
			return p, fmt.Errorf("%w: %w", ErrBadFrame, err)
		}
	case *grouppb.Message_Forward:
		p.Message.Forward = []*raftpb.Entry{}
		for _, e := range body.Forward.GetProposals() {
			p.Message.Forward = append(p.Message.Forward, &raftpb.Entry{
				Type: raftpb.EntryType(e.GetType()).Enum(), Data: e.GetData(),
			})
		}
	case *grouppb.Message_Refused:
		p.Message.Refused = true
	case *grouppb.Message_Chunk:
		p.Chunk = body.Chunk
	default:
		return p, fmt.Errorf("%w: message without a body", ErrBadFrame)
	}
	return p, nil
}

// Class says how urgent a parcel is: each class travels in its own order.
func (p Parcel) Class() transport.Class {
	switch {
	case p.Chunk != nil:
		return transport.Bulk
	case p.Message.Forward != nil:
		return transport.Log
	case p.Message.Raft == nil:
		return transport.Control
	}
	switch p.Message.Raft.GetType() {
	case raftpb.MsgApp, raftpb.MsgAppResp:
		return transport.Log
	default:
		return transport.Control
	}
}

// Size is about the number of bytes that a parcel takes in a frame.
func (p Parcel) Size() int {
	n := 64
	for _, e := range p.Message.Forward {
		n += len(e.GetData())
	}
	for _, e := range p.Message.Raft.GetEntries() {
		n += len(e.GetData()) + 16
	}
	return n
}
