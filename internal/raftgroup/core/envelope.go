package core

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"grange/internal/raftgroup/grouppb"
)

// The field numbers of grouppb.Envelope.
const (
	fieldVersion = 1
	fieldSession = 2
	fieldSeq     = 3
	fieldLow     = 4
	fieldCommand = 5
	fieldOpen    = 6
	fieldMembers = 7
)

// envelope is grouppb.Envelope without a copy of the command: commands are the bulk of what goes through a log. The
// generated code is its twin in the tests.
type envelope struct {
	session, seq, low uint64
	command           []byte
	open              *grouppb.OpenSession
	members           []*grouppb.Member
}

// encode makes the protobuf form in one allocation.
func (e *envelope) encode() ([]byte, error) {
	var rest []byte
	if e.open != nil || len(e.members) > 0 {
		var err error
		if rest, err = proto.Marshal(&grouppb.Envelope{Open: e.open, Members: e.members}); err != nil {
			return nil, fmt.Errorf("encode envelope: %w", err)
		}
	}
	b := make([]byte, 0, len(e.command)+len(rest)+48)
	for _, f := range [...]struct {
		number protowire.Number
		value  uint64
	}{{fieldVersion, recordVersion}, {fieldSession, e.session}, {fieldSeq, e.seq}, {fieldLow, e.low}} {
		if f.value != 0 {
			b = protowire.AppendTag(b, f.number, protowire.VarintType)
			b = protowire.AppendVarint(b, f.value)
		}
	}
	if len(e.command) > 0 {
		b = protowire.AppendTag(b, fieldCommand, protowire.BytesType)
		b = protowire.AppendBytes(b, e.command)
	}
	return append(b, rest...), nil
}

// decodeEnvelope reads the protobuf form. The command shares the memory of raw.
func decodeEnvelope(raw []byte) (e envelope, err error) {
	var version uint64
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return e, fmt.Errorf("%w: envelope: %w", ErrCorrupt, protowire.ParseError(n))
		}
		raw = raw[n:]
		n = e.consume(number, kind, raw, &version)
		if n < 0 {
			return e, fmt.Errorf("%w: envelope field %d: %w", ErrCorrupt, number, protowire.ParseError(n))
		}
		raw = raw[n:]
	}
	switch {
	case version == 0:
		return e, fmt.Errorf("%w: envelope without a version", ErrCorrupt)
	case version > recordVersion:
		return e, fmt.Errorf("%w: envelope version %d", ErrNewerFormat, version)
	}
	return e, nil
}

// consume reads the value of one field and returns its length, or protowire's negative error code.
func (e *envelope) consume(number protowire.Number, kind protowire.Type, raw []byte, version *uint64) int {
	switch {
	case kind == protowire.VarintType:
		v, n := protowire.ConsumeVarint(raw)
		switch number {
		case fieldVersion:
			*version = v
		case fieldSession:
			e.session = v
		case fieldSeq:
			e.seq = v
		case fieldLow:
			e.low = v
		default: // skipped, as protobuf has it
		}
		return n
	case kind == protowire.BytesType:
		v, n := protowire.ConsumeBytes(raw)
		if n >= 0 && !e.consumeBytes(number, v) {
			return errCodeFieldNumber
		}
		return n
	default:
		return protowire.ConsumeFieldValue(number, kind, raw)
	}
}

// errCodeFieldNumber is protowire's code for a malformed field.
const errCodeFieldNumber = -2

func (e *envelope) consumeBytes(number protowire.Number, v []byte) bool {
	switch number {
	case fieldCommand:
		e.command = v
	case fieldOpen:
		e.open = new(grouppb.OpenSession)
		return proto.Unmarshal(v, e.open) == nil
	case fieldMembers:
		m := new(grouppb.Member)
		e.members = append(e.members, m)
		return proto.Unmarshal(v, m) == nil
	default: // skipped, as protobuf has it
	}
	return true
}
