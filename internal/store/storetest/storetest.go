// Package storetest makes whole stores in memory, for tests of the store and of the faces above it.
package storetest

import (
	"testing"

	"grange/internal/block"
	"grange/internal/block/mem"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/kv"
	memkv "grange/internal/kv/mem"
	"grange/internal/raftgroup"
	"grange/internal/raftgroup/grouptest"
	"grange/internal/store"
)

// Parts are what a store in memory is made of, for tests that look or reach below it.
type Parts struct {
	*store.Store
	DB      kv.Store
	Groups  *grouptest.Groups
	Blocks  block.Store
	Catalog *catalog.Client
	// Key acts for the account "tester" and may do everything.
	Key *catalog.AccessKey
}

// Option changes how a store is put together.
type Option func(*store.Options)

// WithSettings sets the store's settings.
func WithSettings(s store.Settings) Option { return func(o *store.Options) { o.Settings = s } }

// WithBlocks replaces the block store.
func WithBlocks(wrap func(block.Store) block.Store) Option {
	return func(o *store.Options) { o.Blocks = wrap(o.Blocks) }
}

// New makes an empty store with two index groups and the key "tester" (secret "testersecret").
func New(t testing.TB, options ...Option) *Parts {
	t.Helper()
	db := memkv.New()
	groups := grouptest.New(db)
	groups.Add(id.SystemGroup, catalog.NewMachine(raftgroup.StateSpace(id.SystemGroup)))
	const indexGroups = 2
	for g := id.FirstIndexGroup; g < id.FirstIndexGroup+indexGroups; g++ {
		groups.Add(g, index.NewMachine(raftgroup.StateSpace(g)))
	}
	client := catalog.NewClient(groups, db)
	node := catalog.Node{ID: id.Node{1}, Zone: "here", Capacity: 1 << 40}
	if _, err := client.Init(t.Context(), catalog.InitOptions{First: node, IndexGroups: indexGroups, Copies: 1}); err != nil {
		t.Fatal(err)
	}
	key, _, err := client.ImportKey(t.Context(), "tester", "testersecret", catalog.KeyOptions{Account: "tester", CreateBuckets: true})
	if err != nil {
		t.Fatal(err)
	}
	o := store.Options{Groups: groups, State: db, Blocks: mem.New(), Catalog: client}
	for _, option := range options {
		option(&o)
	}
	return &Parts{Store: store.New(o), DB: db, Groups: groups, Blocks: o.Blocks, Catalog: client, Key: &key}
}

// Bucket makes a bucket of the tester's.
func (p *Parts) Bucket(t testing.TB, name string) *catalog.Bucket {
	t.Helper()
	b, err := p.CreateBucket(t.Context(), store.BucketOptions{Name: name, Key: p.Key})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
