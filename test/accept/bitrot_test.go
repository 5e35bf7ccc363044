//go:build accept

package accept

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"
)

// Bits of a segment file flip while the server is down. No wrong byte is ever served: each object is whole or its GET is an
// error. A scrub finds the damage by itself and tells of it. What was not hit is still there.
func TestFlippedBitsAreFoundAndNeverServed(t *testing.T) {
	s := start(t)
	rng := seeded(t)
	client := s.minioClient()
	const size = 2<<20 + 333
	keys := []string{"bits/a", "bits/b", "bits/c", "bits/d", "bits/e", "bits/f", "bits/g", "bits/h"}
	for _, key := range keys {
		must(t, put(t.Context(), client, key, size))
	}
	s.stop()
	flips := flipBits(t, rng, filepath.Join(s.dataDir, "blocks", "segments"), 3)
	t.Logf("flipped bits at %v", flips)
	s.start()
	client = s.minioClient()

	s.grange("worker", "run", "scrub")
	s.tellsProblem("corrupt")

	damaged := 0
	for _, key := range keys {
		got, err := get(t.Context(), client, bucket, key)
		switch want := content(key, size); {
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("%s was served with wrong bytes", key)
		case err != nil && !bytes.HasPrefix(want, got):
			t.Errorf("%s: wrong bytes were sent before the error %v", key, err)
		case err != nil:
			damaged++
		}
	}
	if damaged < 1 || damaged > len(flips) {
		t.Errorf("%d objects are damaged by %d flipped bits, want at least 1 and at most one for each", damaged, len(flips))
	}
	damagedRanges(t, client, keys, size)
	must(t, put(t.Context(), client, "bits/new", size))
	mustHave(t, client, "bits/new", "bits/new", size)
}

// damagedRanges reads every object in small ranges: each one is right or an error.
func damagedRanges(t *testing.T, client *minio.Client, keys []string, size int) {
	t.Helper()
	const step = 100_000
	for _, key := range keys {
		want := content(key, size)
		for at := 0; at < size; at += step {
			options := minio.GetObjectOptions{}
			last := min(at+step, size) - 1
			must(t, options.SetRange(int64(at), int64(last)))
			object, err := client.GetObject(t.Context(), bucket, key, options)
			must(t, err)
			part := make([]byte, step)
			n, err := object.Read(part)
			if !bytes.HasPrefix(want[at:last+1], part[:n]) {
				t.Errorf("%s: range %d-%d was served with wrong bytes (%v)", key, at, last, err)
			}
			object.Close()
		}
	}
}

// flipBits flips single bits at random places of the segment files, and gives the places.
func flipBits(t *testing.T, rng *rand.Rand, dir string, count int) (places []int64) {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, _ := d.Info(); err == nil && d.Type().IsRegular() && info.Size() > 1<<20 {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("segment files in %s: %v, %v", dir, paths, err)
	}
	for range count {
		path := paths[rng.IntN(len(paths))]
		data := readFile(t, path)
		at := used(data)/2 + rng.IntN(used(data)/2) // not the head of the file, which is another kind of damage
		data[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		places = append(places, int64(at))
	}
	return places
}

// used is the length of a segment file without the zeroes at its end that only reserve room.
func used(data []byte) int { return len(bytes.TrimRight(data, "\x00")) }
