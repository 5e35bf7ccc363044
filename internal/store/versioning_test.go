package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
	"grange/internal/store/storetest"
)

// TestPutsFollowTheVersioningThatWasAcknowledged writes from many sides while versioning is turned on: no put that began after the
// acknowledgement may overwrite, whatever its node knew of the bucket before.
func TestPutsFollowTheVersioningThatWasAcknowledged(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "versions") // this record is never read again
	const writers, puts = 4, 40
	enabled := make(chan struct{})
	var group sync.WaitGroup
	var mu sync.Mutex
	kept := make(map[id.Version]bool)
	for n := range writers {
		group.Go(func() {
			for i := range puts {
				acknowledged := false
				select {
				case <-enabled:
					acknowledged = true
				default:
				}
				data := fmt.Appendf(nil, "%d %d", n, i)
				v, err := p.PutObject(t.Context(), b, store.PutOptions{Key: "k", Body: bytes.NewReader(data), Size: int64(len(data))})
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if acknowledged && v.ID.IsNull() {
					t.Error("a put after the acknowledgement wrote the null version")
				}
				if !v.ID.IsNull() {
					mu.Lock()
					kept[v.ID] = true
					mu.Unlock()
				}
			}
		})
	}
	if err := p.SetVersioning(t.Context(), b, index.Enabled); err != nil {
		t.Fatal(err)
	}
	close(enabled)
	group.Wait()
	put(t, p, b, "k", []byte("last"))
	page, err := p.ListVersions(t.Context(), b, index.VersionsQuery{Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	nulls := 0
	for _, e := range page.Entries[1:] {
		if e.ID.IsNull() {
			nulls++
		} else if !kept[e.ID] {
			t.Errorf("version %s was never answered", e.ID)
		}
	}
	if nulls > 1 || len(page.Entries) != len(kept)+nulls+1 {
		t.Errorf("%d versions of which %d are null, want %d that were answered", len(page.Entries), nulls, len(kept))
	}
}

func TestDeletedVersionsGiveTheirBlocksBack(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "versions")
	if err := p.SetVersioning(t.Context(), b, index.Enabled); err != nil {
		t.Fatal(err)
	}
	old := put(t, p, b, "k", content(1, 3<<20))
	put(t, p, b, "k", content(2, 1<<20))
	if _, err := p.DeleteObject(t.Context(), b, store.DeleteOptions{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	stats, err := p.Stats(t.Context(), b)
	if err != nil || stats.Objects != 0 || stats.Versions != 3 || stats.Bytes != 4<<20 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	if _, err := p.DeleteObject(t.Context(), b, store.DeleteOptions{Key: "k", VersionID: &old.ID}); err != nil {
		t.Fatal(err)
	}
	if stats, err = p.Stats(t.Context(), b); err != nil || stats.Versions != 2 || stats.Bytes != 1<<20 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	o, err := p.Head(t.Context(), b, "k", nil)
	if !errors.Is(err, store.ErrNoObject) || o == nil || !o.DeleteMarker {
		t.Errorf("head of a deleted object: %+v, %v", o, err)
	}
}

func TestRulesOfABucketAreWhatWasSet(t *testing.T) {
	p := storetest.New(t)
	ctx := t.Context()
	b := p.Bucket(t, "plain")
	locked, err := p.CreateBucket(ctx, store.BucketOptions{Name: "locked", Key: p.Key, ObjectLock: true})
	if err != nil {
		t.Fatal(err)
	}
	want := func(b *catalog.Bucket, want index.BucketRules) {
		t.Helper()
		if got, err := p.Rules(ctx, b); err != nil || got != want {
			t.Errorf("rules of %s: got %+v, %v, want %+v", b.Name, got, err, want)
		}
	}
	rule := index.LockRule{Mode: index.Governance, Days: 3}
	want(b, index.BucketRules{})
	want(locked, index.BucketRules{Versioning: index.Enabled, Lock: index.LockRule{Enabled: true}})
	if err := p.SetObjectLock(ctx, b, rule); !errors.Is(err, store.ErrBucketState) {
		t.Errorf("object lock without versioning: %v", err)
	}
	if err := p.SetVersioning(ctx, locked, index.Suspended); !errors.Is(err, store.ErrBucketState) {
		t.Errorf("suspended with object lock: %v", err)
	}
	if err := p.SetObjectLock(ctx, locked, rule); err != nil {
		t.Error(err)
	}
	rule.Enabled = true
	want(locked, index.BucketRules{Versioning: index.Enabled, Lock: rule})
	if err := p.DeleteBucket(ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Rules(ctx, b); !errors.Is(err, store.ErrNoBucket) {
		t.Errorf("rules of a bucket that is gone: %v", err)
	}
	if err := p.SetVersioning(ctx, b, index.Enabled); !errors.Is(err, store.ErrNoBucket) {
		t.Errorf("versioning of a bucket that is gone: %v", err)
	}
	if err := p.SetDocument(ctx, b, "tagging", []byte("x")); !errors.Is(err, store.ErrNoBucket) {
		t.Errorf("document of a bucket that is gone: %v", err)
	}
}

func TestLockedVersionStaysUntilTheLockClockSaysSo(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	p := storetest.New(t, func(o *store.Options) { o.LockClock = func() time.Time { return now } })
	ctx := t.Context()
	b, err := p.CreateBucket(ctx, store.BucketOptions{Name: "locked", Key: p.Key, ObjectLock: true})
	if err != nil {
		t.Fatal(err)
	}
	lock := index.Lock{Mode: index.Compliance, Until: now.Add(time.Hour)}
	v, err := p.PutObject(ctx, b, store.PutOptions{Key: "k", Size: 0, Lock: lock})
	if err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		_, err := p.DeleteObject(ctx, b, store.DeleteOptions{Key: "k", VersionID: &v.ID, Bypass: true})
		return err
	}
	if err := remove(); !errors.Is(err, store.ErrLocked) {
		t.Errorf("delete: got %v, want ErrLocked", err)
	}
	many, err := p.DeleteObjects(ctx, b, []store.DeleteOptions{{Key: "k", VersionID: &v.ID, Bypass: true}})
	if err != nil || !errors.Is(many[0].Err, store.ErrLocked) {
		t.Errorf("delete of many: %+v, %v", many, err)
	}
	if _, err := p.SetRetention(ctx, b, store.RetentionOptions{Key: "k", Bypass: true}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("retention taken away: %v", err)
	}
	o, err := p.Head(ctx, b, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Lock != lock {
		t.Errorf("lock: got %+v, want %+v", o.Lock, lock)
	}
	now = now.Add(time.Hour)
	if err := remove(); err != nil {
		t.Errorf("delete after the end: %v", err)
	}
	plain := p.Bucket(t, "plain")
	if _, err := p.PutObject(ctx, plain, store.PutOptions{Key: "k", Lock: lock}); !errors.Is(err, store.ErrNoObjectLock) {
		t.Errorf("lock in a bucket without: %v", err)
	}
}
