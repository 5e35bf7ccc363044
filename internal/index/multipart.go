package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

func (c *change) createUpload(p *indexpb.CreateUpload) (*indexpb.Result, error) {
	if !soundKey(p.GetKey()) || len(p.GetId()) != uploadLen || orNil(p.GetId()) == nil ||
		!soundID(p.GetUpload().GetInitiator(), len(id.Account{})) || !soundID(p.GetUpload().GetOwner(), len(id.Account{})) {
		return refuse(Invalid), nil
	}
	if code := c.admitLock(p.GetUpload().GetLock()); code != OK {
		return refuse(code), nil
	}
	key, upload := string(p.GetKey()), id.Upload(p.GetId())
	row := c.keys.ofUpload(tableUpload, c.bucket, key, upload)
	used, err := c.read(row, new(indexpb.Upload))
	if err != nil || used {
		return refuse(Invalid), err
	}
	// An id is random and used once. Were it used again while content of its first use is stored, that content's release would
	// take the new parts with it.
	stored, err := c.payloadRows(c.keys.ofUpload(tablePartData, c.bucket, key, upload), 1)
	if err != nil || len(stored) > 0 {
		return refuse(Invalid), err
	}
	c.state.Uploads++
	return accept(), c.set(row, p.GetUpload())
}

func (c *change) putPart(p *indexpb.PutPart) (*indexpb.Result, error) {
	part := p.GetPart()
	c.now = part.GetModified()
	number := int(p.GetNumber())
	payload, ok := soundPayload(p.GetPayload(), part.GetSize())
	if !ok || len(payload.Parts) > 0 || !soundKey(p.GetKey()) || len(p.GetUpload()) != uploadLen || number < 1 || number > PartNumberMax {
		return refuse(Invalid), nil
	}
	key, upload := string(p.GetKey()), id.Upload(p.GetUpload())
	exists, err := c.read(c.keys.ofUpload(tableUpload, c.bucket, key, upload), new(indexpb.Upload))
	if err != nil || !exists {
		return refuse(NoSuchUpload), err
	}
	blocks, refusal, err := c.claim(payload.Extents, p.GetEpoch(), p.GetCopied())
	if err != nil || refusal != nil {
		return refusal, err
	}
	part.Seq, part.Extents = c.nextSeq(), uint32(len(payload.Extents))
	if err := c.set(c.keys.partData(c.bucket, key, upload, number, part.Seq), p.GetPayload()); err != nil {
		return nil, err
	}
	if err := c.addReferences(blocks); err != nil {
		return nil, err
	}
	if err := c.replacePart(key, upload, number, part); err != nil {
		return nil, err
	}
	return &indexpb.Result{Code: uint32(OK), PartNumber: p.GetNumber(), Part: part}, nil
}

// replacePart writes the part's row and drops the content of the one that stood there.
func (c *change) replacePart(key string, upload id.Upload, number int, part *indexpb.Part) error {
	row := c.keys.part(c.bucket, key, upload, number)
	var old indexpb.Part
	exists, err := c.read(row, &old)
	if err != nil {
		return err
	}
	c.state.UploadBytes += part.Size - old.Size
	if exists {
		if err := c.dropPart(key, upload, number, &old); err != nil {
			return err
		}
	}
	return c.set(row, part)
}

// dropPart drops the content of a part that nothing names any more.
func (c *change) dropPart(key string, upload id.Upload, number int, part *indexpb.Part) error {
	return c.dropPayload(c.keys.partData(c.bucket, key, upload, number, part.Seq), part.Extents, &indexpb.Release{
		Kind: indexpb.Release_PART, Bucket: uint64(c.bucket), Key: []byte(key), Upload: upload[:], Number: uint32(number), Seq: part.Seq,
	})
}

// completeUpload makes a version of parts. Their content stays where it is: the version names the parts.
func (c *change) completeUpload(p *indexpb.CompleteUpload) (*indexpb.Result, error) {
	rec := p.GetRecord()
	c.now = rec.GetModified()
	if !soundRecord(p.GetKey(), rec) || len(p.GetUpload()) != uploadLen || !ascending(p.GetParts()) {
		return refuse(Invalid), nil
	}
	key, upload := string(p.GetKey()), id.Upload(p.GetUpload())
	row := c.keys.ofUpload(tableUpload, c.bucket, key, upload)
	var stored indexpb.Upload
	exists, err := c.read(row, &stored)
	if err != nil {
		return nil, err
	}
	if !exists {
		return c.completedBefore(key, upload)
	}
	w, code, err := c.beginWrite(p.GetKey(), writeOptions{condition: p.GetCondition(), limits: p.GetLimits(), size: rec.GetSize()})
	if err != nil || code != OK {
		return refuse(code), err
	}
	parts, err := c.partsOf(key, upload)
	if err != nil {
		return nil, err
	}
	size, same := resolveParts(p.GetParts(), parts)
	switch {
	case !same:
		return refuse(PartsChanged), nil
	case size != rec.GetSize():
		return refuse(Invalid), nil
	}
	rec.Upload, rec.Parts, rec.Extents = p.GetUpload(), uint32(len(p.GetParts())), 0
	rec.Owner, rec.StorageClass, rec.Meta, rec.Lock = stored.Owner, stored.StorageClass, stored.Meta, stored.Lock
	w.name(rec, p.GetRandom())
	w.defaultLock(rec)
	if err := c.set(c.keys.payload(c.bucket, key, rec.Seq), &indexpb.Payload{Parts: p.GetParts()}); err != nil {
		return nil, err
	}
	if err := c.endUpload(key, upload, parts, p.GetParts()); err != nil {
		return nil, err
	}
	return w.finish(rec)
}

