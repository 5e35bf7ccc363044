package catalog

import (
	"errors"
	"math/bits"
	"slices"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
	"grange/internal/kv"
)

const (
	partitionsMax = 1 << 16
	copiesMax     = 16
	disksMax      = 64 // of one node
	membersMax    = NodesMax
)

func (t *tx) requireCluster() error {
	_, err := t.cluster()
	return err
}

// init makes the cluster. When there is one, it is given back unchanged: the first node repeats Init at each start
// that finds no answer to its last one.
func (t *tx) init(c *catalogpb.Init) (*catalogpb.Result, error) {
	old, err := t.cluster()
	if exists, err := found(err); err != nil {
		return nil, err
	} else if exists {
		return &catalogpb.Result{Existed: true, Cluster: toCluster(old)}, nil
	}
	cluster := Cluster{
		Created: t.now, Format: c.GetFormat(), Partitions: int(c.GetPartitions()), Copies: int(c.GetCopies()),
	}
	if len(c.GetClusterId()) != len(cluster.ID) {
		return nil, refuse(ErrInvalid, "cluster id of %d bytes", len(c.GetClusterId()))
	}
	copy(cluster.ID[:], c.GetClusterId())
	if err := validShape(cluster.Partitions, cluster.Copies); err != nil {
		return nil, err
	}
	groups := int(c.GetIndexGroups())
	if groups < 1 || groups > GroupsMax/2 {
		return nil, refuse(ErrInvalid, "%d index groups: must be 1 to %d", groups, GroupsMax/2)
	}
	first, err := nodeOf(c.GetFirst(), cluster.Format)
	if err != nil {
		return nil, err
	}
	t.set(t.key(tableCluster), toCluster(cluster))
	t.set(t.nodeKey(first.ID), toNode(first))
	t.setGroup(newGroup(id.SystemGroup, first.ID))
	numbers := make([]id.Group, groups)
	for i := range numbers {
		numbers[i] = id.FirstIndexGroup + id.Group(i)
		t.setGroup(newGroup(numbers[i], first.ID))
	}
	return &catalogpb.Result{Cluster: toCluster(cluster)}, t.addGroups(numbers...)
}

// validShape checks the numbers of partitions and copies.
func validShape(partitions, copies int) error {
	if partitions < 1 || partitions > partitionsMax || bits.OnesCount(uint(partitions)) != 1 {
		return refuse(ErrInvalid, "%d partitions: must be a power of two up to %d", partitions, partitionsMax)
	}
	if copies < 1 || copies > copiesMax {
		return refuse(ErrInvalid, "%d copies: must be 1 to %d", copies, copiesMax)
	}
	return nil
}

func newGroup(g id.Group, nodes ...id.Node) groupRecord {
	r := groupRecord{Group: Group{ID: g}}
	for _, n := range nodes {
		r.lastReplica++
		r.Members = append(r.Members, Member{Replica: r.lastReplica, Node: n})
	}
	return r
}

func (t *tx) setGroup(g groupRecord) { t.set(t.groupKey(g.ID), toGroup(g)) }

// raiseFormat lets the cluster write newer formats, once every node can read them.
func (t *tx) raiseFormat(c *catalogpb.RaiseFormat) (*catalogpb.Result, error) {
	cluster, err := t.cluster()
	if err != nil {
		return nil, err
	}
	if c.GetFormat() == cluster.Format {
		return &catalogpb.Result{Existed: true}, nil
	}
	if c.GetFormat() < cluster.Format {
		return nil, refuse(ErrInvalid, "format %d: the cluster is at %d, which is never lowered", c.GetFormat(), cluster.Format)
	}
	nodes, err := t.nodes()
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.Format < c.GetFormat() {
			return nil, refuse(ErrInvalid, "format %d: node %s reads only up to %d and must be upgraded first", c.GetFormat(), n.ID.Short(), n.Format)
		}
	}
	cluster.Format = c.GetFormat()
	t.set(t.key(tableCluster), toCluster(cluster))
	return done()
}

