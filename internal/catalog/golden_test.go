package catalog

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

var writeGolden = flag.Bool("write-golden", false, "write testdata/format1.hex anew; only before its format was released")

var goldenTime = time.UnixMilli(1_800_000_000_123).UTC()

// goldenCase is a record, and how to write and read it.
type goldenCase struct {
	value any
	write func() []byte
	read  func(raw []byte) (any, error)
}

// golden is one record of every kind, with no field left zero.
var golden = map[string]goldenCase{
	"cluster": goldenRecord(Cluster{ID: [16]byte{1, 2, 3}, Created: goldenTime, Format: 1, Epoch: 2, Partitions: 256, Copies: 3},
		toCluster, new(catalogpb.Cluster), fromCluster),
	"node": goldenRecord(Node{ID: id.Node{4}, Zone: "barn", Capacity: 1 << 40, Witness: true, Address: "10.0.0.1:3901", Disks: []string{"a", "b"}, Version: "0.1", Format: 1},
		toNode, new(catalogpb.Node), fromNode),
	"group": goldenRecord(groupRecord{Group{ID: 16, Members: []Member{{Replica: 1, Node: id.Node{4}}, {Replica: 3, Node: id.Node{5}, Learner: true}}}, 4},
		toGroup, new(catalogpb.Group), fromGroup),
	"account": goldenRecord(Account{ID: id.Account{6}, Name: "alice", Created: goldenTime, Description: "of the mill"},
		toAccount, new(catalogpb.Account), fromAccount),
	"key": goldenRecord(AccessKey{
		ID: "KEY", Secret: "secret", Name: "laptop", Account: id.Account{6}, Created: goldenTime, Expires: goldenTime,
		Disabled: true, CreateBuckets: true, Narrowed: true, Scope: []Grant{{Bucket: 7, Rights: Read | Write}},
	}, toAccessKey, new(catalogpb.AccessKey), fromAccessKey),
	"bucket": goldenRecord(Bucket{
		ID: 7, Name: "photos", Account: id.Account{6}, Created: goldenTime, Region: "garage", State: BucketDeleting,
		Ranges: []KeyRange{{"", 16}, {"m\xff", 17}}, Grants: []KeyGrant{{"OTHER", Owner}}, Limits: Limits{Bytes: 8, Objects: 9},
	}, toBucket, new(catalogpb.Bucket), fromBucket),
	"layout": goldenRecord(Layout{Epoch: 2, Created: goldenTime, Copies: 2, Partitions: [][]id.Node{{{4}, {5}}, {{5}, {8}}}},
		toLayout, new(catalogpb.Layout), fromLayout),
}

func goldenRecord[T any, M record](value T, to func(T) M, m M, from func(M) (T, error)) goldenCase {
	return goldenCase{value, func() []byte { return encode(to(value)) }, func(raw []byte) (any, error) {
		if err := decode(raw, m); err != nil {
			return nil, err
		}
		return from(m)
	}}
}

// TestFormat1StaysReadable reads the bytes that the first program wrote, and writes them again.
func TestFormat1StaysReadable(t *testing.T) {
	const path = "testdata/format1.hex"
	if *writeGolden {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(golden)) {
			fmt.Fprintf(&b, "%s %x\n", name, golden[name].write())
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); read++ {
		name, text, _ := strings.Cut(lines.Text(), " ")
		stored, err := hex.DecodeString(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := golden[name].read(stored)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(golden[name].value, got, cmp.AllowUnexported(groupRecord{}), cmp.Comparer(func(a, b AccessKey) bool {
			return a.Secret == b.Secret && bytes.Equal(encode(toAccessKey(a)), encode(toAccessKey(b)))
		})); diff != "" {
			t.Errorf("%s, want and got:\n%s", name, diff)
		}
		if again := golden[name].write(); !bytes.Equal(again, stored) {
			t.Errorf("%s is now written as %x", name, again)
		}
	}
	if read != len(golden) {
		t.Errorf("%d records, want %d", read, len(golden))
	}
}
