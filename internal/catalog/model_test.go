package catalog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"grange/internal/catalog"
	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// actor makes random changes among a few names, so that they meet.
type actor struct {
	t   *testing.T
	c   *catalog.Client
	rng *rand.Rand
	// held is a slow, obvious twin of who may do what: key id and bucket number to the rights that were granted.
	held map[grantOf]catalog.Rights
}

type grantOf struct {
	key    string
	bucket id.Bucket
}

func (a *actor) account() string        { return fmt.Sprintf("account-%d", a.rng.IntN(3)) }
func (a *actor) keyID() string          { return fmt.Sprintf("KEY%d", a.rng.IntN(6)) }
func (a *actor) bucketName() string     { return fmt.Sprintf("bucket-%d", a.rng.IntN(8)) }
func (a *actor) rights() catalog.Rights { return catalog.Rights(1 + a.rng.IntN(7)) }

// bucketID is mostly that of a bucket that exists.
func (a *actor) bucketID() id.Bucket {
	if b, err := a.c.View().BucketByName(a.bucketName()); err == nil {
		return b.ID
	}
	return id.Bucket(a.rng.IntN(20))
}

// step makes one change, which may be refused, and keeps the twin.
func (a *actor) step() {
	ctx, v := a.t.Context(), a.c.View()
	var err error
	switch a.rng.IntN(12) {
	case 0:
		_, _, err = a.c.ImportKey(ctx, a.keyID(), "s", catalog.KeyOptions{Account: a.account(), Narrowed: a.rng.IntN(2) == 0})
	case 1:
		keyID := a.keyID()
		if err = a.c.DeleteKey(ctx, keyID); err == nil {
			a.forget(func(g grantOf) bool { return g.key == keyID })
		}
	case 2, 3, 4:
		err = a.createBucket()
	case 5:
		err = a.c.BeginDelete(ctx, a.bucketID())
	case 6:
		if buckets, listErr := v.DeletingBuckets(0, 1); listErr == nil && len(buckets) == 1 {
			if err = a.c.FinishDelete(ctx, buckets[0].ID); err == nil {
				a.forget(func(g grantOf) bool { return g.bucket == buckets[0].ID })
			}
		}
	case 7:
		err = a.c.CancelDelete(ctx, a.bucketID())
	case 8, 9:
		g, rights := grantOf{a.keyID(), a.bucketID()}, a.rights()
		if err = a.c.Grant(ctx, g.bucket, g.key, rights); err == nil && !a.ownsAll(g) {
			a.held[g] |= rights
		}
	case 10:
		g, rights := grantOf{a.keyID(), a.bucketID()}, a.rights()
		if err = a.c.Revoke(ctx, g.bucket, g.key, rights); err == nil {
			if a.held[g] &^= rights; a.held[g] == 0 {
				delete(a.held, g)
			}
		}
	case 11:
		_, err = a.c.SetDocument(ctx, catalog.DocumentChange{Bucket: a.bucketID(), Name: "policy", Content: []byte("{}")})
	}
	if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrExists) &&
		!errors.Is(err, catalog.ErrInUse) && !errors.Is(err, catalog.ErrInvalid) {
		a.t.Fatalf("not a refusal that was to be expected: %v", err)
	}
}

func (a *actor) createBucket() error {
	k, err := a.c.View().AccessKey(a.keyID())
	if err != nil {
		return err
	}
	b, was, err := a.c.CreateBucket(a.t.Context(), catalog.BucketOptions{Name: a.bucketName(), Account: k.Account, Key: k.ID})
	if err == nil && !was && k.Narrowed {
		a.held[grantOf{k.ID, b.ID}] = catalog.AllRights
	}
	return err
}

// ownsAll tells whether the key has all rights from its account, which no grant changes.
func (a *actor) ownsAll(g grantOf) bool {
	k, err := a.c.View().AccessKey(g.key)
	if err != nil {
		a.t.Fatal(err)
	}
	b, err := a.c.View().Bucket(g.bucket)
	if err != nil {
		a.t.Fatal(err)
	}
	return k.Account == b.Account && !k.Narrowed
}

func (a *actor) forget(gone func(grantOf) bool) {
	for g := range a.held {
		if gone(g) {
			delete(a.held, g)
		}
	}
}