// nodeOf checks a node that joins, or stays in, a cluster of the given format.
func nodeOf(m *catalogpb.Node, format uint32) (Node, error) {
	n, err := fromNode(m)
	if err != nil || n.ID == (id.Node{}) {
		return n, refuse(ErrInvalid, "node id of %d bytes", len(m.GetId()))
	}
	checks := []error{validName("zone", n.Zone), validText("address", n.Address), validText("version", n.Version)}
	for _, disk := range n.Disks {
		checks = append(checks, validText("disk", disk))
	}
	for _, err := range checks {
		if err != nil {
			return n, err
		}
	}
	switch {
	case len(n.Disks) > disksMax:
		return n, refuse(ErrLimit, "node %s: at most %d disks", n.ID.Short(), disksMax)
	case n.Capacity < 0:
		return n, refuse(ErrInvalid, "node %s: capacity %d is negative", n.ID.Short(), n.Capacity)
	case n.Witness && n.Capacity > 0:
		return n, refuse(ErrInvalid, "node %s: a witness stores no blocks, its capacity must be 0", n.ID.Short())
	case n.Format < format:
		return n, refuse(ErrInvalid, "node %s: its program reads formats up to %d, the cluster is at %d: upgrade the node", n.ID.Short(), n.Format, format)
	}
	return n, nil
}

func (t *tx) putNode(c *catalogpb.PutNode) (*catalogpb.Result, error) {
	cluster, err := t.cluster()
	if err != nil {
		return nil, err
	}
	n, err := nodeOf(c.GetNode(), cluster.Format)
	if err != nil {
		return nil, err
	}
	_, err = t.node(n.ID)
	existed, err := found(err)
	if err != nil {
		return nil, err
	}
	if !existed {
		if err := t.room(t.key(tableNodes), NodesMax, "nodes in the cluster"); err != nil {
			return nil, err
		}
	}
	t.set(t.nodeKey(n.ID), toNode(n))
	return &catalogpb.Result{Existed: existed}, nil
}

// room refuses when there are most records under prefix already.
func (t *tx) room(prefix []byte, most int, what string) error {
	n, err := t.count(prefix, most)
	if err != nil {
		return err
	}
	if n >= most {
		return refuse(ErrLimit, "%d %s", most, what)
	}
	return nil
}

func (t *tx) updateNode(c *catalogpb.UpdateNode) (*catalogpb.Result, error) {
	cluster, err := t.cluster()
	if err != nil {
		return nil, err
	}
	var nodeID id.Node
	if fixed("node id", nodeID[:], c.GetId()) != nil {
		return nil, refuse(ErrInvalid, "node id of %d bytes", len(c.GetId()))
	}
	old, err := t.node(nodeID)
	if err != nil {
		return nil, err
	}
	m := toNode(old)
	setIf(&m.Zone, c.Zone)
	setIf(&m.Capacity, c.Capacity)
	setIf(&m.Witness, c.Witness)
	setIf(&m.Address, c.Address)
	setIf(&m.Program, c.Program)
	setIf(&m.Format, c.Format)
	if c.Disks != nil {
		m.Disks = c.Disks.GetValues()
	}
	n, err := nodeOf(m, cluster.Format)
	if err != nil {
		return nil, err
	}
	t.set(t.nodeKey(n.ID), toNode(n))
	return done()
}

// setIf sets dst to what src points to, if anything.
func setIf[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

// removeNode forgets a node that nothing stands on any more.
func (t *tx) removeNode(c *catalogpb.RemoveNode) (*catalogpb.Result, error) {
	var nodeID id.Node
	if fixed("node id", nodeID[:], c.GetId()) != nil {
		return nil, refuse(ErrInvalid, "node id of %d bytes", len(c.GetId()))
	}
	if _, err := t.node(nodeID); err != nil {
		return nil, err
	}
	groups, err := t.groups()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if slices.ContainsFunc(g.Members, func(m Member) bool { return m.Node == nodeID }) {
			return nil, refuse(ErrInUse, "node %s is a member of group %d", nodeID.Short(), g.ID)
		}
	}
	layouts, err := t.layouts()
	if err != nil {
		return nil, err
	}
	for _, l := range layouts {
		if slices.ContainsFunc(l.Partitions, func(nodes []id.Node) bool { return slices.Contains(nodes, nodeID) }) {
			return nil, refuse(ErrInUse, "node %s holds blocks in layout %d", nodeID.Short(), l.Epoch)
		}
	}
	t.delete(t.nodeKey(nodeID))
	return done()
}

