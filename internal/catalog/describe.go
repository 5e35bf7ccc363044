package catalog

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"grange/internal/catalog/catalogpb"
)

// DescribeCommand writes a command for people, in one line and without secrets.
func DescribeCommand(raw []byte) string { return describe(raw, new(catalogpb.Command)) }

// DescribeRecord writes the stored record at a key of the state (from the table's byte on) for people, in one line and
// without secrets.
func DescribeRecord(key, value []byte) string {
	if len(key) == 0 {
		return "no key"
	}
	m := newRecord(key[0])
	if m == nil {
		return fmt.Sprintf("unknown table %q", key[0])
	}
	return describe(value, m)
}

// newRecord is an empty record of a table; nil when there is no such table.
func newRecord(table byte) record {
	switch table {
	case tableCluster:
		return new(catalogpb.Cluster)
	case tableCounters:
		return new(catalogpb.Counter)
	case tableLoads:
		return new(catalogpb.Loads)
	case tableNodes:
		return new(catalogpb.Node)
	case tableGroups:
		return new(catalogpb.Group)
	case tableLayouts:
		return new(catalogpb.Layout)
	case tableAccounts:
		return new(catalogpb.Account)
	case tableKeys:
		return new(catalogpb.AccessKey)
	case tableBuckets:
		return new(catalogpb.Bucket)
	case tableDocuments:
		return new(catalogpb.Document)
	case tableSettings:
		return new(catalogpb.Setting)
	case tableAccountNames, tableAccountKeys, tableBucketNames, tableAccountBuckets, tableDeleting, tableKeyGrants,
		tableBucketScopes, tableEnsured:
		return new(catalogpb.Reference)
	}
	return nil
}

func describe(raw []byte, m record) string {
	if err := decode(raw, m); err != nil {
		return err.Error()
	}
	mask(m.ProtoReflect())
	// The library varies the spaces on purpose; single ones make a stable line.
	return strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(m)), " ")
}

// mask replaces what may be secret, however deep.
func mask(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Name() == "secret":
			m.Set(f, protoreflect.ValueOfString(masked))
		case f.Name() == "value" && f.Kind() == protoreflect.BytesKind: // of a setting, which may hold anything
			m.Set(f, protoreflect.ValueOfBytes([]byte(masked)))
		case f.Message() != nil && f.IsList():
			for i := range v.List().Len() {
				mask(v.List().Get(i).Message())
			}
		case f.Message() != nil:
			mask(v.Message())
		}
		return true
	})
}