// TestGrantsAgreeWithATwin checks that rights, wherever they are stored, and every table that leads from one record to
// another say the same after any sequence of changes.
func TestGrantsAgreeWithATwin(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c, l := newClient(t)
			mustInit(t, c)
			a := &actor{t: t, c: c, rng: rand.New(rand.NewPCG(seed, 0)), held: make(map[grantOf]catalog.Rights)}
			made := 0
			for range 100 {
				for range 10 {
					a.step()
				}
				made = max(made, len(a.held))
				if diff := cmp.Diff(a.held, stored(t, c)); diff != "" {
					t.Fatalf("rights, twin and stored:\n%s", diff)
				}
				if diff := cmp.Diff(wantTables(t, l.db), tables(t, l.db)); diff != "" {
					t.Fatalf("tables, from the records and stored:\n%s", diff)
				}
			}
			if made < 3 {
				t.Errorf("never more than %d grants: the test shows nothing", made)
			}
		})
	}
}

// stored collects the rights from scopes and bucket grants.
func stored(t *testing.T, c *catalog.Client) map[grantOf]catalog.Rights {
	held := make(map[grantOf]catalog.Rights)
	keys, _, err := c.View().AccessKeys(catalog.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		for _, g := range k.Scope {
			held[grantOf{k.ID, g.Bucket}] |= g.Rights
		}
	}
	buckets, _, err := c.View().Buckets(catalog.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets {
		for _, g := range b.Grants {
			held[grantOf{g.AccessKeyID, b.ID}] |= g.Rights
		}
	}
	return held
}

const derivedTables = "KABoDrq"

// tables lists what the derived tables hold.
func tables(t *testing.T, r kv.Reader) map[string]uint64 {
	rows := make(map[string]uint64)
	each(t, r, func(key, value []byte) {
		key = key[len(space):]
		if !strings.ContainsRune(derivedTables, rune(key[0])) {
			return
		}
		var ref catalogpb.Reference
		if err := proto.Unmarshal(value, &ref); err != nil {
			t.Fatal(err)
		}
		rows[string(key)] = ref.GetBucket()
	})
	loads, err := catalog.NewView(space, r).GroupBuckets()
	if err != nil {
		t.Fatal(err)
	}
	for g, buckets := range loads {
		if buckets > 0 {
			rows[fmt.Sprintf("l%d", g)] = buckets
		}
	}
	return rows
}

// wantTables computes the derived tables from the records.
func wantTables(t *testing.T, r kv.Reader) map[string]uint64 {
	want := make(map[string]uint64)
	number := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
	each(t, r, func(key, value []byte) {
		switch key[len(space)] {
		case 'a':
			var a catalogpb.Account
			if err := proto.Unmarshal(value, &a); err != nil {
				t.Fatal(err)
			}
			want["A"+a.GetName()] = 0
		case 'k':
			var k catalogpb.AccessKey
			if err := proto.Unmarshal(value, &k); err != nil {
				t.Fatal(err)
			}
			want["K"+string(k.GetAccount())+k.GetId()] = 0
			for _, g := range k.GetScope() {
				want["q"+number(g.GetBucket())+k.GetId()] = 0
			}
		case 'b':
			var b catalogpb.Bucket
			if err := proto.Unmarshal(value, &b); err != nil {
				t.Fatal(err)
			}
			want["B"+b.GetName()] = b.GetId()
			want["o"+string(b.GetAccount())+b.GetName()] = b.GetId()
			if b.GetState() == uint32(catalog.BucketDeleting) {
				want["D"+number(b.GetId())] = 0
			}
			for _, g := range b.GetGrants() {
				want["r"+g.GetKey()+"\x00"+number(b.GetId())] = 0
			}
			want[fmt.Sprintf("l%d", b.GetRanges()[0].GetGroup())]++
		}
	})
	return want
}

// TestReplicasAgree applies one log to the in-memory store and to Pebble: results and state are the same bytes.
func TestReplicasAgree(t *testing.T) {
	c, l := newClient(t)
	mustInit(t, c)
	a := &actor{t: t, c: c, rng: rand.New(rand.NewPCG(42, 0)), held: make(map[grantOf]catalog.Rights)}
	for range 500 {
		a.step()
	}
	db, err := kv.Open("db", kv.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := catalog.NewMachine(space)
	for i, command := range l.log {
		b := db.NewBatch()
		result, err := m.Apply(b, raftgroup.Entry{Index: uint64(i + 1), Command: command})
		if err := errors.Join(err, b.Commit(false), b.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(result, l.results[i]) {
			t.Fatalf("results of %s differ", catalog.DescribeCommand(command))
		}
	}
	if diff := cmp.Diff(dump(t, l.db), dump(t, db)); diff != "" {
		t.Errorf("states differ:\n%s", diff)
	}
}

func dump(t *testing.T, r kv.Reader) (rows []string) {
	each(t, r, func(key, value []byte) { rows = append(rows, fmt.Sprintf("%q=%q", key, value)) })
	return rows
}