// membersOf checks the ids of a command's nodes.
func (t *tx) membersOf(raw [][]byte) ([]id.Node, error) {
	nodes := make([]id.Node, len(raw))
	for i, r := range raw {
		if fixed("node id", nodes[i][:], r) != nil {
			return nil, refuse(ErrInvalid, "node id of %d bytes", len(r))
		}
		if slices.Contains(nodes[:i], nodes[i]) {
			return nil, refuse(ErrInvalid, "node %s is named twice", nodes[i].Short())
		}
		if _, err := t.node(nodes[i]); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// createGroup makes one more index group; buckets that are created from then on may be put there.
func (t *tx) createGroup(c *catalogpb.CreateGroup) (*catalogpb.Result, error) {
	if n := len(c.GetNodes()); n == 0 || n > membersMax {
		return nil, refuse(ErrInvalid, "a group of %d members", n)
	}
	nodes, err := t.membersOf(c.GetNodes())
	if err != nil {
		return nil, err
	}
	if err := t.room(t.key(tableGroups), GroupsMax, "groups in the cluster"); err != nil {
		return nil, err
	}
	last, err := t.lastGroup()
	if err != nil {
		return nil, err
	}
	g := newGroup(max(last+1, id.FirstIndexGroup), nodes...)
	t.setGroup(g)
	return &catalogpb.Result{Number: uint64(g.ID)}, t.addGroups(g.ID)
}

// lastGroup is the highest number of a group. Groups are never removed, so the next number was never given.
func (t *tx) lastGroup() (last id.Group, err error) {
	it, err := t.r.NewIter(t.key(tableGroups), kv.PrefixEnd(t.key(tableGroups)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Last() {
		return 0, it.Error()
	}
	var m catalogpb.Group
	err = decode(it.Value(), &m)
	return id.Group(m.GetId()), err
}

func (t *tx) addMember(c *catalogpb.AddMember) (*catalogpb.Result, error) {
	g, err := t.group(id.Group(c.GetGroup()))
	if err != nil {
		return nil, err
	}
	nodes, err := t.membersOf([][]byte{c.GetNode()})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(g.Members, func(m Member) bool { return m.Node == nodes[0] }); i >= 0 {
		return nil, refuse(ErrExists, "node %s is member %d of group %d already", nodes[0].Short(), g.Members[i].Replica, g.ID)
	}
	g.lastReplica++
	g.Members = append(g.Members, Member{Replica: g.lastReplica, Node: nodes[0], Learner: c.GetLearner()})
	t.setGroup(g)
	return &catalogpb.Result{Number: uint64(g.lastReplica)}, nil
}

// member finds a replica's place in its group.
func (t *tx) member(group uint32, replica uint64) (g groupRecord, i int, err error) {
	if g, err = t.group(id.Group(group)); err != nil {
		return g, 0, err
	}
	i = slices.IndexFunc(g.Members, func(m Member) bool { return m.Replica == id.Replica(replica) })
	if i < 0 {
		return g, i, refuse(ErrNotFound, "replica %d of group %d", replica, group)
	}
	return g, i, nil
}

func (t *tx) promoteMember(c *catalogpb.PromoteMember) (*catalogpb.Result, error) {
	g, i, err := t.member(c.GetGroup(), c.GetReplica())
	if err != nil {
		return nil, err
	}
	g.Members[i].Learner = false
	t.setGroup(g)
	return done()
}

func (t *tx) removeMember(c *catalogpb.RemoveMember) (*catalogpb.Result, error) {
	g, i, err := t.member(c.GetGroup(), c.GetReplica())
	if err != nil {
		return nil, err
	}
	g.Members = slices.Delete(g.Members, i, i+1)
	if !slices.ContainsFunc(g.Members, func(m Member) bool { return !m.Learner }) {
		return nil, refuse(ErrInUse, "replica %d is the last voter of group %d", c.GetReplica(), c.GetGroup())
	}
	t.setGroup(g)
	return done()
}
