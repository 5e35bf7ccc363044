package catalog

import (
	"slices"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// setLayout makes a layout the current one. The ones before stay until RetireLayouts, since blocks are still where
// those say. It must have the epoch after the current one: two administrators cannot overwrite each other's change.
func (t *tx) setLayout(c *catalogpb.SetLayout) (*catalogpb.Result, error) {
	cluster, err := t.cluster()
	if err != nil {
		return nil, err
	}
	l, err := fromLayout(c.GetLayout())
	if err != nil {
		return nil, refuse(ErrInvalid, "layout: %v", err)
	}
	if l.Epoch != cluster.Epoch+1 {
		return nil, refuse(ErrConflict, "layout %d: the current one is %d", l.Epoch, cluster.Epoch)
	}
	if err := validShape(len(l.Partitions), l.Copies); err != nil {
		return nil, err
	}
	if err := t.validPlaces(l); err != nil {
		return nil, err
	}
	if err := t.room(t.key(tableLayouts), LayoutsMax, "layouts: blocks are still being moved from the oldest of them"); err != nil {
		return nil, err
	}
	l.Created = t.now
	cluster.Epoch, cluster.Partitions, cluster.Copies = l.Epoch, len(l.Partitions), l.Copies
	t.set(t.layoutKey(l.Epoch), toLayout(l))
	t.set(t.key(tableCluster), toCluster(cluster))
	return &catalogpb.Result{Cluster: toCluster(cluster)}, nil
}

// validPlaces checks that each partition has its copies on storage nodes of distinct zones.
func (t *tx) validPlaces(l Layout) error {
	known := make(map[id.Node]Node)
	for i, nodes := range l.Partitions {
		var zones []string
		for _, nodeID := range nodes {
			n, ok := known[nodeID]
			if !ok {
				var err error
				if n, err = t.node(nodeID); err != nil {
					return err
				}
				known[nodeID] = n
			}
			if n.Capacity == 0 {
				return refuse(ErrInvalid, "layout: node %s stores no blocks", nodeID.Short())
			}
			if slices.Contains(zones, n.Zone) {
				return refuse(ErrInvalid, "layout: two copies of partition %d in zone %q", i, n.Zone)
			}
			zones = append(zones, n.Zone)
		}
	}
	return nil
}

// retireLayouts forgets the layouts before an epoch: all blocks were moved away from where only they had them.
func (t *tx) retireLayouts(c *catalogpb.RetireLayouts) (*catalogpb.Result, error) {
	cluster, err := t.cluster()
	if err != nil {
		return nil, err
	}
	if c.GetBefore() > cluster.Epoch {
		return nil, refuse(ErrInvalid, "layouts before %d: the current one is %d and stays", c.GetBefore(), cluster.Epoch)
	}
	layouts, err := t.layouts()
	if err != nil {
		return nil, err
	}
	for _, l := range layouts {
		if l.Epoch < c.GetBefore() {
			t.delete(t.layoutKey(l.Epoch))
		}
	}
	return done()
}
