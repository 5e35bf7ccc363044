package inspect

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// bytesShown is how much of a value without structure is shown.
const bytesShown = 32

// describeBytes writes the beginning of a value without structure.
func describeBytes(b []byte) string {
	if len(b) > bytesShown {
		return fmt.Sprintf("%x… (%d bytes)", b[:bytesShown], len(b))
	}
	return fmt.Sprintf("%x", b)
}

// describeMessage writes a message in one line, long contents cut.
func describeMessage(raw []byte, m proto.Message) string {
	if err := proto.Unmarshal(raw, m); err != nil {
		return fmt.Sprintf("damaged (%v): %s", err, describeBytes(raw))
	}
	cut(m.ProtoReflect())
	// The text form varies its spaces on purpose, so that nobody parses it.
	return strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(m)), " ")
}

// cut shortens the byte fields of a message and of those within it.
func cut(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
		case f.Kind() == protoreflect.MessageKind && f.IsList():
			for i := range v.List().Len() {
				cut(v.List().Get(i).Message())
			}
		case f.Kind() == protoreflect.MessageKind:
			cut(v.Message())
		case f.Kind() == protoreflect.BytesKind && !f.IsList() && len(v.Bytes()) > bytesShown:
			m.Set(f, protoreflect.ValueOfBytes(fmt.Appendf(nil, "%x… (%d bytes)", v.Bytes()[:8], len(v.Bytes()))))
		}
		return true
	})
}

// describeCommand writes a command of a group for people, without secrets.
func describeCommand(g id.Group, raw []byte) string {
	if g == id.SystemGroup {
		return catalog.DescribeCommand(raw)
	}
	return describeMessage(raw, new(indexpb.Command))
}
