package catalog

import (
	"errors"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// The single reads, which Machine and View share. What is not there is ErrNotFound.

func (s state) cluster() (Cluster, error) {
	var m catalogpb.Cluster
	ok, err := s.get(s.key(tableCluster), &m)
	if err != nil {
		return Cluster{}, err
	}
	if !ok {
		return Cluster{}, refuse(ErrNotFound, "the cluster was not initialised yet")
	}
	return fromCluster(&m)
}

func (s state) node(n id.Node) (Node, error) {
	var m catalogpb.Node
	ok, err := s.get(s.nodeKey(n), &m)
	if err != nil {
		return Node{}, err
	}
	if !ok {
		return Node{}, refuse(ErrNotFound, "node %s", n)
	}
	return fromNode(&m)
}

func (s state) group(g id.Group) (groupRecord, error) {
	var m catalogpb.Group
	ok, err := s.get(s.groupKey(g), &m)
	if err != nil {
		return groupRecord{}, err
	}
	if !ok {
		return groupRecord{}, refuse(ErrNotFound, "group %d", g)
	}
	return fromGroup(&m)
}

func (s state) layout(epoch uint64) (Layout, error) {
	var m catalogpb.Layout
	ok, err := s.get(s.layoutKey(epoch), &m)
	if err != nil {
		return Layout{}, err
	}
	if !ok {
		return Layout{}, refuse(ErrNotFound, "layout %d", epoch)
	}
	return fromLayout(&m)
}

func (s state) account(a id.Account) (Account, error) {
	var m catalogpb.Account
	ok, err := s.get(s.accountKey(a), &m)
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, refuse(ErrNotFound, "account %s", a)
	}
	return fromAccount(&m)
}

func (s state) accountByName(name string) (Account, error) {
	var ref catalogpb.Reference
	ok, err := s.get(s.accountNameKey(name), &ref)
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, refuse(ErrNotFound, "account %q", shorten(name))
	}
	var a id.Account
	if err := fixed("account id", a[:], ref.GetAccount()); err != nil {
		return Account{}, err
	}
	return s.account(a)
}

func (s state) accessKey(keyID string) (AccessKey, error) {
	var m catalogpb.AccessKey
	ok, err := s.get(s.keyKey(keyID), &m)
	if err != nil {
		return AccessKey{}, err
	}
	if !ok {
		return AccessKey{}, refuse(ErrNotFound, "access key %q", shorten(keyID))
	}
	return fromAccessKey(&m)
}

// bucket is the record without the configuration documents.
func (s state) bucket(b id.Bucket) (Bucket, error) {
	var m catalogpb.Bucket
	ok, err := s.get(s.bucketKey(b), &m)
	if err != nil {
		return Bucket{}, err
	}
	if !ok {
		return Bucket{}, refuse(ErrNotFound, "bucket number %d", b)
	}
	return fromBucket(&m)
}

func (s state) bucketByName(name string) (Bucket, error) {
	var ref catalogpb.Reference
	ok, err := s.get(s.bucketNameKey(name), &ref)
	if err != nil {
		return Bucket{}, err
	}
	if !ok {
		return Bucket{}, refuse(ErrNotFound, "bucket %q", shorten(name))
	}
	return s.bucket(id.Bucket(ref.GetBucket()))
}

func (s state) setting(name string) (Setting, error) {
	var m catalogpb.Setting
	ok, err := s.get(s.settingKey(name), &m)
	if err != nil {
		return Setting{}, err
	}
	if !ok {
		return Setting{}, refuse(ErrNotFound, "setting %q", shorten(name))
	}
	return Setting{Name: name, Value: m.GetValue(), Revision: m.GetRevision()}, nil
}

// found tells apart what is there, what is not, and a failure.
func found(err error) (bool, error) {
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
