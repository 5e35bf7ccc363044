//go:build accept

package accept

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// ledger is what the writers of a test know about their keys: what was acknowledged, and what may or may not have happened
// because no answer came.
type ledger struct {
	mu struct {
		sync.Mutex
		keys map[string]*entry
	}
}

// entry is one key. Content follows from a name, see content.
type entry struct {
	acked   version   // what was acknowledged last
	pending []version // writes without an answer since then; each of them may hold
}

// version is a state that a key can be in. The zero value is: no object.
type version struct {
	name string
	size int
}

// begin notes that a write is on its way.
func (l *ledger) begin(key string, v version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.keys == nil {
		l.mu.keys = map[string]*entry{}
	}
	if l.mu.keys[key] == nil {
		l.mu.keys[key] = &entry{}
	}
	l.mu.keys[key].pending = append(l.mu.keys[key].pending, v)
}

// acknowledge notes that a write was answered with success: what was there before is no longer possible.
func (l *ledger) acknowledge(key string, v version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.mu.keys[key] = entry{acked: v}
}

// writer puts, overwrites and deletes objects of its own prefix until the server is gone. Each size is one of another
// way through the store: inside the record, one block, several blocks, an upload in parts.
func (l *ledger) writer(ctx context.Context, client *minio.Client, rng *rand.Rand, prefix string) (acked int) {
	sizes := []int{0, 100, 5000, 16 << 10, 70_000, 1<<20 + 1, 3 << 20, 11 << 20}
	for ctx.Err() == nil {
		key := fmt.Sprintf("%s/%d", prefix, rng.IntN(20))
		v := version{fmt.Sprintf("%s-%d", key, rng.Uint64()), sizes[min(rng.IntN(len(sizes)), rng.IntN(len(sizes)))]}
		remove := rng.IntN(5) == 0
		if remove {
			v = version{}
		}
		l.begin(key, v)
		if err := write(ctx, client, key, v, remove); err != nil {
			return acked
		}
		l.acknowledge(key, v)
		acked++
	}
	return acked
}

func write(ctx context.Context, client *minio.Client, key string, v version, remove bool) error {
	if remove {
		return client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
	}
	body := bytes.NewReader(content(v.name, v.size))
	_, err := client.PutObject(ctx, bucket, key, body, int64(v.size), minio.PutObjectOptions{PartSize: 5 << 20})
	return err
}

// check compares the store with the ledger: every key is in a state that it may be in, with every byte, and nothing else
// is listed.
func (l *ledger) check(t *testing.T, client *minio.Client) {
	t.Helper()
	listed := list(t, client, "", true)
	for key, e := range l.mu.keys {
		allowed := append([]version{e.acked}, e.pending...)
		found, err := observe(t.Context(), client, key, allowed)
		if err != nil {
			t.Errorf("%s: %v; acknowledged was %+v", key, err, e.acked)
			continue
		}
		if there := found != (version{}); slices.Contains(listed, key) != there {
			t.Errorf("%s: listed is %v, but read as %+v", key, !there, found)
		}
		l.acknowledge(key, found) // what was seen once must stay
	}
	for _, key := range listed {
		if _, ok := l.mu.keys[key]; !ok {
			t.Errorf("%s is listed and was never written", key)
		}
	}
}

// observe reads a key and tells which of the allowed versions it is.
func observe(ctx context.Context, client *minio.Client, key string, allowed []version) (version, error) {
	got, err := get(ctx, client, bucket, key)
	if minio.ToErrorResponse(err).Code == "NoSuchKey" {
		if slices.Contains(allowed, version{}) {
			return version{}, nil
		}
		return version{}, fmt.Errorf("the object is lost; it should be one of %+v", allowed)
	}
	if err != nil {
		return version{}, err
	}
	for _, v := range allowed {
		if v.name != "" && bytes.Equal(got, content(v.name, v.size)) {
			return v, nil
		}
	}
	return version{}, fmt.Errorf("the object has %d bytes, which are none of %+v", len(got), allowed)
}

// Eight writers put, overwrite and delete while the server is killed, over and over. After each restart every acknowledged
// write is there with every byte, and what was not acknowledged is there whole or not at all.
func TestKillDuringWritesLosesNothing(t *testing.T) {
	s := start(t)
	rng := seeded(t)
	var l ledger
	acked := 0
	for round := range pick(5, 50) {
		client := s.minioClient()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		counts := make(chan int, 8)
		for n := range cap(counts) {
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			go func() { counts <- l.writer(ctx, client, own, fmt.Sprintf("writer-%d", n)) }()
		}
		time.Sleep(time.Duration(300+rng.IntN(1500)) * time.Millisecond)
		s.kill()
		cancel()
		for range cap(counts) {
			acked += <-counts
		}
		s.start()
		l.check(t, s.minioClient())
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if acked < 100 {
		t.Errorf("only %d writes were acknowledged: too few to show something", acked)
	}
	t.Logf("%d acknowledged writes, %d keys", acked, len(l.mu.keys))
}
