package index

import (
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// amend changes what is said of a version, which keeps its place, its content and its time. Without an id it is the object's.
func (c *change) amend(key, version []byte, alter func(*indexpb.Record) (Code, error)) (*indexpb.Result, error) {
	if !soundKey(key) || version != nil && len(version) != len(id.Version{}) {
		return refuse(Invalid), nil
	}
	ch, err := c.chain(key)
	if err != nil {
		return nil, err
	}
	rec := ch.head
	if version != nil {
		if rec, err = ch.byID(id.Version(version)); err != nil {
			return nil, err
		}
	}
	switch {
	case rec == nil:
		return refuse(NotFound), nil
	case rec.DeleteMarker:
		return refuse(IsDeleteMarker), nil
	}
	if code, err := alter(rec); err != nil || code != OK {
		return refuse(code), err
	}
	return c.wrote(rec, ch.isHead(rec)), ch.rewrite(rec)
}

func (ch *chain) isHead(rec *indexpb.Record) bool { return ch.head != nil && ch.head.Seq == rec.Seq }

// rewrite writes a version in the place where it stands.
func (ch *chain) rewrite(rec *indexpb.Record) error {
	if ch.isHead(rec) {
		return ch.set(ch.keys.ofKey(tableHead, ch.bucket, ch.key), rec)
	}
	return ch.set(ch.keys.version(ch.bucket, ch.key, rec.Seq), rec)
}

func (c *change) setTags(p *indexpb.SetTags) (*indexpb.Result, error) {
	return c.amend(p.GetKey(), p.VersionId, func(rec *indexpb.Record) (Code, error) {
		var meta indexpb.Meta
		if len(rec.Meta) > 0 {
			if err := decode(rec.Meta, &meta); err != nil {
				return OK, err
			}
		}
		meta.Tags = p.GetTags()
		rec.Meta = metaRow(&meta)
		return OK, nil
	})
}

// setVersioning changes how the bucket treats writes from now on. Versions keep their ids. A bucket that was versioned once never is
// without versioning again, and one with Object Lock cannot be suspended, since that replaces null versions (S3: "Using versioning in
// S3 buckets", "Object Lock considerations").
func (c *change) setVersioning(p *indexpb.SetVersioning) (*indexpb.Result, error) {
	mode := p.GetMode()
	switch {
	case mode != uint32(Enabled) && mode != uint32(Suspended):
		return refuse(Invalid), nil
	case mode == uint32(Suspended) && c.state.lock.Enabled:
		return refuse(StateConflict), nil
	}
	c.state.versioning = Versioning(mode)
	return accept(), nil
}
