package catalog

import (
	"errors"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
)

// FuzzApply gives the machine any bytes as a command, on a state with something in it: it never panics, and fails only
// by naming the command corrupt or newer.
func FuzzApply(f *testing.F) {
	account := make([]byte, 32)
	account[0] = 1
	key := &catalogpb.CreateKey{Id: "KEY", Secret: "s", NewAccount: account}
	node := toNode(Node{ID: id.Node{1}, Zone: "home", Capacity: 1})
	seeds := []*catalogpb.Command{
		{Change: &catalogpb.Command_Init{Init: &catalogpb.Init{ClusterId: make([]byte, 16), First: node, IndexGroups: 1, Partitions: 1, Copies: 1}}},
		{Change: &catalogpb.Command_Ensure{Ensure: &catalogpb.Ensure{Key: key, Bucket: "bucket"}}},
		{Change: &catalogpb.Command_PutNode{PutNode: &catalogpb.PutNode{Node: node}}},
		{Change: &catalogpb.Command_SetLayout{SetLayout: &catalogpb.SetLayout{Layout: &catalogpb.Layout{Version: 1, Epoch: 1, Copies: 1, Nodes: [][]byte{node.GetId()}, Slots: []uint32{0}}}}},
		{Change: &catalogpb.Command_AddMember{AddMember: &catalogpb.AddMember{Group: 16, Node: node.GetId()}}},
		{Change: &catalogpb.Command_UpdateKey{UpdateKey: &catalogpb.UpdateKey{Id: "KEY", Scope: &catalogpb.Scope{Grants: []*catalogpb.ScopeGrant{{Bucket: 1, Rights: 7}}}}}},
		{Change: &catalogpb.Command_Grant{Grant: &catalogpb.Grant{Bucket: 1, Key: "KEY", Rights: 1}}},
		{Change: &catalogpb.Command_SetDocument{SetDocument: &catalogpb.SetDocument{Bucket: 1, Name: "policy", Content: []byte("{}")}}},
		{Change: &catalogpb.Command_FinishDelete{FinishDelete: &catalogpb.FinishDelete{Bucket: 1}}},
		{Change: &catalogpb.Command_SetSetting{SetSetting: &catalogpb.SetSetting{Name: "a", Value: []byte("b"), Expected: new(uint64(0))}}},
	}
	db := mem.New()
	m := NewMachine(raftgroup.StateSpace(id.SystemGroup))
	for i, cmd := range seeds {
		cmd.Version = recordVersion
		raw := encode(cmd)
		f.Add(raw)
		if i > 1 {
			continue
		}
		b := db.NewBatch()
		result, err := m.Apply(b, raftgroup.Entry{Index: uint64(i + 1), Command: raw})
		if err != nil {
			f.Fatal(err)
		}
		if _, err := decodeResult(result); err != nil {
			f.Fatal(err)
		}
		if err := b.Commit(false); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := db.NewBatch()
		defer b.Close()
		result, err := m.Apply(b, raftgroup.Entry{Index: 3, Command: raw})
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Fatalf("apply: %v", err)
		}
		if err == nil {
			_, err = decodeResult(result)
			if _, refused := codeOf(err); err != nil && !refused {
				t.Fatalf("result: %v", err)
			}
		}
		_ = DescribeCommand(raw)
	})
}

// again decodes raw, encodes what it got and decodes that: both times it must be the same.
func again[M record, T any](t *testing.T, raw []byte, m M, from func(M) (T, error), to func(T) M) {
	if decode(raw, m) != nil {
		return
	}
	first, err := from(m)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("decode %T: %v", first, err)
		}
		return
	}
	fresh := m.ProtoReflect().New().Interface().(M)
	if err := decode(encode(to(first)), fresh); err != nil {
		t.Fatalf("decode %T again: %v", first, err)
	}
	second, err := from(fresh)
	if err != nil {
		t.Fatalf("decode %T again: %v", first, err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Fatalf("decoded twice:\n%+v\n%+v", first, second)
	}
}

// FuzzRecords gives the reader of every record any bytes.
func FuzzRecords(f *testing.F) {
	member := Member{Replica: 1, Node: id.Node{1}, Learner: true}
	for _, m := range []proto.Message{
		toCluster(Cluster{ID: [16]byte{1}, Format: 1, Epoch: 2, Partitions: 4, Copies: 3}),
		toNode(Node{ID: id.Node{1}, Zone: "home", Capacity: 5, Address: "a:1", Disks: []string{"d"}, Version: "v", Format: 1}),
		toGroup(groupRecord{Group: Group{ID: 16, Members: []Member{member}}, lastReplica: 1}),
		toAccount(Account{ID: id.Account{1}, Name: "alice"}),
		toAccessKey(AccessKey{ID: "KEY", Secret: "s", Account: id.Account{1}, Narrowed: true, Scope: []Grant{{1, Read}}}),
		toBucket(Bucket{ID: 1, Name: "bucket", Ranges: []KeyRange{{"", 16}, {"m", 17}}, Grants: []KeyGrant{{"KEY", Write}}}),
		toLayout(Layout{Epoch: 1, Copies: 2, Partitions: [][]id.Node{{{1}, {2}}, {{2}, {3}}}}),
	} {
		f.Add(encode(m.(record)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		again(t, raw, new(catalogpb.Cluster), fromCluster, toCluster)
		again(t, raw, new(catalogpb.Node), fromNode, toNode)
		again(t, raw, new(catalogpb.Group), fromGroup, toGroup)
		again(t, raw, new(catalogpb.Account), fromAccount, toAccount)
		again(t, raw, new(catalogpb.AccessKey), fromAccessKey, toAccessKey)
		again(t, raw, new(catalogpb.Bucket), fromBucket, toBucket)
		again(t, raw, new(catalogpb.Layout), fromLayout, toLayout)
	})
}
