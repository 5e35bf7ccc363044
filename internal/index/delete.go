package index

import (
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

func (c *change) deleteMany(p *indexpb.DeleteMany) (*indexpb.Result, error) {
	all := accept()
	for _, d := range p.GetDeletes() {
		one, err := c.delete(d)
		if err != nil {
			return nil, err
		}
		all.Results = append(all.Results, one)
	}
	return all, nil
}

func (c *change) delete(p *indexpb.Delete) (*indexpb.Result, error) {
	c.now = p.GetModified()
	if !soundKey(p.GetKey()) ||
		!soundID(p.GetVersionId(), len(id.Version{})) || !soundID(p.GetOwner(), len(id.Account{})) {
		return refuse(Invalid), nil
	}
	ch, err := c.chain(p.GetKey())
	if err != nil {
		return nil, err
	}
	if p.VersionId != nil {
		return ch.deleteVersion(p)
	}
	return ch.deleteObject(p)
}

// deleteObject removes the object as the bucket's versioning says. (S3: "Deleting object versions from a
// versioning-enabled bucket", "… from a versioning-suspended bucket")
func (ch *chain) deleteObject(p *indexpb.Delete) (*indexpb.Result, error) {
	if code := check(p.GetCondition(), ch.head); code != OK {
		return refuse(code), nil
	}
	replaced, err := ch.replaced()
	if err != nil {
		return nil, err
	}
	if replaced != nil {
		if err := ch.remove(replaced); err != nil {
			return nil, err
		}
	}
	if ch.state.versioning == Unversioned {
		if replaced == nil {
			return accept(), nil
		}
		return ch.wrote(replaced, false), nil
	}
	marker := &indexpb.Record{DeleteMarker: true, Modified: p.GetModified(), Owner: p.GetOwner()}
	ch.name(marker, p.GetRandom())
	if err := ch.push(marker); err != nil {
		return nil, err
	}
	return ch.wrote(marker, true), nil
}

// deleteVersion removes one version for good, unless it is locked. A version that does not exist is no error: deleting is idempotent in S3.
func (ch *chain) deleteVersion(p *indexpb.Delete) (*indexpb.Result, error) {
	rec, err := ch.byID(id.Version(p.GetVersionId()))
	if err != nil {
		return nil, err
	}
	live := rec
	if rec != nil && rec.DeleteMarker {
		live = nil
	}
	if code := check(p.GetCondition(), live); code != OK {
		return refuse(code), nil
	}
	if rec == nil {
		return accept(), nil
	}
	if locked(rec.GetLock(), p.GetNow(), p.GetBypass()) {
		return refuse(Locked), nil
	}
	if err := ch.remove(rec); err != nil {
		return nil, err
	}
	return ch.wrote(rec, false), nil
}

func (ch *chain) byID(v id.Version) (*indexpb.Record, error) {
	if ch.head != nil && recordID(ch.head) == v {
		return ch.head, nil
	}
	if !ch.hasOthers() {
		return nil, nil
	}
	return ch.otherByID(ch.bucket, ch.key, v)
}
