package catalog

import (
	"encoding/binary"
	"strconv"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
	"grange/internal/kv"
)

// View reads the catalog. What does not exist is ErrNotFound. The answers are shared: the caller changes nothing in
// what a pointer leads to.
//
// Over a kv.Snapshot all answers are of one moment. Over a store that goes on changing, each call by itself is right
// for some moment between its begin and its end; a list leaves out what was deleted while it was read.
type View struct {
	state
	cache *cache // nil: none
}

// NewView reads the state that a Machine of the same space left in r.
func NewView(space kv.Space, r kv.Reader) View { return View{state: state{space: space, r: r}} }

// Revision changes with each command that changed anything; it only grows.
func (v View) Revision() (uint64, error) { return v.counter(v.counterKey(counterRevision)) }

// Cluster is what holds for the whole cluster; ErrNotFound before Init.
func (v View) Cluster() (Cluster, error) { return v.cluster() }

// Node is one node.
func (v View) Node(n id.Node) (Node, error) { return v.node(n) }

// Nodes lists the nodes by id, at most NodesMax.
func (v View) Nodes() ([]Node, error) { return v.nodes() }

// Group is one consensus group and its members.
func (v View) Group(g id.Group) (Group, error) {
	r, err := v.group(g)
	return r.Group, err
}

// Groups lists the groups by number, at most GroupsMax.
func (v View) Groups() ([]Group, error) { return v.groups() }

// GroupBuckets is, for each index group, the number of buckets that it holds, or holds ranges of.
func (v View) GroupBuckets() (map[id.Group]uint64, error) {
	m, err := v.loads()
	if err != nil {
		return nil, err
	}
	buckets := make(map[id.Group]uint64, len(m.GetLoads()))
	for _, l := range m.GetLoads() {
		buckets[id.Group(l.GetGroup())] = l.GetBuckets()
	}
	return buckets, nil
}

// Layout is the layout of an epoch, while it is kept.
func (v View) Layout(epoch uint64) (Layout, error) { return v.layout(epoch) }

// Layouts lists the kept layouts, oldest first, at most LayoutsMax. The last is the current one.
func (v View) Layouts() ([]Layout, error) { return v.layouts() }

// Account is one account.
func (v View) Account(a id.Account) (Account, error) { return v.account(a) }

// AccountByName is the account of that name.
func (v View) AccountByName(name string) (Account, error) { return v.accountByName(name) }

// Accounts lists accounts by name.
func (v View) Accounts(p Page) (accounts []Account, next string, err error) {
	return list(v.state, v.key(tableAccountNames), p, func(name string, _ []byte) (Account, error) {
		return v.accountByName(name)
	})
}

// AccessKey is the key of that id, whether or not it may be used now.
func (v View) AccessKey(keyID string) (*AccessKey, error) {
	return cached(v, 'k', keyID, func() (*AccessKey, int, error) {
		k, err := v.accessKey(keyID)
		return &k, len(k.Scope) * grantBytes, err
	})
}

// AccessKeys lists keys by id.
func (v View) AccessKeys(p Page) (keys []AccessKey, next string, err error) {
	return list(v.state, v.key(tableKeys), p, func(_ string, value []byte) (AccessKey, error) {
		var m catalogpb.AccessKey
		if err := decode(value, &m); err != nil {
			return AccessKey{}, err
		}
		return fromAccessKey(&m)
	})
}

// AccountKeys lists the keys of an account by id.
func (v View) AccountKeys(a id.Account, p Page) (keys []AccessKey, next string, err error) {
	return list(v.state, v.key(tableAccountKeys, a[:]), p, func(keyID string, _ []byte) (AccessKey, error) {
		return v.accessKey(keyID)
	})
}

// KeyBuckets lists, by number, the buckets of other accounts that gave a key rights; at most GrantsMax.
func (v View) KeyBuckets(keyID string) (buckets []Bucket, err error) {
	names, err := v.names(v.key(tableKeyGrants, []byte(keyID), []byte{0}), GrantsMax)
	if err != nil {
		return nil, err
	}
	for _, raw := range names {
		b, err := v.bucket(id.Bucket(binary.BigEndian.Uint64([]byte(raw))))
		if ok, err := found(err); err != nil {
			return nil, err
		} else if ok {
			buckets = append(buckets, b)
		}
	}
	return buckets, nil
}

// Bucket is the bucket of that number, with its documents.
func (v View) Bucket(b id.Bucket) (*Bucket, error) {
	return cached(v, 'i', strconv.FormatUint(uint64(b), 10), func() (*Bucket, int, error) {
		return v.withDocuments(v.bucket(b))
	})
}

// BucketByName is the bucket of that name, with its documents.
func (v View) BucketByName(name string) (*Bucket, error) {
	return cached(v, 'b', name, func() (*Bucket, int, error) {
		return v.withDocuments(v.bucketByName(name))
	})
}

// withDocuments reads the bucket's documents and tells about how many bytes of memory all of it takes.
func (v View) withDocuments(b Bucket, err error) (*Bucket, int, error) {
	if err != nil {
		return nil, 0, err
	}
	size := len(b.Grants) * grantBytes
	b.Config = make(map[string][]byte)
	err = v.walk(v.key(tableDocuments, number(uint64(b.ID))), "", "", func(name string, value []byte) (bool, error) {
		var m catalogpb.Document
		if err := decode(value, &m); err != nil {
			return false, err
		}
		b.Config[name] = m.GetContent()
		size += len(name) + len(m.GetContent())
		return true, nil
	})
	return &b, size, err
}

// Buckets lists all buckets by name, without their documents.
func (v View) Buckets(p Page) (buckets []Bucket, next string, err error) {
	return list(v.state, v.key(tableBucketNames), p, v.loadReferred)
}

// AccountBuckets lists the buckets of an account by name, without their documents.
func (v View) AccountBuckets(a id.Account, p Page) (buckets []Bucket, next string, err error) {
	return list(v.state, v.key(tableAccountBuckets, a[:]), p, v.loadReferred)
}

func (v View) loadReferred(_ string, value []byte) (Bucket, error) {
	var ref catalogpb.Reference
	if err := decode(value, &ref); err != nil {
		return Bucket{}, err
	}
	return v.bucket(id.Bucket(ref.GetBucket()))
}

// DeletingBuckets lists up to limit (0: PageMax) buckets, by number from the one after the given number on, whose
// deletion was begun and neither finished nor taken back.
func (v View) DeletingBuckets(after id.Bucket, limit int) (buckets []Bucket, err error) {
	p := Page{After: string(number(uint64(after))), Max: limit}
	buckets, _, err = list(v.state, v.key(tableDeleting), p, func(raw string, _ []byte) (Bucket, error) {
		return v.bucket(id.Bucket(binary.BigEndian.Uint64([]byte(raw))))
	})
	return buckets, err
}

// Setting is the setting of that name.
func (v View) Setting(name string) (Setting, error) { return v.setting(name) }

// Settings lists settings by name.
func (v View) Settings(p Page) (settings []Setting, next string, err error) {
	return list(v.state, v.key(tableSettings), p, func(name string, value []byte) (Setting, error) {
		var m catalogpb.Setting
		if err := decode(value, &m); err != nil {
			return Setting{}, err
		}
		return Setting{Name: name, Value: m.GetValue(), Revision: m.GetRevision()}, nil
	})
}
