package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
)

func TestMinioClientDoesItsEverydayWork(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	c := w.minio(ownerKey, ownerSecret)
	if err := c.MakeBucket(ctx, "photos", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"empty": 0, "small": 100, "dir/a b+c": 70_000, "large": 12 << 20} {
		content := randomBytes(size)
		info, err := c.PutObject(ctx, "photos", name, bytes.NewReader(content), size, minio.PutObjectOptions{
			ContentType: "image/png", UserMetadata: map[string]string{"Colour": "blue"}, PartSize: 5 << 20,
		})
		if err != nil {
			t.Fatalf("put %s: %v", name, err)
		}
		o, err := c.GetObject(ctx, "photos", name, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(o)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("get %s: %d bytes, %v; want %d", name, len(got), err, size)
		}
		stat, err := o.Stat()
		if err != nil || stat.ETag != info.ETag || stat.ContentType != "image/png" || stat.UserMetadata["Colour"] != "blue" {
			t.Errorf("stat %s: %+v, %v", name, stat, err)
		}
	}
	var keys []string
	for o := range c.ListObjects(ctx, "photos", minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		keys = append(keys, o.Key)
	}
	if len(keys) != 4 || keys[0] != "dir/a b+c" {
		t.Errorf("listed %q", keys)
	}
	objects := make(chan minio.ObjectInfo, len(keys))
	for _, k := range keys {
		objects <- minio.ObjectInfo{Key: k}
	}
	close(objects)
	for e := range c.RemoveObjects(ctx, "photos", objects, minio.RemoveObjectsOptions{}) {
		t.Errorf("remove: %v", e)
	}
	if err := c.RemoveBucket(ctx, "photos"); err != nil {
		t.Error(err)
	}
}

func randomBytes(n int64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return b
}

func TestOneOfManyConditionalWritersWins(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	for round := range 5 {
		var wins, losses atomic.Int32
		var writers sync.WaitGroup
		path := fmt.Sprintf("/box/key-%d", round)
		for i := range 32 {
			r := w.request(query{method: "PUT", path: path, body: fmt.Sprint(i), header: map[string]string{"If-None-Match": "*"}})
			writers.Go(func() {
				resp, err := w.http.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				switch resp.StatusCode {
				case 200:
					wins.Add(1)
				case 412:
					losses.Add(1)
				}
			})
		}
		writers.Wait()
		if wins.Load() != 1 || losses.Load() != 31 {
			t.Fatalf("round %d: %d won and %d lost", round, wins.Load(), losses.Load())
		}
	}
}
