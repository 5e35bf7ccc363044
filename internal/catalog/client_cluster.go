package catalog

import (
	"context"
	"crypto/rand"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// InitOptions say what a new cluster begins as. The zero values of the numbers are the defaults.
type InitOptions struct {
	First       Node // the first member of every group
	IndexGroups int  // default 16
	Partitions  int  // default 256
	Copies      int  // default 3
	Format      uint32
}

func (o InitOptions) withDefaults() InitOptions {
	if o.IndexGroups == 0 {
		o.IndexGroups = 16
	}
	if o.Partitions == 0 {
		o.Partitions = 256
	}
	if o.Copies == 0 {
		o.Copies = 3
	}
	return o
}

// Init makes the cluster, with its groups, or gives back the one that was made before.
func (c *Client) Init(ctx context.Context, o InitOptions) (Cluster, error) {
	o = o.withDefaults()
	var clusterID [16]byte
	_, _ = rand.Read(clusterID[:]) // never fails: crypto/rand.Read ends the program instead
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_Init{Init: &catalogpb.Init{
		ClusterId: clusterID[:], First: toNode(o.First), IndexGroups: uint32(o.IndexGroups),
		Partitions: uint32(o.Partitions), Copies: uint32(o.Copies), Format: o.Format,
	}}})
	if err != nil {
		return Cluster{}, err
	}
	return fromCluster(r.GetCluster())
}

// RaiseFormat lets the cluster write a newer format. It is ErrInvalid while a node cannot read it, and to go back.
func (c *Client) RaiseFormat(ctx context.Context, format uint32) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_RaiseFormat{
		RaiseFormat: &catalogpb.RaiseFormat{Format: format},
	}})
}

// PutNode makes a node known, or replaces what is known of it.
func (c *Client) PutNode(ctx context.Context, n Node) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_PutNode{
		PutNode: &catalogpb.PutNode{Node: toNode(n)},
	}})
}

// NodeUpdate changes what is not nil.
type NodeUpdate struct {
	Zone     *string
	Capacity *int64
	Witness  *bool
	Address  *string
	Disks    *[]string
	Version  *string
	Format   *uint32
}

// UpdateNode changes a known node.
func (c *Client) UpdateNode(ctx context.Context, n id.Node, u NodeUpdate) error {
	m := &catalogpb.UpdateNode{
		Id: n[:], Zone: u.Zone, Capacity: u.Capacity, Witness: u.Witness, Address: u.Address,
		Program: u.Version, Format: u.Format,
	}
	if u.Disks != nil {
		m.Disks = &catalogpb.Strings{Values: *u.Disks}
	}
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_UpdateNode{UpdateNode: m}})
}

// RemoveNode forgets a node. It is ErrInUse while a group or a layout names it.
func (c *Client) RemoveNode(ctx context.Context, n id.Node) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_RemoveNode{
		RemoveNode: &catalogpb.RemoveNode{Id: n[:]},
	}})
}

// CreateGroup makes one more index group of the nodes, with replicas 1, 2, … in their order, and gives its number.
// Buckets may be put there at once.
func (c *Client) CreateGroup(ctx context.Context, nodes []id.Node) (id.Group, error) {
	m := &catalogpb.CreateGroup{}
	for _, n := range nodes {
		m.Nodes = append(m.Nodes, n[:])
	}
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_CreateGroup{CreateGroup: m}})
	return id.Group(r.GetNumber()), err
}

// AddMember enters a node as a member of a group, under a replica number that was never used. It is ErrExists when
// the node is a member already.
func (c *Client) AddMember(ctx context.Context, g id.Group, n id.Node, learner bool) (id.Replica, error) {
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_AddMember{
		AddMember: &catalogpb.AddMember{Group: uint32(g), Node: n[:], Learner: learner},
	}})
	return id.Replica(r.GetNumber()), err
}

// PromoteMember makes a learner a voter.
func (c *Client) PromoteMember(ctx context.Context, g id.Group, r id.Replica) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_PromoteMember{
		PromoteMember: &catalogpb.PromoteMember{Group: uint32(g), Replica: uint64(r)},
	}})
}

// RemoveMember takes a replica off a group. It is ErrInUse for the last voter.
func (c *Client) RemoveMember(ctx context.Context, g id.Group, r id.Replica) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_RemoveMember{
		RemoveMember: &catalogpb.RemoveMember{Group: uint32(g), Replica: uint64(r)},
	}})
}

// SetLayout makes l the current layout. Its epoch must follow the current one, else it is ErrConflict. It is ErrLimit
// while LayoutsMax layouts are kept.
func (c *Client) SetLayout(ctx context.Context, l Layout) error {
	for _, nodes := range l.Partitions {
		if len(nodes) != l.Copies {
			return refuse(ErrInvalid, "layout: a partition on %d nodes, of %d copies", len(nodes), l.Copies)
		}
	}
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_SetLayout{
		SetLayout: &catalogpb.SetLayout{Layout: toLayout(l)},
	}})
}

// RetireLayouts forgets the layouts before an epoch, the current one at most: no block is only where they say.
func (c *Client) RetireLayouts(ctx context.Context, before uint64) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_RetireLayouts{
		RetireLayouts: &catalogpb.RetireLayouts{Before: before},
	}})
}

// SettingChange sets, or deletes, a setting.
type SettingChange struct {
	Name     string
	Value    []byte  // nil: delete
	Expected *uint64 // the revision that must be there, 0 for none, else ErrConflict; nil: any
}

// SetSetting changes a setting and gives its new revision, 0 when it was deleted.
func (c *Client) SetSetting(ctx context.Context, s SettingChange) (uint64, error) {
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_SetSetting{
		SetSetting: &catalogpb.SetSetting{Name: s.Name, Value: s.Value, Expected: s.Expected},
	}})
	return r.GetNumber(), err
}