// completedBefore answers a Complete of an upload that is not in progress.
func (c *change) completedBefore(key string, upload id.Upload) (*indexpb.Result, error) {
	head, err := c.head(c.bucket, key)
	if err != nil {
		return nil, err
	}
	if head == nil || !bytes.Equal(head.Upload, upload[:]) {
		return refuse(NoSuchUpload), nil
	}
	return c.wrote(head, true), nil
}

// abortUpload drops an upload. The content of its parts goes by way of the release queue.
func (c *change) abortUpload(p *indexpb.AbortUpload) (*indexpb.Result, error) {
	if !soundKey(p.GetKey()) || len(p.GetUpload()) != uploadLen {
		return refuse(Invalid), nil
	}
	key, upload := string(p.GetKey()), id.Upload(p.GetUpload())
	exists, err := c.read(c.keys.ofUpload(tableUpload, c.bucket, key, upload), new(indexpb.Upload))
	if err != nil || !exists {
		return refuse(NoSuchUpload), err
	}
	parts, err := c.partsOf(key, upload)
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		later := &indexpb.Release{Kind: indexpb.Release_UPLOAD, Bucket: uint64(c.bucket), Key: p.GetKey(), Upload: p.GetUpload()}
		if err := c.enqueue(later); err != nil {
			return nil, err
		}
	}
	return accept(), c.dropUpload(key, upload, parts)
}

// storedPart is a row of the part table.
type storedPart struct {
	number int
	indexpb.Part
}

// partsOf reads the parts of an upload in order of their numbers: at most PartNumberMax.
func (c *change) partsOf(key string, upload id.Upload) (parts []*storedPart, err error) {
	prefix := c.keys.ofUpload(tablePart, c.bucket, key, upload)
	err = c.walk(prefix, kv.PrefixEnd(prefix), func(row, value []byte) (bool, error) {
		part := new(storedPart)
		if len(row) != len(prefix)+numberLen {
			return false, fmt.Errorf("%w: part key of %d bytes", ErrCorrupt, len(row))
		}
		part.number = int(binary.BigEndian.Uint16(row[len(prefix):]))
		parts = append(parts, part)
		return true, decode(value, &part.Part)
	})
	return parts, err
}

// resolveParts checks that the named parts are still the stored ones and completes what is said of them. Both are in order.
func resolveParts(named []*indexpb.PartRef, stored []*storedPart) (size int64, same bool) {
	for _, ref := range named {
		for len(stored) > 0 && stored[0].number < int(ref.GetNumber()) {
			stored = stored[1:]
		}
		if len(stored) == 0 || stored[0].number != int(ref.GetNumber()) || stored[0].Seq != ref.GetSeq() {
			return 0, false
		}
		ref.Offset, ref.Size, ref.Etag, ref.Checksum = size, stored[0].Size, stored[0].Etag, stored[0].Checksum
		size += ref.Size
	}
	return size, true
}

// endUpload drops the upload's own rows, and the content of the parts that the version does not name.
func (c *change) endUpload(key string, upload id.Upload, parts []*storedPart, named []*indexpb.PartRef) error {
	for _, part := range parts {
		if len(named) > 0 && int(named[0].GetNumber()) == part.number {
			named = named[1:]
			continue
		}
		if err := c.dropPart(key, upload, part.number, &part.Part); err != nil {
			return err
		}
	}
	return c.dropUpload(key, upload, parts)
}

// dropUpload deletes the rows of an upload and of its parts, not their content. Single deletes, because many range deletions make every
// later read of the store slower.
func (c *change) dropUpload(key string, upload id.Upload, parts []*storedPart) error {
	c.state.Uploads--
	for _, part := range parts {
		c.state.UploadBytes -= part.Size
		if err := c.batch.Delete(c.keys.part(c.bucket, key, upload, part.number)); err != nil {
			return err
		}
	}
	return c.batch.Delete(c.keys.ofUpload(tableUpload, c.bucket, key, upload))
}

// ascending reports whether there are parts and their numbers are valid and ascend.
func ascending(parts []*indexpb.PartRef) bool {
	last := uint32(0)
	for _, p := range parts {
		if p.GetNumber() <= last || p.GetNumber() > PartNumberMax {
			return false
		}
		last = p.GetNumber()
	}
	return len(parts) > 0
}
