package store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"grange/internal/block"
	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
	"grange/internal/store/storetest"
)

func content(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func put(t testing.TB, p *storetest.Parts, b *catalog.Bucket, key string, data []byte) index.Version {
	t.Helper()
	v, err := p.PutObject(t.Context(), b, store.PutOptions{Key: key, Body: bytes.NewReader(data), Size: int64(len(data))})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return v
}

func get(t testing.TB, p *storetest.Parts, b *catalog.Bucket, key string) []byte {
	t.Helper()
	data, err := tryGet(t.Context(), p, b, key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return data
}

func tryGet(ctx context.Context, p *storetest.Parts, b *catalog.Bucket, key string) ([]byte, error) {
	o, err := p.Head(ctx, b, key, nil)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	r, err := o.Open(ctx, 0, o.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func blocks(t testing.TB, p *storetest.Parts) (n int) {
	t.Helper()
	if err := p.Blocks.Each(t.Context(), id.Hash{}, func(block.Info) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestContentComesBackAsItWasPut(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "sizes")
	for _, n := range []int{0, 1, index.InlineMax - 1, index.InlineMax, index.InlineMax + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5<<20 + 77} {
		for _, known := range []bool{true, false} {
			key := fmt.Sprintf("%d-%v", n, known)
			data := content(uint64(n), n)
			size := int64(n)
			if !known {
				size = -1
			}
			v, err := p.PutObject(t.Context(), b, store.PutOptions{Key: key, Body: iotest.DataErrReader(bytes.NewReader(data)), Size: size})
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			sum := md5.Sum(data)
			if v.Size != int64(n) || v.ETag != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: got size %d etag %s", key, v.Size, v.ETag)
			}
			if got := get(t, p, b, key); !bytes.Equal(got, data) {
				t.Errorf("%s: content differs: %d bytes", key, len(got))
			}
		}
	}
}

func TestEveryRangeIsTheOneAskedFor(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "ranges")
	data := content(1, 3<<20+12345)
	put(t, p, b, "k", data)
	o, err := p.Head(t.Context(), b, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	r := rand.New(rand.NewPCG(2, 0))
	for range 200 {
		off := r.Int64N(o.Size + 1)
		n := r.Int64N(o.Size - off + 1)
		body, err := o.Open(t.Context(), off, n)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := body.(io.WriterTo).WriteTo(&got); err != nil {
			t.Fatal(err)
		}
		body.Close()
		if !bytes.Equal(got.Bytes(), data[off:off+n]) {
			t.Fatalf("range %d+%d differs", off, n)
		}
	}
	for _, bad := range [][2]int64{{-1, 1}, {0, o.Size + 1}, {o.Size + 1, 0}, {o.Size, 1}} {
		if _, err := o.Open(t.Context(), bad[0], bad[1]); !errors.Is(err, store.ErrBadRange) {
			t.Errorf("open %v: got %v, want ErrBadRange", bad, err)
		}
	}
}

func TestBodyThatIsNotAsAnnouncedLeavesNothing(t *testing.T) {
	broken := errors.New("the line broke")
	for name, c := range map[string]struct {
		body io.Reader
		size int64
		want error
	}{
		"shorter, small":            {strings.NewReader("abc"), 4, store.ErrSizeMismatch},
		"longer, small":             {strings.NewReader("abcde"), 4, store.ErrSizeMismatch},
		"shorter, large":            {bytes.NewReader(content(1, 2<<20)), 3 << 20, store.ErrSizeMismatch},
		"longer, large":             {bytes.NewReader(content(1, 2<<20+1)), 2 << 20, store.ErrSizeMismatch},
		"ends early":                {io.MultiReader(bytes.NewReader(content(1, 2<<20)), iotest.ErrReader(io.ErrUnexpectedEOF)), -1, io.ErrUnexpectedEOF},
		"fails at the start":        {iotest.ErrReader(broken), 10, broken},
		"fails in the middle":       {io.MultiReader(bytes.NewReader(content(1, 3<<20)), iotest.ErrReader(broken)), 5 << 20, broken},
		"fails after its last byte": {io.MultiReader(bytes.NewReader(content(1, 2<<20)), iotest.ErrReader(broken)), 2 << 20, broken},
	} {
		t.Run(name, func(t *testing.T) {
			p := storetest.New(t)
			b := p.Bucket(t, "bodies")
			_, err := p.PutObject(t.Context(), b, store.PutOptions{Key: "k", Body: c.body, Size: c.size})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if _, err := p.Head(t.Context(), b, "k", nil); !errors.Is(err, store.ErrNoObject) {
				t.Errorf("head: got %v, want ErrNoObject", err)
			}
		})
	}
}

func TestVerifyDecidesBeforeAnythingIsVisible(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "verify")
	refused := errors.New("checksum differs")
	for _, n := range []int{10, 2 << 20} {
		_, err := p.PutObject(t.Context(), b, store.PutOptions{
			Key: "k", Body: bytes.NewReader(content(1, n)), Size: int64(n),
			Verify: func(*checksum.Hasher) (checksum.Value, error) { return checksum.Value{}, refused },
		})
		if !errors.Is(err, refused) {
			t.Fatalf("got %v", err)
		}
		if _, err := p.Head(t.Context(), b, "k", nil); !errors.Is(err, store.ErrNoObject) {
			t.Errorf("head: got %v, want ErrNoObject", err)
		}
	}
}

func TestOneOfManyConditionalWritersWins(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "race")
	for round := range 20 {
		key := fmt.Sprint("k", round)
		var wins sync.Map
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				_, err := p.PutObject(t.Context(), b, store.PutOptions{
					Key: key, Body: strings.NewReader(fmt.Sprint(i)), Size: -1,
					Condition: index.Condition{IfNoneMatch: []string{"*"}},
				})
				if err == nil {
					wins.Store(i, true)
				} else if !errors.Is(err, store.ErrPrecondition) {
					t.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		winners := 0
		wins.Range(func(i, _ any) bool {
			winners++
			if got := string(get(t, p, b, key)); got != fmt.Sprint(i) {
				t.Errorf("winner %v, content %s", i, got)
			}
			return true
		})
		if winners != 1 {
			t.Fatalf("%d winners", winners)
		}
	}
}

func TestMultipartObjectIsItsParts(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "parts")
	up, err := p.CreateUpload(t.Context(), b, store.UploadOptions{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{5 << 20, 6<<20 + 1, 17}
	var all []byte
	var named []store.CompletePart
	for i, n := range sizes {
		data := content(uint64(i), n)
		part, err := p.PutPart(t.Context(), b, store.PartOptions{Key: "k", Upload: up.ID, Number: i + 1, Body: bytes.NewReader(data), Size: int64(n)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
		named = append(named, store.CompletePart{Number: part.Number, ETag: part.ETag})
	}
	want := checksum.NewHasher(checksum.SetOf(checksum.CRC64NVME))
	want.Write(all)
	o := store.CompleteOptions{Key: "k", Upload: up.ID, Parts: named, Size: -1}
	v, err := p.CompleteUpload(t.Context(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	if v.Size != int64(len(all)) || v.Parts != 3 || !strings.HasSuffix(v.ETag, "-3") {
		t.Errorf("version is %+v", v)
	}
	if !v.Checksum.Equal(want.Sum(checksum.CRC64NVME)) {
		t.Errorf("checksum is %v, want %v", v.Checksum, want.Sum(checksum.CRC64NVME))
	}
	if !bytes.Equal(get(t, p, b, "k"), all) {
		t.Error("content differs")
	}
	again, err := p.CompleteUpload(t.Context(), b, o)
	if err != nil || again.Seq != v.Seq {
		t.Errorf("repeated complete: %+v, %v", again, err)
	}
	if _, err := p.PutPart(t.Context(), b, store.PartOptions{Key: "k", Upload: up.ID, Number: 1, Body: strings.NewReader("late"), Size: 4}); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("late part: got %v, want ErrNoUpload", err)
	}
	copied(t, p, b, all)
}

// copied checks copies of the multipart object "k": within its bucket, into another one, and of a range as a part.
func copied(t *testing.T, p *storetest.Parts, b *catalog.Bucket, all []byte) {
	src, err := p.Head(t.Context(), b, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	before := blocks(t, p)
	if _, err := p.CopyObject(t.Context(), b, store.CopyOptions{Source: src, SourceBucket: b, Key: "copy"}); err != nil {
		t.Fatal(err)
	}
	if n := blocks(t, p); n != before {
		t.Errorf("a copy within a bucket made %d blocks", n-before)
	}
	other := p.Bucket(t, "elsewhere")
	if _, err := p.CopyObject(t.Context(), other, store.CopyOptions{Source: src, SourceBucket: b, Key: "copy"}); err != nil {
		t.Fatal(err)
	}
	up, err := p.CreateUpload(t.Context(), b, store.UploadOptions{Key: "range"})
	if err != nil {
		t.Fatal(err)
	}
	off, n := int64(5<<20-3), int64(2<<20)
	part, err := p.CopyPart(t.Context(), b, store.PartCopyOptions{Key: "range", Upload: up.ID, Number: 7, Source: src, SourceBucket: b, Offset: off, Length: n})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CompleteUpload(t.Context(), b, store.CompleteOptions{
		Key: "range", Upload: up.ID, Parts: []store.CompletePart{{Number: 7, ETag: part.ETag}}, Size: n,
	}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(get(t, p, b, "copy"), all) || !bytes.Equal(get(t, p, other, "copy"), all) {
		t.Error("a copy differs")
	}
	if !bytes.Equal(get(t, p, b, "range"), all[off:off+n]) {
		t.Error("the copied range differs")
	}
}

func TestCompleteRefusesWhatIsNotThere(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "parts")
	up, err := p.CreateUpload(t.Context(), b, store.UploadOptions{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	part := func(number, size int) store.CompletePart {
		part, err := p.PutPart(t.Context(), b, store.PartOptions{Key: "k", Upload: up.ID, Number: number, Body: bytes.NewReader(make([]byte, size)), Size: int64(size)})
		if err != nil {
			t.Fatal(err)
		}
		return store.CompletePart{Number: number, ETag: part.ETag}
	}
	small, last := part(1, 100), part(2, 100)
	for name, c := range map[string]struct {
		parts []store.CompletePart
		size  int64
		want  error
	}{
		"no parts":     {nil, -1, store.ErrInvalidPart},
		"missing part": {[]store.CompletePart{{Number: 9, ETag: last.ETag}}, -1, store.ErrInvalidPart},
		"other etag":   {[]store.CompletePart{{Number: 2, ETag: "0"}}, -1, store.ErrInvalidPart},
		"out of order": {[]store.CompletePart{last, small}, -1, store.ErrPartOrder},
		"twice":        {[]store.CompletePart{small, small}, -1, store.ErrPartOrder},
		"too small":    {[]store.CompletePart{small, last}, -1, store.ErrPartTooSmall},
		"size differs": {[]store.CompletePart{last}, 99, store.ErrSizeMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.CompleteUpload(t.Context(), b, store.CompleteOptions{Key: "k", Upload: up.ID, Parts: c.parts, Size: c.size})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestDeletedBucketIsGoneForEveryOperation(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "gone")
	put(t, p, b, "k", []byte("x"))
	if err := p.DeleteBucket(t.Context(), b); !errors.Is(err, store.ErrNotEmpty) {
		t.Fatalf("got %v, want ErrNotEmpty", err)
	}
	if _, err := p.DeleteObject(t.Context(), b, store.DeleteOptions{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteBucket(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	_, putErr := p.PutObject(t.Context(), b, store.PutOptions{Key: "k", Body: strings.NewReader("x"), Size: 1})
	_, headErr := p.Head(t.Context(), b, "k", nil)
	_, listErr := p.List(t.Context(), b, store.ListOptions{Max: 10})
	_, uploadErr := p.CreateUpload(t.Context(), b, store.UploadOptions{Key: "k"})
	_, nameErr := p.Store.Bucket(t.Context(), "gone")
	for name, err := range map[string]error{"put": putErr, "head": headErr, "list": listErr, "upload": uploadErr, "name": nameErr} {
		if !errors.Is(err, store.ErrNoBucket) {
			t.Errorf("%s: got %v, want ErrNoBucket", name, err)
		}
	}
}

// A node that stops between sealing a bucket's index and giving its name back leaves the rest to whoever comes next.
func TestInterruptedBucketDeletionIsFinishedByTheNext(t *testing.T) {
	p := storetest.New(t)
	b := p.Bucket(t, "halfway")
	stop := errors.New("stopped")
	p.Groups.Before(func(g id.Group, _ []byte) error {
		if g == id.SystemGroup {
			return stop
		}
		return nil
	})
	if err := p.DeleteBucket(t.Context(), b); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	p.Groups.Before(nil)
	again := p.Bucket(t, "halfway")
	if again.ID == b.ID {
		t.Error("the number of a deleted bucket was given again")
	}
	put(t, p, again, "k", []byte("x"))
}

func TestGarbageIsCollectedAndNothingElse(t *testing.T) {
	p := storetest.New(t, storetest.WithSettings(store.Settings{GarbageGrace: time.Millisecond}))
	b := p.Bucket(t, "garbage")
	keep := content(1, 3<<20)
	put(t, p, b, "keep", keep)
	put(t, p, b, "shared", keep[:1<<20])
	put(t, p, b, "drop", content(2, 2<<20))
	reading, err := p.Head(t.Context(), b, "drop", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"drop", "shared"} {
		if _, err := p.DeleteObject(t.Context(), b, store.DeleteOptions{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	g := p.NewGarbage(b.Ranges[0].Group)
	collect := func() {
		for range 20 {
			if _, err := g.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	collect()
	if n := blocks(t, p); n != 5 {
		t.Errorf("%d blocks are left while a read goes on, want 5", n)
	}
	body, err := reading.Open(t.Context(), 0, reading.Size)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, content(2, 2<<20)) {
		t.Errorf("the read that began before the deletion: %v", err)
	}
	body.Close()
	reading.Close()
	collect()
	if n := blocks(t, p); n != 3 {
		t.Errorf("%d blocks are left, want 3", n)
	}
	if !bytes.Equal(get(t, p, b, "keep"), keep) {
		t.Error("content differs")
	}
	put(t, p, b, "drop", content(2, 2<<20))
	collect()
	if !bytes.Equal(get(t, p, b, "drop"), content(2, 2<<20)) {
		t.Error("content that was put again differs")
	}
}

func TestSweepFindsWhatNoRecordNames(t *testing.T) {
	p := storetest.New(t, storetest.WithSettings(store.Settings{GarbageGrace: time.Millisecond}))
	b := p.Bucket(t, "sweep")
	keep := content(1, 2<<20)
	put(t, p, b, "keep", keep)
	_, err := p.PutObject(t.Context(), b, store.PutOptions{Key: "broken", Body: io.MultiReader(bytes.NewReader(content(2, 4<<20)), iotest.ErrReader(io.ErrUnexpectedEOF)), Size: -1})
	if err == nil {
		t.Fatal("a broken body was stored")
	}
	gone := p.Bucket(t, "gone")
	_, err = p.PutObject(t.Context(), gone, store.PutOptions{Key: "broken", Body: io.MultiReader(bytes.NewReader(content(3, 2<<20)), iotest.ErrReader(io.ErrUnexpectedEOF)), Size: -1})
	if err == nil {
		t.Fatal("a broken body was stored")
	}
	if err := p.DeleteBucket(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if n := blocks(t, p); n < 6 {
		t.Fatalf("only %d blocks: the broken bodies left none", n)
	}
	sweep, garbage := p.NewSweep(), p.NewGarbage(b.Ranges[0].Group)
	for done := false; !done; {
		progress, wait, err := sweep.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		done = progress.Done
	}
	for range 5 {
		if _, err := garbage.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := blocks(t, p); n != 2 {
		t.Errorf("%d blocks are left, want 2", n)
	}
	if !bytes.Equal(get(t, p, b, "keep"), keep) {
		t.Error("content differs")
	}
}

func TestBucketsOfAKeyAreListedInOrder(t *testing.T) {
	p := storetest.New(t)
	for _, name := range []string{"bbb", "aaa", "abc", "zzz", "abd"} {
		p.Bucket(t, name)
	}
	for name, c := range map[string]struct {
		prefix, after string
		max           int
		want          string
		more          bool
	}{
		"all":         {"", "", 10, "aaa abc abd bbb zzz", false},
		"prefix":      {"ab", "", 10, "abc abd", false},
		"page":        {"", "", 2, "aaa abc", true},
		"second page": {"", "abc", 2, "abd bbb", true},
		"within":      {"ab", "abc", 10, "abd", false},
		"none":        {"x", "", 10, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			buckets, more, err := p.BucketsOf(t.Context(), p.Key, c.prefix, c.after, c.max)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, b := range buckets {
				names = append(names, b.Name)
			}
			if got := strings.Join(names, " "); got != c.want || more != c.more {
				t.Errorf("got %q %v, want %q %v", got, more, c.want, c.more)
			}
		})
	}
}

func TestFullMetadataDiskRefusesWritesAndAllowsDeletions(t *testing.T) {
	full := false
	p := storetest.New(t, func(o *store.Options) { o.Full = func() bool { return full } })
	b := p.Bucket(t, "full")
	put(t, p, b, "k", []byte("x"))
	up, err := p.CreateUpload(t.Context(), b, store.UploadOptions{Key: "u"})
	if err != nil {
		t.Fatal(err)
	}
	src, err := p.Head(t.Context(), b, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	full = true
	_, putErr := p.PutObject(t.Context(), b, store.PutOptions{Key: "new", Body: strings.NewReader("x"), Size: 1})
	_, copyErr := p.CopyObject(t.Context(), b, store.CopyOptions{Source: src, SourceBucket: b, Key: "copy"})
	_, uploadErr := p.CreateUpload(t.Context(), b, store.UploadOptions{Key: "v"})
	_, partErr := p.PutPart(t.Context(), b, store.PartOptions{Key: "u", Upload: up.ID, Number: 1, Body: strings.NewReader("x"), Size: 1})
	_, bucketErr := p.CreateBucket(t.Context(), store.BucketOptions{Name: "another", Key: p.Key})
	for name, err := range map[string]error{"put": putErr, "copy": copyErr, "upload": uploadErr, "part": partErr, "bucket": bucketErr} {
		if !errors.Is(err, store.ErrNoSpace) {
			t.Errorf("%s: got %v, want ErrNoSpace", name, err)
		}
	}
	if !bytes.Equal(get(t, p, b, "k"), []byte("x")) {
		t.Error("content differs")
	}
	if err := p.AbortUpload(t.Context(), b, "u", up.ID); err != nil {
		t.Errorf("abort: %v", err)
	}
	if _, err := p.DeleteObject(t.Context(), b, store.DeleteOptions{Key: "k"}); err != nil {
		t.Errorf("delete: %v", err)
	}
	full = false
	put(t, p, b, "k", []byte("y"))
}

func TestGarbageGoesAtOnceWhenRoomIsShort(t *testing.T) {
	short := false
	p := storetest.New(t, storetest.WithSettings(store.Settings{GarbageGrace: time.Hour}), func(o *store.Options) {
		o.Short = func() bool { return short }
	})
	b := p.Bucket(t, "short")
	put(t, p, b, "k", content(1, 2<<20))
	if _, err := p.DeleteObject(t.Context(), b, store.DeleteOptions{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	g := p.NewGarbage(b.Ranges[0].Group)
	for range 3 {
		if _, err := g.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := blocks(t, p); n != 2 {
		t.Fatalf("%d blocks are left within the grace, want 2", n)
	}
	short = true
	for deadline := time.Now().Add(10 * time.Second); blocks(t, p) > 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := g.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := blocks(t, p); n != 0 {
		t.Errorf("%d blocks are left on a disk that is short of room, want none", n)
	}
}
