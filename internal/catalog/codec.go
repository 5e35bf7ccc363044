package catalog

import (
	"fmt"
	"time"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// This file converts between the package's types and their stored messages. The from… functions check what comes from
// disk or from another program, and answer ErrCorrupt.

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// fixed copies raw to dst, whose length it must have.
func fixed(what string, dst, raw []byte) error {
	if len(raw) != len(dst) {
		return fmt.Errorf("%w: %s of %d bytes, want %d", ErrCorrupt, what, len(raw), len(dst))
	}
	copy(dst, raw)
	return nil
}

func toCluster(c Cluster) *catalogpb.Cluster {
	return &catalogpb.Cluster{
		Version: recordVersion, Id: c.ID[:], CreatedMs: millis(c.Created), Format: c.Format,
		Epoch: c.Epoch, Partitions: uint32(c.Partitions), Copies: uint32(c.Copies),
	}
}

func fromCluster(m *catalogpb.Cluster) (c Cluster, err error) {
	c = Cluster{
		Created: fromMillis(m.GetCreatedMs()), Format: m.GetFormat(), Epoch: m.GetEpoch(),
		Partitions: int(m.GetPartitions()), Copies: int(m.GetCopies()),
	}
	return c, fixed("cluster id", c.ID[:], m.GetId())
}

func toNode(n Node) *catalogpb.Node {
	return &catalogpb.Node{
		Version: recordVersion, Id: n.ID[:], Zone: n.Zone, Capacity: n.Capacity, Witness: n.Witness,
		Address: n.Address, Disks: n.Disks, Program: n.Version, Format: n.Format,
	}
}

func fromNode(m *catalogpb.Node) (n Node, err error) {
	n = Node{
		Zone: m.GetZone(), Capacity: m.GetCapacity(), Witness: m.GetWitness(), Address: m.GetAddress(),
		Disks: m.GetDisks(), Version: m.GetProgram(), Format: m.GetFormat(),
	}
	return n, fixed("node id", n.ID[:], m.GetId())
}

// groupRecord is a Group with what only the machine needs.
type groupRecord struct {
	Group
	lastReplica id.Replica // the highest number ever given
}

func toGroup(g groupRecord) *catalogpb.Group {
	m := &catalogpb.Group{Version: recordVersion, Id: uint32(g.ID), LastReplica: uint64(g.lastReplica)}
	for _, r := range g.Members {
		m.Members = append(m.Members, &catalogpb.Member{Replica: uint64(r.Replica), Node: r.Node[:], Learner: r.Learner})
	}
	return m
}

func fromGroup(m *catalogpb.Group) (groupRecord, error) {
	g := groupRecord{Group: Group{ID: id.Group(m.GetId())}, lastReplica: id.Replica(m.GetLastReplica())}
	for _, r := range m.GetMembers() {
		member := Member{Replica: id.Replica(r.GetReplica()), Learner: r.GetLearner()}
		if err := fixed("member's node id", member.Node[:], r.GetNode()); err != nil {
			return g, err
		}
		g.Members = append(g.Members, member)
	}
	return g, nil
}

func toAccount(a Account) *catalogpb.Account {
	return &catalogpb.Account{
		Version: recordVersion, Id: a.ID[:], Name: a.Name, CreatedMs: millis(a.Created), Description: a.Description,
	}
}

func fromAccount(m *catalogpb.Account) (a Account, err error) {
	a = Account{Name: m.GetName(), Created: fromMillis(m.GetCreatedMs()), Description: m.GetDescription()}
	return a, fixed("account id", a.ID[:], m.GetId())
}

func toAccessKey(k AccessKey) *catalogpb.AccessKey {
	return &catalogpb.AccessKey{
		Version: recordVersion, Id: k.ID, Secret: k.Secret, Name: k.Name, Account: k.Account[:],
		CreatedMs: millis(k.Created), ExpiresMs: millis(k.Expires), Disabled: k.Disabled,
		CreateBuckets: k.CreateBuckets, Narrowed: k.Narrowed, Scope: toScope(k.Scope),
	}
}

func fromAccessKey(m *catalogpb.AccessKey) (k AccessKey, err error) {
	k = AccessKey{
		ID: m.GetId(), Secret: m.GetSecret(), Name: m.GetName(),
		Created: fromMillis(m.GetCreatedMs()), Expires: fromMillis(m.GetExpiresMs()), Disabled: m.GetDisabled(),
		CreateBuckets: m.GetCreateBuckets(), Narrowed: m.GetNarrowed(), Scope: fromScope(m.GetScope()),
	}
	return k, fixed("key's account id", k.Account[:], m.GetAccount())
}

func toScope(scope []Grant) (ms []*catalogpb.ScopeGrant) {
	for _, g := range scope {
		ms = append(ms, &catalogpb.ScopeGrant{Bucket: uint64(g.Bucket), Rights: uint32(g.Rights)})
	}
	return ms
}

func fromScope(ms []*catalogpb.ScopeGrant) (scope []Grant) {
	for _, m := range ms {
		scope = append(scope, Grant{Bucket: id.Bucket(m.GetBucket()), Rights: Rights(m.GetRights())})
	}
	return scope
}

func toBucket(b Bucket) *catalogpb.Bucket {
	m := &catalogpb.Bucket{
		Version: recordVersion, Id: uint64(b.ID), Name: b.Name, Account: b.Account[:], CreatedMs: millis(b.Created),
		Region: b.Region, State: uint32(b.State), LimitBytes: b.Limits.Bytes, LimitObjects: b.Limits.Objects,
	}
	for _, r := range b.Ranges {
		m.Ranges = append(m.Ranges, &catalogpb.KeyRange{From: []byte(r.From), Group: uint32(r.Group)})
	}
	for _, g := range b.Grants {
		m.Grants = append(m.Grants, &catalogpb.KeyGrant{Key: g.AccessKeyID, Rights: uint32(g.Rights)})
	}
	return m
}

func fromBucket(m *catalogpb.Bucket) (b Bucket, err error) {
	b = Bucket{
		ID: id.Bucket(m.GetId()), Name: m.GetName(), Created: fromMillis(m.GetCreatedMs()), Region: m.GetRegion(),
		State:  BucketState(m.GetState()),
		Limits: Limits{Bytes: m.GetLimitBytes(), Objects: m.GetLimitObjects()},
	}
	for _, r := range m.GetRanges() {
		b.Ranges = append(b.Ranges, KeyRange{From: string(r.GetFrom()), Group: id.Group(r.GetGroup())})
	}
	for _, g := range m.GetGrants() {
		b.Grants = append(b.Grants, KeyGrant{AccessKeyID: g.GetKey(), Rights: Rights(g.GetRights())})
	}
	if len(b.Ranges) == 0 || m.GetState() > uint32(BucketDeleting) {
		return b, fmt.Errorf("%w: bucket %d: %d key ranges, state %d", ErrCorrupt, b.ID, len(b.Ranges), m.GetState())
	}
	return b, fixed("bucket's account id", b.Account[:], m.GetAccount())
}

// toLayout writes each node once and names it by its place from then on.
func toLayout(l Layout) *catalogpb.Layout {
	m := &catalogpb.Layout{Version: recordVersion, Epoch: l.Epoch, Copies: uint32(l.Copies), CreatedMs: millis(l.Created)}
	place := make(map[id.Node]uint32)
	for _, nodes := range l.Partitions {
		for _, n := range nodes {
			if _, known := place[n]; !known {
				place[n] = uint32(len(m.Nodes))
				m.Nodes = append(m.Nodes, n[:])
			}
			m.Slots = append(m.Slots, place[n])
		}
	}
	return m
}

func fromLayout(m *catalogpb.Layout) (Layout, error) {
	l := Layout{Epoch: m.GetEpoch(), Copies: int(m.GetCopies()), Created: fromMillis(m.GetCreatedMs())}
	nodes := make([]id.Node, len(m.GetNodes()))
	for i, raw := range m.GetNodes() {
		if err := fixed("layout's node id", nodes[i][:], raw); err != nil {
			return l, err
		}
	}
	slots := m.GetSlots()
	if len(slots) == 0 {
		return l, nil
	}
	if l.Copies <= 0 || len(slots)%l.Copies != 0 {
		return l, fmt.Errorf("%w: layout of %d slots and %d copies", ErrCorrupt, len(slots), l.Copies)
	}
	placed := make([]id.Node, len(slots))
	for i, slot := range slots {
		if int(slot) >= len(nodes) {
			return l, fmt.Errorf("%w: layout names node %d of %d", ErrCorrupt, slot, len(nodes))
		}
		placed[i] = nodes[slot]
	}
	for i := 0; i < len(placed); i += l.Copies {
		l.Partitions = append(l.Partitions, placed[i:i+l.Copies:i+l.Copies])
	}
	return l, nil
}
