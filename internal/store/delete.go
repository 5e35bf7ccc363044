package store

import (
	"context"
	"fmt"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
)

// DeleteObject removes an object or one version of it. Removing what does not exist succeeds, as in S3. A locked version is ErrLocked.
func (s *Store) DeleteObject(ctx context.Context, b *catalog.Bucket, o DeleteOptions) (DeleteResult, error) {
	cmd := s.deletion(b, o)
	r, err := s.propose(ctx, groupOf(b, o.Key), cmd)
	if err != nil {
		return DeleteResult{}, err
	}
	res := deleteResult(cmd, r)
	if r.Code == index.BucketSealed {
		res.Err = s.refuse(ctx, b, r.Code)
	}
	return res, res.Err
}

// DeleteObjects removes many objects; each result answers for itself. The deletions of one index group are one command.
func (s *Store) DeleteObjects(ctx context.Context, b *catalog.Bucket, o []DeleteOptions) ([]DeleteResult, error) {
	byGroup := make(map[id.Group][]int)
	for i := range o {
		g := groupOf(b, o[i].Key)
		byGroup[g] = append(byGroup[g], i)
	}
	results := make([]DeleteResult, len(o))
	for g, places := range byGroup {
		cmd := index.DeleteMany{Bucket: b.ID, Deletes: make([]index.Delete, len(places))}
		for j, i := range places {
			cmd.Deletes[j] = s.deletion(b, o[i])
		}
		r, err := s.propose(ctx, g, cmd)
		if err != nil {
			return nil, err
		}
		if r.Code != index.OK {
			return nil, s.refuse(ctx, b, r.Code)
		}
		if len(r.Results) != len(places) {
			return nil, fmt.Errorf("delete from %s: %d answers to %d deletions", b.Name, len(r.Results), len(places))
		}
		for j, i := range places {
			results[i] = deleteResult(cmd.Deletes[j], r.Results[j])
		}
	}
	return results, nil
}

func (s *Store) deletion(b *catalog.Bucket, o DeleteOptions) index.Delete {
	return index.Delete{
		Bucket:    b.ID,
		Key:       o.Key,
		VersionID: o.VersionID,
		Condition: o.Condition,
		Modified:  s.now(),
		Random:    random8(),
		Owner:     o.Owner,
		Now:       s.lockNow(),
		Bypass:    o.Bypass,
	}
}

func deleteResult(d index.Delete, r index.Result) DeleteResult {
	res := DeleteResult{Key: d.Key, VersionID: d.VersionID, DeleteMarker: r.Version.DeleteMarker}
	conditional := len(d.Condition.IfMatch) > 0 || len(d.Condition.IfNoneMatch) > 0
	if r.Code == index.NotFound && !conditional {
		return res
	}
	if res.Err = refusal(r.Code); res.Err != nil {
		return res
	}
	if d.VersionID == nil && r.Version.DeleteMarker {
		res.VersionID = &r.Version.ID
	}
	return res
}
