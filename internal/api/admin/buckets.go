package admin

import (
	"context"
	"net/http"
	"strings"

	"grange/internal/catalog"
	"grange/internal/store"
)

// toBucket shows a bucket with its counts.
func (s *Server) toBucket(ctx context.Context, v catalog.View, b *catalog.Bucket) (Bucket, error) {
	account, err := accountName(v, b.Account)
	if err != nil {
		return Bucket{}, err
	}
	stats, err := s.o.Store.Stats(ctx, b)
	if err != nil {
		return Bucket{}, err
	}
	out := Bucket{
		ID: uint64(b.ID), Name: b.Name, Account: account, Created: b.Created, Region: b.Region,
		Quota:   Quota{Bytes: b.Limits.Bytes, Objects: b.Limits.Objects},
		Objects: stats.Objects, Versions: stats.Versions, Bytes: stats.Bytes,
		Uploads: stats.Uploads, UploadBytes: stats.UploadBytes,
	}
	for _, g := range b.Grants {
		out.Grants = append(out.Grants, KeyGrant{Key: g.AccessKeyID, Rights: toRights(g.Rights)})
	}
	return out, nil
}

func (s *Server) listBuckets(r *http.Request) (any, error) {
	p, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	v, account, err := optionalAccount(r.Context(), s.o.Catalog, r.URL.Query().Get("account"))
	if err != nil {
		return nil, err
	}
	var buckets []catalog.Bucket
	l := BucketList{Buckets: []Bucket{}}
	if account == nil {
		buckets, l.Next, err = v.Buckets(p)
	} else {
		buckets, l.Next, err = v.AccountBuckets(*account, p)
	}
	if err != nil {
		return nil, err
	}
	for i := range buckets {
		shown, err := s.toBucket(r.Context(), v, &buckets[i])
		if err != nil {
			return nil, err
		}
		l.Buckets = append(l.Buckets, shown)
	}
	return l, nil
}

func (s *Server) createBucket(r *http.Request) (any, error) {
	n, err := body[NewBucket](r)
	if err != nil {
		return nil, err
	}
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return nil, err
	}
	a, err := findAccount(v, n.Account)
	if err != nil {
		return nil, err
	}
	// A key without an id is the administrator's: it narrows nothing.
	b, err := s.o.Store.CreateBucket(r.Context(), store.BucketOptions{Name: n.Name, Key: &catalog.AccessKey{Account: a.ID}})
	if err != nil {
		return nil, err
	}
	return s.toBucket(r.Context(), v, b)
}

// bucketOf looks up the bucket that the path names.
func (s *Server) bucketOf(r *http.Request) (*catalog.Bucket, error) {
	return s.o.Store.Bucket(r.Context(), r.PathValue("bucket"))
}

func (s *Server) getBucket(r *http.Request) (any, error) {
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return nil, err
	}
	b, err := s.bucketOf(r)
	if err != nil {
		return nil, err
	}
	return s.toBucket(r.Context(), v, b)
}

func (s *Server) deleteBucket(r *http.Request) (any, error) {
	b, err := s.bucketOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.o.Store.DeleteBucket(r.Context(), b)
}

func (s *Server) setQuota(r *http.Request) (any, error) {
	q, err := body[Quota](r)
	if err != nil {
		return nil, err
	}
	if q.Bytes < 0 || q.Objects < 0 {
		return nil, invalid("a quota cannot be negative; 0 is none")
	}
	b, err := s.bucketOf(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Catalog.SetLimits(r.Context(), b.ID, catalog.Limits{Bytes: q.Bytes, Objects: q.Objects}); err != nil {
		return nil, err
	}
	return s.getBucket(r)
}

func (s *Server) grant(r *http.Request) (any, error) {
	g, err := body[GrantChange](r)
	if err != nil {
		return nil, err
	}
	rights, err := fromRights(g.Rights)
	if err != nil {
		return nil, err
	}
	b, err := s.bucketOf(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Catalog.Grant(r.Context(), b.ID, r.PathValue("key"), rights); err != nil {
		return nil, err
	}
	return s.getBucket(r)
}

func (s *Server) revoke(r *http.Request) (any, error) {
	rights := catalog.Read | catalog.Write | catalog.Owner
	if text := r.URL.Query().Get("rights"); text != "" {
		var named []Right
		for name := range strings.SplitSeq(text, ",") {
			named = append(named, Right(name))
		}
		var err error
		if rights, err = fromRights(named); err != nil {
			return nil, err
		}
	}
	b, err := s.bucketOf(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Catalog.Revoke(r.Context(), b.ID, r.PathValue("key"), rights); err != nil {
		return nil, err
	}
	return s.getBucket(r)
}
