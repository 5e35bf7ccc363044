package catalog_test

import (
	"fmt"
	"sync"
	"testing"

	"grange/internal/catalog"
	"grange/internal/kv"
)

func TestChangesAreSeenThroughTheCacheAtOnce(t *testing.T) {
	c, _ := newClient(t)
	mustInit(t, c)
	ctx := t.Context()
	k, _, err := c.ImportKey(ctx, "KEY", "s", catalog.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := c.CreateBucket(ctx, catalog.BucketOptions{Name: "bucket", Account: k.Account})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := c.UpdateKey(ctx, "KEY", catalog.KeyUpdate{Disabled: new(i%2 == 0)}); err != nil {
			t.Fatal(err)
		}
		document := fmt.Sprint(i)
		if _, err := c.SetDocument(ctx, catalog.DocumentChange{Bucket: b.ID, Name: "policy", Content: []byte(document)}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second answer is from the cache
			k, err := c.View().AccessKey("KEY")
			if err != nil || k.Disabled != (i%2 == 0) {
				t.Fatalf("change %d: disabled %v, %v", i, k.Disabled, err)
			}
			byName, err := c.View().BucketByName("bucket")
			if err != nil || string(byName.Config["policy"]) != document {
				t.Fatalf("change %d: document %q, %v", i, byName.Config["policy"], err)
			}
			byID, err := c.View().Bucket(b.ID)
			if err != nil || string(byID.Config["policy"]) != document {
				t.Fatalf("change %d: document %q by id, %v", i, byID.Config["policy"], err)
			}
		}
	}
	again, err := c.View().AccessKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	if once, err := c.View().AccessKey("KEY"); err != nil || once != again {
		t.Errorf("the cache gave another pointer (%v): it keeps nothing", err)
	}
}

func TestReadersAndWriterShareTheCache(t *testing.T) {
	c, _ := newClient(t)
	mustInit(t, c)
	if _, _, err := c.ImportKey(t.Context(), "KEY", "s", catalog.KeyOptions{Name: "0"}); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			last := 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				k, err := c.View().AccessKey("KEY")
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscan(k.Name, &n); err != nil || n < last {
					t.Errorf("read %q after %d: %v", k.Name, last, err)
					return
				}
				last = n
			}
		})
	}
	for i := range 300 {
		if _, err := c.UpdateKey(t.Context(), "KEY", catalog.KeyUpdate{Name: new(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		if k, err := c.View().AccessKey("KEY"); err != nil || k.Name != fmt.Sprint(i) {
			t.Fatalf("read %v, %v after %d was acknowledged", k, err, i)
		}
	}
	close(stop)
	readers.Wait()
}

// BenchmarkLookup is what every request costs: a key and a bucket among 100,000.
func BenchmarkLookup(b *testing.B) {
	db, err := kv.Open(b.TempDir(), kv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	c := catalog.NewClient(newLocal(b, db), db)
	mustInit(b, c)
	const buckets = 20_000
	a, err := c.CreateAccount(b.Context(), "own", "")
	if err != nil {
		b.Fatal(err)
	}
	for i := range buckets {
		if _, _, err := c.CreateBucket(b.Context(), catalog.BucketOptions{Name: fmt.Sprintf("bucket-%d", i), Account: a.ID}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c.ImportKey(b.Context(), fmt.Sprintf("KEY%d", i), "secret", catalog.KeyOptions{Account: "own"}); err != nil {
			b.Fatal(err)
		}
	}
	cached, plain := c.View(), catalog.NewView(space, db)
	for name, v := range map[string]catalog.View{"cached": cached, "uncached": plain} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := v.AccessKey(fmt.Sprintf("KEY%d", i%1000*19)); err != nil {
					b.Fatal(err)
				}
				if _, err := v.BucketByName(fmt.Sprintf("bucket-%d", i%1000*19)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("create", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, _, err := c.CreateBucket(b.Context(), catalog.BucketOptions{Name: fmt.Sprintf("new-%d-%d", b.N, i), Account: a.ID}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
