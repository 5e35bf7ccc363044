package index

import (
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

func (c *change) put(p *indexpb.Put) (*indexpb.Result, error) {
	rec := p.GetRecord()
	c.now = rec.GetModified()
	payload, ok := soundPayload(p.GetPayload(), rec.GetSize())
	if !ok || !soundRecord(p.GetKey(), rec) || len(payload.Parts) > 0 {
		return refuse(Invalid), nil
	}
	if code := c.admitLock(rec.GetLock()); code != OK {
		return refuse(code), nil
	}
	w, code, err := c.beginWrite(p.GetKey(), writeOptions{condition: p.GetCondition(), limits: p.GetLimits(), size: rec.GetSize()})
	if err != nil || code != OK {
		return refuse(code), err
	}
	blocks, refusal, err := c.claim(payload.Extents, p.GetEpoch(), p.GetCopied())
	if err != nil || refusal != nil {
		return refusal, err
	}
	rec.Upload, rec.Parts, rec.Extents = nil, 0, uint32(len(payload.Extents))
	w.name(rec, p.GetRandom())
	w.defaultLock(rec)
	if err := c.set(c.keys.payload(c.bucket, w.key, rec.Seq), p.GetPayload()); err != nil {
		return nil, err
	}
	if err := c.addReferences(blocks); err != nil {
		return nil, err
	}
	return w.finish(rec)
}

// writeOptions say how a version is written to a key.
type writeOptions struct {
	condition *indexpb.Condition
	limits    *indexpb.Limits
	size      int64
}

// write is a version about to be written: everything was decided, and nothing was changed yet.
type write struct {
	*chain
	writeOptions
	replaced *indexpb.Record // goes when the new version comes; nil when none does
}

// beginWrite decides whether the key may be written now. A code other than OK is the refusal.
func (c *change) beginWrite(key []byte, o writeOptions) (*write, Code, error) {
	ch, err := c.chain(key)
	if err != nil {
		return nil, OK, err
	}
	if code := check(o.condition, ch.head); code != OK {
		return nil, code, nil
	}
	replaced, err := ch.replaced()
	if err != nil {
		return nil, OK, err
	}
	if overQuota(o.limits, c.state, o.size, ch.head, replaced) {
		return nil, QuotaExceeded, nil
	}
	return &write{ch, o, replaced}, OK, nil
}

// finish writes the version whose content is in its place. The new references were counted before the replaced version drops its own,
// so that a block that both name never passes through zero.
func (w *write) finish(rec *indexpb.Record) (*indexpb.Result, error) {
	if w.replaced != nil {
		if err := w.remove(w.replaced); err != nil {
			return nil, err
		}
	}
	if err := w.push(rec); err != nil {
		return nil, err
	}
	return w.wrote(rec, true), nil
}

func soundKey(key []byte) bool { return len(key) > 0 && len(key) <= KeyMax }

func soundRecord(key []byte, rec *indexpb.Record) bool {
	return soundKey(key) && rec != nil && !rec.GetDeleteMarker() && soundID(rec.GetOwner(), len(id.Account{}))
}

// soundID reports whether an id that may be absent has its length.
func soundID(b []byte, length int) bool { return len(b) == 0 || len(b) == length }

// soundPayload reads a payload and reports whether it holds size bytes, in one of the forms and within the limits.
func soundPayload(p *indexpb.Payload, size int64) (Payload, bool) {
	payload, err := payloadFromPB(p)
	if err != nil || len(payload.Inline) > InlineMax {
		return payload, false
	}
	if len(payload.Inline) > 0 && len(payload.Extents) > 0 {
		return payload, false
	}
	total := int64(len(payload.Inline))
	for _, e := range payload.Extents {
		if e.Length == 0 || uint64(e.Offset)+uint64(e.Length) > uint64(e.Size) {
			return payload, false
		}
		total += int64(e.Length)
	}
	return payload, total == size
}
