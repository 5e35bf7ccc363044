package index

import (
	"fmt"
	"testing"

	"grange/internal/block"
	"grange/internal/id"
)

// wide is a payload of n different blocks.
func wide(n int, name string) (p Payload) {
	for i := range n {
		p.Extents = append(p.Extents, extentsOf(fmt.Sprint(name, i))...)
	}
	return p
}

func putWide(key string, n int) Put {
	return Put{Version: Version{Bucket: 1, Key: key, Size: int64(10 * n)}, Payload: wide(n, key)}
}

func (w *world) referenced() (n int) {
	w.t.Helper()
	if err := w.view().EachReferenced(id.Hash{}, func(Referenced) bool { n++; return true }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) wantWaiting(want int64) {
	w.t.Helper()
	if got, err := w.view().ReleaseQueueLen(); err != nil || got != want {
		w.t.Errorf("release queue: got %d, %v, want %d", got, err, want)
	}
}

// TestOverwrittenWideObjectIsReleasedInSteps replaces an object of more blocks than one command may drop.
func TestOverwrittenWideObjectIsReleasedInSteps(t *testing.T) {
	w := newWorld(t)
	w.mustOK(putWide("wide", dropMax+500))
	w.mustOK(putOf(1, "wide", "A"))
	w.wantWaiting(1)
	for _, want := range []int{dropMax + 101, dropMax - 299, dropMax - 699} {
		w.mustOK(Release{Max: 400})
		if got := w.referenced(); got != want {
			t.Errorf("after a release of 400: %d blocks are referenced, want %d", got, want)
		}
		checkState(t, w.db)
	}
	w.mustOK(Release{Max: ReleaseMax})
	w.wantWaiting(0)
	if got := w.referenced(); got != 1 {
		t.Errorf("%d blocks are referenced, want 1", got)
	}
	checkState(t, w.db)
}

// TestDeleteOfManyWideObjectsIsBounded deletes more blocks than one command may drop, in objects that are small each.
func TestDeleteOfManyWideObjectsIsBounded(t *testing.T) {
	w := newWorld(t)
	many := DeleteMany{Bucket: 1}
	for i := range 5 {
		key := fmt.Sprint("k", i)
		w.mustOK(putWide(key, 300))
		many.Deletes = append(many.Deletes, Delete{Key: key})
	}
	w.mustOK(many)
	w.wantWaiting(2)
	if got := w.referenced(); got != 600 {
		t.Errorf("%d blocks are still referenced, want 600: three objects fit into one command", got)
	}
	checkState(t, w.db)
	w.drain()
	checkState(t, w.db)
}

// TestCompletedUploadKeepsPartsWhereTheyAre completes an upload of all the parts that there can be, and deletes the object.
func TestCompletedUploadKeepsPartsWhereTheyAre(t *testing.T) {
	w := newWorld(t)
	const key = "huge"
	u := id.Upload{1}
	w.mustOK(CreateUpload{Upload{Bucket: 1, Key: key, ID: u}})
	complete := CompleteUpload{Upload: u, Version: Version{Bucket: 1, Key: key}}
	for n := 1; n <= PartNumberMax; n++ {
		r := w.mustOK(PutPart{Bucket: 1, Key: key, Upload: u, Part: Part{Number: n, Size: 10}, Payload: Payload{Extents: extentsOf(fmt.Sprint(n % 50))}})
		complete.Parts = append(complete.Parts, PartRef{Number: n, Seq: r.Part.Seq})
	}
	before := tableRows(t, w.db, tablePartData)
	complete.Version.Size = 10 * PartNumberMax
	w.mustOK(complete)
	after := tableRows(t, w.db, tablePartData)
	if len(before) != PartNumberMax || len(after) != len(before) {
		t.Errorf("part payloads: %d before, %d after, want %d", len(before), len(after), PartNumberMax)
	}
	w.mustOK(Delete{Bucket: 1, Key: key})
	w.wantWaiting(1)
	steps := 0
	for ; w.referenced() > 0 && steps < 100; steps++ {
		w.mustOK(Release{Max: 3000})
	}
	if steps != 4 {
		t.Errorf("released in %d steps, want 4", steps)
	}
	w.wantWaiting(0)
	checkState(t, w.db)
}

// TestBlockOfWaitingPayloadCanBeCopied: content on the release queue is still named, so that its blocks are safe to be named anew.
func TestBlockOfWaitingPayloadCanBeCopied(t *testing.T) {
	w := newWorld(t)
	w.mustOK(putWide("wide", dropMax+1))
	w.mustOK(Delete{Bucket: 1, Key: "wide"})
	name := "wide3"
	p := putOf(1, "copy", name)
	p.Copied = true
	w.mustOK(p)
	w.drain()
	checkState(t, w.db)
	if n, err := w.view().References(addressOf(1, name)); n != 1 || err != nil {
		t.Errorf("references: got %d, %v, want 1", n, err)
	}
	p = putOf(1, "late", "wide4")
	p.Copied = true
	if r := w.apply(p); r.Code != SourceChanged {
		t.Errorf("copy of a block that was released: got %s, want %s", r.Code, SourceChanged)
	}
}

// TestOverwriteWithTheSameContentMakesNoGarbage: the new reference is counted before the old one goes.
func TestOverwriteWithTheSameContentMakesNoGarbage(t *testing.T) {
	w := newWorld(t)
	w.mustOK(putOf(1, "k", "A", "B"))
	w.mustOK(putOf(1, "k", "B", "A"))
	if g, err := w.view().Garbage(Garbage{}, 10); len(g) != 0 || err != nil {
		t.Errorf("garbage: %v, %v", g, err)
	}
	if rows := tableRows(t, w.db, tableGarbage); len(rows) != 0 {
		t.Errorf("garbage rows: %v", rows)
	}
}

// TestGarbageAndDoomsAreWalkedInPages reads both lists one by one.
func TestGarbageAndDoomsAreWalkedInPages(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"C", "A", "B"} {
		w.mustOK(putOf(1, name, name))
		w.mustOK(Delete{Bucket: 1, Key: name})
	}
	var order string
	var last Garbage
	for {
		page, err := w.view().Garbage(last, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		last = page[0]
		order += nameOf(last.Hash[:])
		w.mustOK(Doom{Blocks: []block.Address{last.Address}, KeepEpochs: 100})
	}
	if order != "CAB" {
		t.Errorf("garbage in the order %s, want CAB: oldest first", order)
	}
	var doomed string
	var at Doomed
	for {
		page, err := w.view().Doomed(at, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		at = page[0]
		doomed += fmt.Sprint(nameOf(at.Hash[:]), at.Epoch)
	}
	if doomed != "C1A2B3" {
		t.Errorf("doomed in the order %s, want C1A2B3", doomed)
	}
}

// TestOutlivedDoomsAreForgotten: the table of dooms does not grow for ever.
func TestOutlivedDoomsAreForgotten(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		a := addressOf(1, fmt.Sprint("block", i))
		r := w.mustOK(Doom{Blocks: []block.Address{a}, KeepEpochs: 10})
		if i != 0 { // the first is never buried: its node is away
			w.mustOK(Buried{Blocks: []block.Address{a}, Epoch: r.Epoch})
		}
	}
	if n := len(tableRows(t, w.db, tableRef)); n != 11 {
		t.Errorf("%d dooms are remembered, want 10 and the one that is not buried", n)
	}
	first := addressOf(1, "block0")
	w.mustOK(Buried{Blocks: []block.Address{first}, Epoch: 300})
	w.mustOK(Doom{KeepEpochs: 0})
	if n := len(tableRows(t, w.db, tableRef)); n != 0 {
		t.Errorf("%d dooms are remembered, want none", n)
	}
	checkState(t, w.db)
}

// TestBlockIsKnownUntilItsBurial follows a block through its life.
func TestBlockIsKnownUntilItsBurial(t *testing.T) {
	w := newWorld(t)
	a := addressOf(1, "A")
	want := func(state string, want bool) {
		t.Helper()
		if got, err := w.view().Known(a); got != want || err != nil {
			t.Errorf("%s: known is %t, %v, want %t", state, got, err, want)
		}
	}
	want("never named", false)
	w.mustOK(putOf(1, "k", "A"))
	want("named", true)
	w.mustOK(Delete{Bucket: 1, Key: "k"})
	want("garbage", true)
	w.mustOK(Doom{Blocks: []block.Address{a}, KeepEpochs: 10})
	want("doomed", true)
	w.mustOK(Buried{Blocks: []block.Address{a}, Epoch: 1})
	want("buried", false)
}

// TestEachReferencedBeginsAtAHash lists a partition's blocks of all buckets in order.
func TestEachReferencedBeginsAtAHash(t *testing.T) {
	w := newWorld(t)
	w.mustOK(putOf(2, "k", "C", "B"))
	w.mustOK(putOf(1, "k", "B", "A", "D"))
	var got string
	if err := w.view().EachReferenced(hashOf("B"), func(r Referenced) bool {
		got += fmt.Sprint(nameOf(r.Hash[:]), r.Bucket, " ")
		return nameOf(r.Hash[:]) != "C"
	}); err != nil {
		t.Fatal(err)
	}
	if want := "B1 B2 C2 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	buckets := 0
	if err := w.view().EachBucket(2, func(b id.Bucket, s BucketStats) bool { buckets++; return s.Objects == 1 && b == 2 }); err != nil || buckets != 1 {
		t.Errorf("%d buckets from 2 on, %v, want 1", buckets, err)
	}
}
