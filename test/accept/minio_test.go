//go:build accept

package accept

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// minioClient is a client that talks to the server and tries everything once, so that no failure is hidden.
func (s *server) minioClient() *minio.Client {
	s.t.Helper()
	client, err := minio.New(s.s3, &minio.Options{
		Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: region, MaxRetries: 1,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// put stores an object whose content follows from its key.
func put(ctx context.Context, client *minio.Client, key string, size int) error {
	_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(content(key, size)), int64(size), minio.PutObjectOptions{})
	return err
}

// get reads a whole object.
func get(ctx context.Context, client *minio.Client, bucket, key string) ([]byte, error) {
	object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer object.Close()
	return io.ReadAll(object)
}

// mustHave fails the test unless the object has the content that follows from a name.
func mustHave(t *testing.T, client *minio.Client, key, name string, size int) {
	t.Helper()
	got, err := get(t.Context(), client, bucket, key)
	if err != nil {
		t.Errorf("get %s: %v", key, err)
	} else if !bytes.Equal(got, content(name, size)) {
		t.Errorf("%s has other bytes (%d, want %d)", key, len(got), size)
	}
}

// list gives the keys below a prefix.
func list(t *testing.T, client *minio.Client, prefix string, recursive bool) []string {
	t.Helper()
	var keys []string
	for object := range client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: recursive}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// minio-go stores and finds objects: put, get, seek, stat, list, copy, remove, with signed chunks over plain HTTP.
func TestMinioGoEverydayCalls(t *testing.T) {
	s := start(t)
	client, ctx := s.minioClient(), t.Context()
	sizes := map[string]int{"m/a": 0, "m/b": 5000, "m/c/d": 2 << 20, "m/c/e": 17 << 20}
	for key, size := range sizes {
		must(t, put(ctx, client, key, size))
		mustHave(t, client, key, key, size)
		info, err := client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
		if err != nil || info.Size != int64(size) {
			t.Errorf("stat %s: %d, %v; want %d", key, info.Size, err, size)
		}
	}
	if got, want := list(t, client, "m/", true), []string{"m/a", "m/b", "m/c/d", "m/c/e"}; !slices.Equal(got, want) {
		t.Errorf("list: got %v, want %v", got, want)
	}
	if got, want := list(t, client, "m/", false), []string{"m/a", "m/b", "m/c/"}; !slices.Equal(got, want) {
		t.Errorf("list with delimiter: got %v, want %v", got, want)
	}

	object, err := client.GetObject(ctx, bucket, "m/c/e", minio.GetObjectOptions{})
	must(t, err)
	part := make([]byte, 100_000)
	_, err = object.ReadAt(part, 9_999_000)
	must(t, err)
	must(t, object.Close())
	if !bytes.Equal(part, content("m/c/e", 17<<20)[9_999_000:][:100_000]) {
		t.Error("ReadAt gives other bytes")
	}

	must(t, client.MakeBucket(ctx, "made", minio.MakeBucketOptions{}))
	_, err = client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "m/copy"}, minio.CopySrcOptions{Bucket: bucket, Object: "m/c/d"})
	must(t, err)
	mustHave(t, client, "m/copy", "m/c/d", 2<<20)
	_, err = client.CopyObject(ctx, minio.CopyDestOptions{Bucket: "made", Object: "across"}, minio.CopySrcOptions{Bucket: bucket, Object: "m/c/d"})
	must(t, err)
	must(t, client.RemoveObject(ctx, bucket, "m/c/d", minio.RemoveObjectOptions{}))
	across, err := get(ctx, client, "made", "across")
	if err != nil || !bytes.Equal(across, content("m/c/d", 2<<20)) {
		t.Errorf("a copy in another bucket, whose source is gone: %d bytes, %v", len(across), err)
	}

	doomed := make(chan minio.ObjectInfo, 10)
	for _, key := range list(t, client, "", true) {
		doomed <- minio.ObjectInfo{Key: key}
	}
	close(doomed)
	for e := range client.RemoveObjects(ctx, bucket, doomed, minio.RemoveObjectsOptions{}) {
		t.Errorf("remove %s: %v", e.ObjectName, e.Err)
	}
	if got := list(t, client, "", true); len(got) != 0 {
		t.Errorf("after the removal the bucket has %v", got)
	}
	_, err = client.StatObject(ctx, bucket, "m/a", minio.StatObjectOptions{})
	if got := minio.ToErrorResponse(err).Code; got != "NoSuchKey" {
		t.Errorf("stat of a removed object: %s, want NoSuchKey", got)
	}
	must(t, client.RemoveObject(ctx, "made", "across", minio.RemoveObjectOptions{}))
	must(t, client.RemoveBucket(ctx, "made"))
}

// minio-go streams what has no known length, in parts, and puts objects together.
func TestMinioGoPartsAndCompositions(t *testing.T) {
	s := start(t)
	client, ctx := s.minioClient(), t.Context()
	const size = 37<<20 + 11
	stream := io.LimitReader(contentReader("stream"), size)
	_, err := client.PutObject(ctx, bucket, "stream", stream, -1, minio.PutObjectOptions{PartSize: 5 << 20, NumThreads: 4, ConcurrentStreamParts: true})
	must(t, err)
	mustHave(t, client, "stream", "stream", size)

	_, err = client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed"},
		minio.CopySrcOptions{Bucket: bucket, Object: "stream", MatchRange: true, Start: 1_000_000, End: 12_999_999},
		minio.CopySrcOptions{Bucket: bucket, Object: "stream", MatchRange: true, Start: 10, End: 19})
	must(t, err)
	got, err := get(ctx, client, bucket, "composed")
	must(t, err)
	all := content("stream", 13_000_000)
	if !bytes.Equal(got, slices.Concat(all[1_000_000:13_000_000], all[10:20])) {
		t.Errorf("the composition has other bytes (%d, want 12,000,010)", len(got))
	}
}

// Presigned URLs of minio-go work with any HTTP client.
func TestMinioGoPresignedURLs(t *testing.T) {
	s := start(t)
	client, ctx := s.minioClient(), t.Context()
	up, err := client.PresignedPutObject(ctx, bucket, "pre/signed", time.Minute)
	must(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, up.String(), bytes.NewReader(content("presigned", 100_000)))
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("presigned PUT: %s", resp.Status)
	}
	down, err := client.PresignedGetObject(ctx, bucket, "pre/signed", time.Minute, nil)
	must(t, err)
	req, err = http.NewRequestWithContext(ctx, http.MethodGet, down.String(), nil)
	must(t, err)
	resp, err = http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, content("presigned", 100_000)) {
		t.Errorf("presigned GET: %s, %d bytes, %v", resp.Status, len(got), err)
	}
}
