package layout

import (
	"fmt"
	"strings"
)

// String describes the plan for people: what the cluster can store, what each node holds, and what moves.
func (p *Plan) String() string {
	var b strings.Builder
	copies := 0
	if len(p.Partitions) > 0 {
		copies = len(p.Partitions[0])
	}
	fmt.Fprintf(&b, "%d partitions of %s in %d copies: %s usable, ", len(p.Partitions), Size(p.PartitionSize), copies, Size(p.Usable()))
	switch p.Moves {
	case 0:
		b.WriteString("nothing moves\n")
	case 1:
		b.WriteString("1 copy of a partition moves\n")
	default:
		fmt.Fprintf(&b, "%d copies of partitions move\n", p.Moves)
	}
	for _, n := range p.Nodes {
		b.WriteString(n.describe(p.PartitionSize))
		b.WriteByte('\n')
	}
	return b.String()
}

func (n NodeUse) describe(size int64) string {
	var b strings.Builder
	switch {
	case n.Gone:
		fmt.Fprintf(&b, "%s has left", n.ID.Short())
	case n.Capacity == 0:
		fmt.Fprintf(&b, "%s in %s: stores no blocks", n.ID.Short(), n.Zone)
	case n.Capacity < size:
		fmt.Fprintf(&b, "%s in %s: %s, too small for one partition", n.ID.Short(), n.Zone, Size(n.Capacity))
	default:
		used := int64(n.Partitions) * size
		fmt.Fprintf(&b, "%s in %s: %d partitions, %s of %s", n.ID.Short(), n.Zone, n.Partitions, Size(used), Size(n.Capacity))
	}
	if n.Gains > 0 {
		fmt.Fprintf(&b, ", fetches %d", n.Gains)
	}
	if n.Loses > 0 {
		fmt.Fprintf(&b, ", gives up %d", n.Loses)
	}
	return b.String()
}

// Size writes a number of bytes for people, with three digits and binary units.
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1000 && unit < 5 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.3g %ciB", value, "KMGTPE"[unit])
}
